// How settings of queues are written: committed before they are told, put off by a store that takes nothing, and never part of a call
// that fails. Cut after every append, the journal has each setting that was confirmed.
import { createScheduler, inline, type Scheduler, type SchedulerOptions } from 'offstage'
import { extend } from 'offstage/extension'
import { describe, expect, onTestFinished, test } from 'vitest'
import { queueTable } from '../../src/engine/kept-settings.ts'
import { Journal } from '../../src/store/journal.ts'
import type { Row } from '../../src/store/store.ts'
import { jobs } from '../fixtures/jobs.ts'
import type { Jobs } from '../support/engine-cases.ts'
import { Disk } from '../support/full-store.ts'
import { MemoryMedium } from '../support/memory-medium.ts'
import { FakeOrigin, type FakeTab } from '../support/tabs.ts'
import { heard } from '../support/testing.ts'

function start(options: SchedulerOptions<never>): Scheduler<Jobs> {
  const scheduler = createScheduler<Jobs>(inline(jobs as never), { workers: 1, ...options } as never)
  onTestFinished(() => scheduler.close({ mode: 'now' }))
  return scheduler
}

const kept = (rows: Iterable<Row>) => Object.fromEntries([...rows].map(({ key, value }) => [key, value]))

test('a setting holds at once, and is told when it is committed', async () => {
  const disk = new Disk()
  const scheduler = start({ store: disk.store })
  await scheduler.counts()
  const events: string[] = []
  for (const type of ['paused', 'resumed', 'started'] as const) scheduler.on(type, () => events.push(type))
  let letThrough = () => {}
  disk.gate = new Promise((resolve) => {
    letThrough = resolve
  })
  const mail = scheduler.queue('mail')
  const done = mail.pause()
  expect([mail.isPaused, events]).toEqual([true, []])
  const ran = scheduler.run.double(1, { queue: 'mail' })
  letThrough()
  await done
  expect(events).toEqual(['paused'])
  expect(kept(disk.rows.values())).toEqual({ mail: { isPaused: true } })
  void mail.resume()
  expect(await ran).toBe(2)
  expect(events).toEqual(['paused', 'resumed', 'started'])
  expect(disk.rows.size).toBe(0)
})

test('while the store takes nothing the promise rejects; the setting stays, and is committed later', async () => {
  const disk = new Disk()
  const scheduler = start({ store: disk.store })
  await scheduler.counts()
  const paused = heard(scheduler, 'paused')
  disk.isFull = true
  await expect(scheduler.queue('mail').pause()).rejects.toMatchObject({ code: 'STORE_WRITE_FAILED' })
  expect(scheduler.queue('mail').isPaused).toBe(true)
  disk.isFull = false
  await paused
  expect(kept(disk.rows.values())).toEqual({ mail: { isPaused: true } })
})

test('nobody has to wait: a promise that rejects is no unhandled rejection', async () => {
  const disk = new Disk()
  const scheduler = start({ store: disk.store })
  await scheduler.counts()
  disk.isFull = true
  scheduler.queue('mail').setConcurrency(3)
  await heard(scheduler, 'store:error')
  disk.isFull = false
  await scheduler.close()
  expect(kept(disk.rows.values())).toEqual({ mail: { concurrency: 3 } })
})

test('what is set in the middle of a call stays when that call fails', async () => {
  const disk = new Disk()
  const scheduler = start({ store: disk.store })
  const fails = () => {
    scheduler.queue('mail').pause()
    scheduler.queue('mail').setConcurrency(2)
    scheduler.queue('mail').setConcurrency(4)
    throw new Error('no')
  }
  extend(scheduler, { name: 'failing', moves: new Set(['insert'] as const), moved: fails, open: () => ({}) })
  await scheduler.counts()
  await expect(scheduler.add.double(1)).rejects.toMatchObject({ code: 'EXTENSION_FAILED' })
  expect(await scheduler.find()).toEqual([])
  expect(kept(disk.rows.values())).toEqual({ mail: { isPaused: true, concurrency: 4 } })
})

test('its table is no extension, and no extension can have it', async () => {
  const disk = new Disk()
  disk.rows.set('x', { table: queueTable, key: 'mail', value: { isPaused: true } })
  const scheduler = start({ store: disk.store })
  const errors: unknown[] = []
  scheduler.on('store:error', ({ error }) => errors.push(error))
  expect(() => extend(scheduler, { name: queueTable, moves: new Set(), open: () => ({}) })).toThrow(
    /`extension.name` to be a name that does not begin with `offstage:`, got 'offstage:queues'/,
  )
  expect(scheduler.queue('mail').isPaused).toBe(true)
  await scheduler.close()
  expect(errors).toEqual([])
})

