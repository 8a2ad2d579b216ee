// What extensions rely on, over a fake IndexedDB, in a tab that leads, through one that follows, and through a client over a channel.
import 'fake-indexeddb/auto'
import { createScheduler, inline, OffstageError } from 'offstage'
import { type Extension, extend } from 'offstage/extension'
import { extensionChecks, type OpenForChecks } from 'offstage/testing'
import { describe, expect, onTestFinished, test } from 'vitest'
import { idbStore } from '../../src/store/idb-store.ts'
import { jobs } from '../fixtures/jobs.ts'
import { Disk } from '../support/full-store.ts'
import { serveOverChannel } from '../support/remote.ts'
import { FakeOrigin, type FakeTab } from '../support/tabs.ts'
import { heard } from '../support/testing.ts'

type Jobs = Parameters<OpenForChecks>[1]

const startIn = (tab: FakeTab, table: Jobs) =>
  createScheduler<Jobs>(inline(table), { store: tab.store, workers: 1 } as never)

const places: Record<string, () => OpenForChecks> = {
  'a fake IndexedDB': () => (place, table) => createScheduler<Jobs>(inline(table), { store: idbStore(place) }),
  'a tab that leads': () => {
    const origins = new Map<string, FakeOrigin>()
    return (place, table) => {
      const origin = origins.get(place) ?? new FakeOrigin()
      origins.set(place, origin)
      return startIn(origin.openTab(), table)
    }
  },
  'a tab that follows': () => {
    const origins = new Map<string, FakeOrigin>()
    return async (place, table, extensions) => {
      const origin = origins.get(place) ?? new FakeOrigin()
      origins.set(place, origin)
      const leader = startIn(origin.openTab(), table)
      for (const extension of extensions) extend(leader, extension)
      await leader.counts()
      const follower = startIn(origin.openTab(), table)
      await follower.counts()
      const { close } = follower
      // What is to be opened again is at rest.
      follower.close = async (options) => {
        await close.call(follower, options)
        await leader.close(options)
      }
      return follower
    }
  },
}

places['a client over a message channel'] = () => {
  const disks = new Map<string, Disk>()
  return (place, table, extensions) => {
    const disk = disks.get(place) ?? new Disk()
    disks.set(place, disk)
    const check = (value: unknown, what: string) => {
      if (value instanceof WebAssembly.Module) throw new OffstageError('DATA_CLONE', `The ${what} is a Module.`)
    }
    const store = { ...disk.store, check }
    const { scheduler, client } = serveOverChannel({ store }, table)
    for (const extension of extensions) extend(scheduler, extension)
    const { close } = client
    client.close = async (options) => {
      await close.call(client, options)
      await scheduler.close(options)
    }
    return client as never
  }
}

describe.each(Object.entries(places))('extensions over %s', (_name, make) => {
  test.each(extensionChecks(make()))('$name', ({ run }) => run())
})

describe('extensions in several tabs', () => {
  const counter = (): Extension<{ add(key: string): Promise<number> }> => ({
    name: 'counter',
    moves: new Set(),
    open: (host) => ({
      add: (key) =>
        host.turn((turn) => {
          turn.put(key, true)
          return turn.rows.size
        }),
    }),
  })
  const open = (origin: FakeOrigin) => {
    const tab = origin.openTab()
    const scheduler = startIn(tab, jobs as never)
    onTestFinished(() => (tab.isDead ? undefined : scheduler.close({ mode: 'now' })))
    return { tab, scheduler }
  }

  test('a command that the leading tab lacks the extension for rejects, and names it', async () => {
    const origin = new FakeOrigin()
    const leader = open(origin).scheduler
    await leader.counts()
    const follower = open(origin).scheduler
    const refused = extend(follower, counter()).add('a')
    await expect(refused).rejects.toMatchObject({
      code: 'EXTENSION_MISSING',
      message: expect.stringContaining("'counter'"),
    })
  })

  test('what was asked of a tab that dies is carried out by the next', async () => {
    const origin = new FakeOrigin()
    const extension = counter()
    const first = open(origin)
    expect(await extend(first.scheduler, extension).add('a')).toBe(1)
    const second = open(origin).scheduler
    const { add } = extend(second, extension)
    expect(await add('b')).toBe(2)
    const leads = heard(second, 'leader')
    const asked = add('c')
    first.tab.crash()
    expect(await asked).toBe(3)
    await leads
    expect(await add('d')).toBe(4)
  })

  test('what a lost lead had not committed is asked for again as its caller wanted it', async () => {
    const origin = new FakeOrigin()
    const asked: unknown[] = []
    const door = (): Extension => ({
      name: 'door',
      moves: new Set(),
      open: () => ({}),
      admit(turn, { name, input, options }) {
        const said = options?.extensions?.door
        asked.push([name, input, said])
        turn.put(`${options?.id}`, said)
        return { input: (input as number) * 10 }
      },
    })
    const [first, second] = [open(origin), open(origin)]
    extend(first.scheduler, door())
    await first.scheduler.counts()
    extend(second.scheduler, door())
    await second.scheduler.counts()
    const adding = first.scheduler.add.double(1 as never, { id: 'a', extensions: { door: 'open' } })
    origin.steal('offstage:test')
    const job = await adding
    expect(await job.result()).toBe(20)
    expect(asked.slice(0, 1)).toEqual([['double', 1, 'open']])
    for (const each of asked) expect(each).toEqual(asked[0])
  })
})
