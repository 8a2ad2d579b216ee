// Tabs with different versions of offstage on one store: one of them runs jobs, the others wait, and say why.
import { createScheduler, inline, type OffstageError, type Scheduler } from 'offstage'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { jobs } from '../fixtures/jobs.ts'
import { FakeOrigin, type FakeTab, type Speech } from '../support/tabs.ts'

type Jobs = typeof jobs
const turn = () => new Promise<void>((resolve) => setImmediate(resolve))
const settle = async () => {
  for (let n = 0; n < 40; n++) await turn()
}

interface Page {
  readonly tab: FakeTab
  readonly scheduler: Scheduler<Jobs>
  /** What `store:error` told. */
  readonly told: OffstageError[]
}

function world() {
  const origin = new FakeOrigin((callback) => void setImmediate(callback))
  onTestFinished(() => expect(origin.disk.problems).toEqual([]))
  const open = async (speech: Speech): Promise<Page> => {
    const tab = origin.openTab(speech)
    const told: OffstageError[] = []
    const scheduler = createScheduler<Jobs>(inline(jobs), { workers: 1, store: tab.store })
    scheduler.on('store:error', ({ error }) => told.push(error as OffstageError))
    onTestFinished(() => (tab.isDead ? undefined : scheduler.close({ mode: 'now' })))
    await settle()
    return { tab, scheduler, told }
  }
  return { origin, open }
}

/** A call of it, and whether that has settled. */
function ask({ scheduler }: Page, n: number) {
  const asked = { outcome: undefined as unknown, isSettled: false, settled: undefined as unknown as Promise<unknown> }
  const set = (outcome: unknown) => Object.assign(asked, { outcome, isSettled: true })
  asked.settled = scheduler.run.double(n).then(set, set)
  return asked
}

const others: readonly Speech[] = ['the first version', 'the next version']
const whatToDo = (other: Speech): string => (other === 'the first version' ? 'an older' : 'a newer')
const whomToReload = (other: Speech): string => (other === 'the first version' ? 'that tab' : 'this tab')

describe.each(others)('a tab of %s', (other) => {
  test('leads: what is called here waits until it has gone, and then is answered in order', async () => {
    const { origin, open } = world()
    const leader = await open(other)
    const page = await open('this version')
    const calls = [ask(page, 1), ask(page, 2)]
    const counts = page.scheduler.counts()
    await settle()
    expect(calls.map(({ isSettled }) => isSettled)).toEqual([false, false])
    expect(await leader.scheduler.run.double(3)).toBe(6)
    expect(origin.disk.owners).toBe(1)
    expect(page.told).toHaveLength(1)
    expect(page.told[0]).toMatchObject({ code: 'STORE_LOCKED', message: expect.stringContaining(whatToDo(other)) })
    expect(page.told[0]?.message).toContain(`Reload ${whomToReload(other)}.`)
    await leader.scheduler.close()
    await Promise.all(calls.map(({ settled }) => settled))
    expect(calls.map(({ outcome }) => outcome)).toEqual([2, 4])
    expect(await counts).toMatchObject({ completed: 1, queued: 2 })
    expect(page.told).toHaveLength(1)
  })

  test('crashes, and was the leader: the same', async () => {
    const { open } = world()
    const leader = await open(other)
    const page = await open('this version')
    const call = ask(page, 1)
    await settle()
    leader.tab.crash()
    await call.settled
    expect(call.outcome).toBe(2)
  })

  test('comes, and this one leads: it says so once, and the other waits', async () => {
    const { origin, open } = world()
    const leader = await open('this version')
    const follower = await open('this version')
    const page = await open(other)
    const call = ask(page, 1)
    await settle()
    page.tab.sleep()
    page.tab.wake()
    await settle()
    expect(call.isSettled).toBe(false)
    expect(origin.disk.owners).toBe(1)
    expect(leader.told).toHaveLength(1)
    expect(leader.told[0]).toMatchObject({ code: 'STORE_LOCKED', message: expect.stringContaining(whatToDo(other)) })
    // What the leader tells, its followers hear.
    expect(follower.told).toHaveLength(1)
    expect(await follower.scheduler.run.double(5)).toBe(10)
    await Promise.all([leader.scheduler.close(), follower.scheduler.close()])
    await call.settled
    expect(call.outcome).toBe(2)
  })

  test('takes over from a leader of this version: who followed that one waits, says why, and goes on', async () => {
    const { open } = world()
    const leader = await open('this version')
    const next = await open(other)
    const page = await open('this version')
    expect(await page.scheduler.run.double(1)).toBe(2)
    await leader.scheduler.close()
    await settle()
    const call = ask(page, 2)
    await settle()
    expect(call.isSettled).toBe(false)
    expect(page.told).toHaveLength(1)
    await next.scheduler.close()
    await call.settled
    expect(call.outcome).toBe(4)
  })

  test.each([undefined, 'drain', 'finish', 'now'] as const)(
    'leads, and a tab that waits is closed with %s',
    async (mode) => {
      const { open } = world()
      await open(other)
      const page = await open('this version')
      const call = ask(page, 1)
      await settle()
      await page.scheduler.close({ mode })
      await call.settled
      expect(call.outcome).toMatchObject({ code: 'SCHEDULER_CLOSED' })
    },
  )

  test('comes to lead while a tab drains, which does not wait for it', async () => {
    const { open } = world()
    const leader = await open('this version')
    leader.scheduler.pause()
    await open(other)
    const page = await open('this version')
    await page.scheduler.add.double(1)
    const closed = page.scheduler.close({ mode: 'drain' })
    await settle()
    await leader.scheduler.close({ mode: 'now' })
    await closed
  })

  test('is said on the console where nobody listens', async () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {})
    onTestFinished(() => warn.mockRestore())
    const { origin, open } = world()
    await open(other)
    const scheduler = createScheduler<Jobs>(inline(jobs), { store: origin.openTab().store })
    await settle()
    const said = warn.mock.calls.filter(([text]) => String(text).includes(whatToDo(other)))
    expect(said).toHaveLength(1)
    await scheduler.close({ mode: 'now' })
  })
})

test('a tab of the next version says whom to reload, too', async () => {
  const { open } = world()
  await open('this version')
  const page = await open('the next version')
  // As it sees it, the other is older.
  expect(page.told).toMatchObject([{ code: 'STORE_LOCKED', message: expect.stringContaining('Reload that tab.') }])
})

test('a late word of a leader of another version, which has been replaced, changes nothing', async () => {
  const { origin, open } = world()
  const old = await open('the first version')
  const leader = await open('this version')
  const follower = await open('this version')
  await old.scheduler.close()
  expect(await follower.scheduler.run.double(1)).toBe(2)
  const stranger = origin.openTab()
  for (const name of follower.tab.listening)
    origin.open(name, stranger, () => {}).post({ type: 'lead', from: 'old', epoch: 1, notes: [['welcome', []]] })
  await settle()
  expect(await follower.scheduler.run.double(2)).toBe(4)
  expect(await leader.scheduler.run.double(3)).toBe(6)
})