describe('cut after every append', () => {
  const open = (frames: readonly Uint8Array[]) => {
    const generations = [[...frames]]
    const store = new Journal(new MemoryMedium(generations), { valueBytesMax: 1e6, compactBytesMin: 200 })
    return { store, framesNow: () => [...(generations.at(-1) as Uint8Array[])] }
  }

  test('what was confirmed is there', async () => {
    const { store, framesNow } = open([])
    const scheduler = start({ store })
    await scheduler.counts()
    const mail = scheduler.queue('mail')
    const settings: (() => Promise<void>)[] = [
      () => mail.pause(),
      () => mail.setConcurrency(3),
      () => mail.setRateLimit({ limit: 1, intervalMs: 5 }),
      () => mail.resume(),
      () => mail.setConcurrency(4),
      () => mail.pause(),
      () => mail.reset(),
      () => mail.setConcurrency(5),
    ]
    const limit = { limit: 1, intervalMs: 5 }
    const unlimited = Number.POSITIVE_INFINITY
    const expected = [
      [true, unlimited, undefined],
      [true, 3, undefined],
      [true, 3, limit],
      [false, 3, limit],
      [false, 4, limit],
      [true, 4, limit],
      undefined,
      [false, 5, undefined],
    ]
    for (const [n, set] of settings.entries()) {
      await set()
      const again = start({ store: open(framesNow()).store })
      const state = (await again.queues()).find(({ name }) => name === 'mail')
      expect(state && [state.isPaused, state.concurrency, state.rateLimit]).toEqual(expected[n])
      await again.close({ mode: 'now' })
    }
  })
})

describe('in tabs', () => {
  const openIn = (tab: FakeTab) => {
    const scheduler = createScheduler<Jobs>(inline(jobs as never), { workers: 1, store: tab.store } as never)
    onTestFinished(() => (tab.isDead ? undefined : scheduler.close({ mode: 'now' })))
    return scheduler
  }

  test.each(['leader', 'follower'] as const)(
    'what the %s sets holds with the next leader, and after all of them',
    async (role) => {
      const origin = new FakeOrigin()
      const tabs = [origin.openTab(), origin.openTab(), origin.openTab()] as const
      const leader = openIn(tabs[0])
      await leader.counts()
      const [follower, third] = [openIn(tabs[1]), openIn(tabs[2])]
      await Promise.all([follower.counts(), third.counts()])
      const setter = role === 'leader' ? leader : follower
      const told = heard(third, 'paused')
      await setter.queue('mail').pause()
      await setter.queue('mail').setConcurrency(3)
      expect((await told).queue).toBe('mail')
      expect([leader, follower, third].map((each) => each.queue('mail').isPaused)).toEqual([true, true, true])
      tabs[0].crash()
      const state = { name: 'mail', isPaused: true, size: 0, running: 0, concurrency: 3, rateLimit: undefined }
      expect((await follower.queues()).find(({ name }) => name === 'mail')).toEqual(state)
      await follower.close()
      await third.close()
      const last = openIn(origin.openTab())
      expect((await last.queues()).find(({ name }) => name === 'mail')).toEqual(state)
      expect(origin.disk.problems).toEqual([])
    },
  )

  test('what was asked of a leader that is gone is set by the next', async () => {
    const origin = new FakeOrigin()
    const tabs = [origin.openTab(), origin.openTab()] as const
    const leader = openIn(tabs[0])
    await leader.counts()
    const follower = openIn(tabs[1])
    await follower.counts()
    const done = follower.queue('mail').setConcurrency(3)
    tabs[0].crash()
    await done
    expect((await follower.queues()).find(({ name }) => name === 'mail')?.concurrency).toBe(3)
  })

  test('a leader that goes to sleep with a setting on its way has it set by the next', async () => {
    const origin = new FakeOrigin()
    const tabs = [origin.openTab(), origin.openTab()] as const
    const leader = openIn(tabs[0])
    await leader.counts()
    const follower = openIn(tabs[1])
    await follower.counts()
    const done = leader.queue('mail').pause()
    tabs[0].sleep()
    await follower.counts()
    tabs[0].wake()
    await done
    expect(await leader.queues()).toEqual(await follower.queues())
    expect([leader, follower].map((each) => each.queue('mail').isPaused)).toEqual([true, true])
  })
})
