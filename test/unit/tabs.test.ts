// Several tabs on one store: one runs the jobs, the others reach them through it, and nothing is lost when it goes.
import { createScheduler, inline, type Scheduler, type SchedulerOptions } from 'offstage'
import { manualClock } from 'offstage/testing'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import type { Envelope } from '../../src/tabs/messages.ts'
import { shareAmongTabs } from '../../src/tabs/share.ts'
import { jobs } from '../fixtures/jobs.ts'
import { type Jobs, read } from '../support/engine-cases.ts'
import { FakeOrigin, type FakeTab } from '../support/tabs.ts'
import { heard, turn } from '../support/testing.ts'

function startIn(tab: FakeTab, options: SchedulerOptions<never> = {}): Scheduler<Jobs> {
  const scheduler = createScheduler<Jobs>(inline(jobs as never), { workers: 1, store: tab.store, ...options } as never)
  onTestFinished(() => (tab.isDead ? undefined : scheduler.close({ mode: 'now' })))
  return scheduler
}

/** One that leads, and one that follows. */
async function pair(options?: SchedulerOptions<never>) {
  const origin = new FakeOrigin()
  const [leaderTab, followerTab] = [origin.openTab(), origin.openTab()]
  const leader = startIn(leaderTab, options)
  await leader.counts()
  const follower = startIn(followerTab, options)
  await follower.counts()
  onTestFinished(() => expect(origin.disk.problems).toEqual([]))
  return { origin, leaderTab, followerTab, leader, follower }
}

const closed = { code: 'SCHEDULER_CLOSED' }

test.each(['leader', 'follower'] as const)('what is paused in the %s is paused in all tabs', async (role) => {
  const tabs = await pair()
  const { leader, follower } = tabs
  tabs[role].pause()
  tabs[role].queue('mails').pause()
  await follower.counts()
  expect([leader.isPaused, follower.isPaused]).toEqual([true, true])
  expect([leader.queue('mails').isPaused, follower.queue('mails').isPaused]).toEqual([true, true])
})

describe('a follower', () => {
  test('defaults of this tab count, wherever the job runs', async () => {
    const origin = new FakeOrigin()
    const leader = startIn(origin.openTab())
    await leader.counts()
    const options = { defaults: { failUntil: { attempts: 3, tags: ['mine'] } } }
    const follower = startIn(origin.openTab(), options as never)
    const job = await follower.add.failUntil(3, { attempts: undefined })
    expect(job.snapshot().tags).toEqual(['mine'])
    expect(await job.result()).toBe(3)
  })
})

test('adding an id whose job goes at that moment: the new job has what was asked for it', async () => {
  const { leader, follower } = await pair()
  const first = await follower.add.double(1, { id: 'a', tags: ['first'] })
  await first.result()
  void leader.remove('a')
  const second = await follower.add.double(21, { id: 'a', tags: ['second'] })
  expect(second).toMatchObject({ disposition: 'created', input: 21 })
  expect(second.snapshot().tags).toEqual(['second'])
  expect(await second.result()).toBe(42)
})

describe('a watched list', () => {
  const idsIn = (list: ReturnType<Scheduler<Jobs>['watch']>) => list.snapshot().map(({ id, state }) => `${id} ${state}`)

  test('goes on with the next leader: what did not change stays the same object', async () => {
    const { leader, follower, leaderTab } = await pair()
    leader.pause()
    await leader.addMany(['a', 'b'].map((id) => ({ name: 'noop', options: { id } }) as const))
    const list = follower.watch()
    await vi.waitFor(() => expect(idsIn(list)).toEqual(['a queued', 'b queued']))
    const before = list.snapshot()
    const leads = heard(follower, 'leader')
    leaderTab.crash()
    await leads
    expect(list.snapshot()).toBe(before)
    await follower.cancel('b')
    expect(idsIn(list)).toEqual(['a queued', 'b cancelled'])
    expect(list.snapshot()[0]).toBe(before[0])
  })

  test('of a tab that leads no longer, it is kept by the tab that does', async () => {
    const { leader, follower, leaderTab, followerTab } = await pair()
    leader.pause()
    await leader.add.noop(undefined, { id: 'a' })
    const list = leader.watch()
    expect(idsIn(list)).toEqual(['a queued'])
    const leads = heard(follower, 'leader')
    leaderTab.sleep()
    await leads
    leaderTab.wake()
    await follower.cancel('a')
    await vi.waitFor(() => expect(idsIn(list)).toEqual(['a cancelled']))
    followerTab.crash()
    await heard(leader, 'leader')
    await leader.retry('a')
    expect(idsIn(list)).toEqual(['a queued'])
  })

  test('a follower that is closed, or has closed its list, costs the leader nothing more', async () => {
    const { leader, follower, origin, leaderTab } = await pair()
    const inUse = origin.inUse
    const list = follower.watch()
    await follower.run.noop()
    await vi.waitFor(() => expect(list.snapshot()).toHaveLength(1))
    list.close()
    await follower.close()
    await leader.run.noop()
    expect(origin.inUse).toBeLessThan(inUse)
    expect(leaderTab.isDead).toBe(false)
    expect(list.snapshot()).toHaveLength(1)
  })
})

test('a handle of a follower has the input that an update gave while nobody told it', async () => {
  const { leader, follower, leaderTab, origin } = await pair()
  leader.pause()
  const job = await follower.add.echo(1, { id: 'a' })
  const third = startIn(origin.openTab())
  await third.counts()
  const leads = heard(follower, 'leader')
  leaderTab.crash()
  void third.update('a', { input: 2, tags: ['x'] })
  await leads
  await vi.waitFor(() => expect(job.snapshot().tags).toEqual(['x']))
  expect(job.input).toBe(2)
  const seen = await third.get('a')
  await follower.update('a', { input: 3 })
  await vi.waitFor(() => expect(seen?.input).toBe(3))
})

describe('who leads', () => {
  test('`leader` is told when a tab begins to lead', async () => {
    const origin = new FakeOrigin()
    const first = startIn(origin.openTab())
    expect(await heard(first, 'leader')).toMatchObject({ isLeader: true })
  })

  test('a close hands over; what the follower has queued goes on there', async () => {
    const { leader, follower } = await pair()
    leader.pause()
    const job = await follower.add.double(21)
    const result = job.result()
    const leads = heard(follower, 'leader')
    await leader.close()
    expect(await leads).toMatchObject({ isLeader: true })
    expect(follower.isPaused).toBe(true)
    follower.resume()
    expect(await result).toBe(42)
  })

  test('what was called while nobody led takes effect in that order, and before any job starts', async () => {
    const { leader, leaderTab, follower } = await pair()
    leader.pause()
    const jobs = await follower.addMany(['a', 'b', 'c'].map((id) => ({ name: 'noop', options: { id } }) as const))
    const started: string[] = []
    follower.on('started', ({ jobId }) => started.push(jobId))
    leaderTab.crash()
    follower.resume()
    const calls = [
      follower.cancel({ state: 'queued' }),
      follower.add.noop(undefined, { id: 'd' }).then(() => 'd'),
      follower.retry('b'),
      follower.setPriority('b', 9),
      follower.counts().then(({ queued, cancelled }) => [queued, cancelled]),
      follower.retry({ all: true }),
    ]
    expect(await Promise.all(calls)).toEqual([3, 'd', 1, true, [2, 2], 2])
    await Promise.all([...jobs.map((job) => job.result()), (await follower.get('d'))?.result()])
    expect(started.join('')).toBe('bacd')
  })

  test('a tab that cannot make its store says why, and the next one leads', async () => {
    const origin = new FakeOrigin()
    const tab = origin.openTab()
    let made = 0
    const makeStore = () => {
      if (++made === 3) throw new RangeError('no store')
      return origin.disk.storeOf(tab)
    }
    const broken = createScheduler<Jobs>(inline(jobs as never), { store: shareAmongTabs('test', makeStore, tab) })
    onTestFinished(() => broken.close({ mode: 'now' }))
    await expect(broken.run.double(1)).rejects.toThrow('no store')
    expect(await startIn(origin.openTab()).run.double(21)).toBe(42)
  })

  test('what is called as a tab begins to lead comes behind what waited', async () => {
    const { leader, leaderTab, follower } = await pair()
    leader.pause()
    await follower.add.noop(undefined, { id: 'gone' })
    const started: string[] = []
    follower.on('started', ({ jobId }) => started.push(jobId))
    follower.once('leader', () => void follower.run.noop(undefined, { id: 'later' }))
    leaderTab.crash()
    const ran = [follower.remove('gone'), follower.run.noop(undefined, { id: 'first' })]
    follower.resume()
    await Promise.all(ran)
    await follower.onIdle()
    expect(started).toEqual(['first', 'later'])
  })

  test('the leader goes, and with it values of a job that is removed already: their reader ends', async () => {
    const { leader, leaderTab, follower } = await pair()
    leader.pause()
    const job = await follower.add.send(20, { keepMs: 0 })
    const values = job.values()
    const removed = heard(follower, 'removed')
    leader.resume()
    await removed
    leaderTab.crash()
    await heard(follower, 'leader')
    expect(await read(values)).toHaveLength(16)
  })

  test('what one follower called while nobody led, another that comes to lead is asked in that order', async () => {
    const { origin, leader, leaderTab, follower } = await pair()
    const third = startIn(origin.openTab())
    leader.pause()
    await third.counts()
    const jobs = await third.addMany(['a', 'b', 'c'].map((id) => ({ name: 'noop', options: { id } }) as const))
    const started: string[] = []
    third.on('started', ({ jobId }) => started.push(jobId))
    leaderTab.crash()
    void third.setPriority('c', 9)
    third.resume()
    expect(third.isPaused).toBe(false)
    await Promise.all(jobs.map((job) => job.result()))
    expect(started.join('')).toBe('cab')
    await vi.waitFor(() => expect([follower.isPaused, third.isPaused]).toEqual([false, false]))
  })

  test('a pause that is heard of late does not undo a resume that came after it', async () => {
    const { origin, leader, follower } = await pair()
    const third = startIn(origin.openTab())
    await third.counts()
    third.pause()
    third.resume()
    follower.pause()
    await third.counts()
    await follower.counts()
    await third.counts()
    expect([leader.isPaused, follower.isPaused, third.isPaused]).toEqual([true, true, true])
    follower.resume()
    third.pause()
    third.resume()
    for (const scheduler of [follower, third, follower]) await scheduler.counts()
    expect([leader.isPaused, follower.isPaused, third.isPaused]).toEqual([false, false, false])
  })

  test('clocks that disagree: who was ahead of the next leader follows it all the same', async () => {
    const origin = new FakeOrigin()
    const [fastTab, slowTab] = [origin.openTab(), origin.openTab()]
    const fast = startIn(fastTab, { clock: manualClock(2_000) })
    await fast.counts()
    fastTab.sleep()
    const slow = startIn(slowTab, { clock: manualClock(1_000) })
    await slow.counts()
    fastTab.wake()
    expect(await fast.run.double(21)).toBe(42)
    expect(await fast.counts()).toEqual(await slow.counts())
    // One that was there before hears it too.
    const third = startIn(origin.openTab(), { clock: manualClock(0) })
    expect(await third.counts()).toEqual(await slow.counts())
  })

  test('a crash: what ran is interrupted and runs again, callbacks and promises live on', async () => {
    const { leaderTab, follower, origin } = await pair()
    const events: string[] = []
    for (const type of ['started', 'interrupted', 'completed'] as const) follower.on(type, () => events.push(type))
    const onStarted = vi.fn()
    const job = follower.run.later(30, { onStarted })
    await heard(follower, 'started')
    leaderTab.crash()
    expect(await job).toBe('later')
    expect(events).toEqual(['started', 'interrupted', 'started', 'completed'])
    expect(onStarted.mock.calls).toEqual([[1], [2]])
    expect(origin.disk.problems).toEqual([])
  })

  test.each([
    ['its user closes or reloads', 0, (tab: FakeTab) => tab.leave()],
    ['is put aside', 0, (tab: FakeTab) => tab.sleep()],
    ['crashes', 1, (tab: FakeTab) => tab.crash()],
  ] as const)('what ran in a page that %s: %i starts are counted', async (_how, count, end) => {
    const clock = manualClock()
    const { leaderTab, follower, origin } = await pair({ clock })
    const started = heard(follower, 'started')
    const job = await follower.add.later(30)
    await started
    const leads = heard(follower, 'leader')
    end(leaderTab)
    await leads
    await vi.waitFor(() =>
      expect(origin.disk.records.get(job.id)).toMatchObject({ crashes: count, attempt: 2 - count }),
    )
    if (count > 0) clock.advance(1_000)
    expect(await job.result()).toBe('later')
    expect(origin.marks.size).toBe(0)
  })

  test('a page that was closed speaks for itself alone: the crash of the next is counted', async () => {
    const { leaderTab, follower, followerTab, origin } = await pair()
    const clock = manualClock()
    const leads = heard(follower, 'leader')
    leaderTab.leave()
    await leads
    const started = heard(follower, 'started')
    const job = await follower.add.later(30)
    await started
    followerTab.crash()
    const third = startIn(origin.openTab(), { clock })
    await third.counts()
    expect(origin.disk.records.get(job.id)).toMatchObject({ state: 'queued', crashes: 1 })
    clock.advance(1_000)
    expect(await (await third.get(job.id))?.result()).toBe('later')
  })

  test('an add that nobody has answered is asked of the next leader, and added once', async () => {
    const { leaderTab, follower, origin } = await pair()
    const adding = follower.add.double(21)
    await turn()
    await turn()
    leaderTab.crash()
    const job = await adding
    expect(job.disposition).toBe('created')
    expect(await job.result()).toBe(42)
    expect([...origin.disk.records.keys()]).toEqual([job.id])
    expect(origin.disk.problems).toEqual([])
  })

  test('an add is known again by the next leader though the clock was set back meanwhile', async () => {
    const clock = manualClock()
    const { leaderTab, follower, origin } = await pair({ clock })
    const adding = follower.add.double(21, { id: 'mine', ifExists: 'reject' })
    clock.setWall(clock.now() - 3_600_000)
    for (let n = 0; n < 100 && origin.disk.records.size === 0; n++) await turn()
    leaderTab.crash()
    const job = await adding
    expect(job.disposition).toBe('created')
    expect(await job.result()).toBe(42)
    expect(origin.disk.problems).toEqual([])
  })

  test('a delay that a follower asked for is no longer when the clock is set back', async () => {
    const clock = manualClock()
    const { leader, follower } = await pair({ clock })
    const job = await follower.add.double(21, { delayMs: 200 })
    expect(job.snapshot()).toMatchObject({ state: 'scheduled', runAt: clock.now() + 200 })
    clock.setWall(clock.now() - 3_600_000)
    clock.advance(200)
    expect(await job.result()).toBe(42)
    await leader.close({ mode: 'now' })
  })

  test('an `addMany` that waits for a job that is just being added is added by the next leader', async () => {
    const clock = manualClock(1_000)
    const { leader, leaderTab, origin } = await pair({ clock })
    const first = leader.add.double(1, { id: 'same' })
    const both = leader.addMany([
      { name: 'double', input: 2 },
      { name: 'double', input: 3, options: { id: 'same' } },
    ])
    await Promise.resolve().then(() => {}) // It waits.
    // A job of that id which is added in the same millisecond is taken for its own, when another leader is asked again.
    clock.advance(1)
    leaderTab.sleep()
    leaderTab.wake()
    expect((await both).map(({ disposition }) => disposition)).toEqual(['created', 'existing'])
    expect((await first).id).toBe('same')
    expect(origin.disk.records.size).toBe(2)
    expect(origin.disk.problems).toEqual([])
  })

  test('of three, the last goes on when two have gone', async () => {
    const { origin, leaderTab, followerTab, follower } = await pair()
    const third = startIn(origin.openTab())
    third.pause()
    const jobs = [await third.add.double(1), await follower.add.double(2)]
    const results = jobs.map((job) => job.result().catch(() => 'lost'))
    leaderTab.crash()
    await heard(follower, 'leader')
    followerTab.crash()
    third.resume()
    expect(await results[0]).toBe(2)
    expect(await (await third.get(jobs[1]?.id as string))?.result()).toBe(4)
  })

  test('a follower that leaves is forgotten, and its jobs go on', async () => {
    const { origin, leader, follower, followerTab } = await pair()
    const inUse = origin.inUse
    leader.pause()
    const job = await follower.add.double(21, { id: 'a' })
    const settled = job.result().catch((error: unknown) => error)
    await follower.close()
    expect(await settled).toMatchObject(closed)
    expect(followerTab.listeners).toBe(0)
    leader.resume()
    expect(await (await leader.get('a'))?.result()).toBe(42)
    await vi.waitFor(() => expect(origin.inUse).toBeLessThan(inUse))
    await leader.close()
    expect(origin.inUse).toBe(0)
  })

  test('a follower that crashes is forgotten', async () => {
    const { origin, leader, followerTab } = await pair()
    const inUse = origin.inUse
    followerTab.crash()
    await vi.waitFor(() => expect(origin.inUse).toBe(inUse - 6))
    expect(await leader.run.double(1)).toBe(2)
  })

  test('drain in a follower waits for the leader', async () => {
    const { follower } = await pair()
    const results = Promise.all([1, 2, 3].map((n) => follower.run.later(n)))
    await follower.close({ mode: 'drain' })
    expect(await results).toEqual(['later', 'later', 'later'])
    await expect(follower.run.double(1)).rejects.toMatchObject(closed)
  })

  test('a lock that is stolen: the old leader follows, and its promises settle', async () => {
    const { origin, leader, follower } = await pair()
    const result = leader.run.later(20)
    await heard(leader, 'started')
    const lost = heard(leader, 'leader')
    origin.steal('offstage:test')
    expect(await lost).toMatchObject({ isLeader: false })
    expect(await result).toBe('later')
    expect(await follower.run.double(1)).toBe(2)
    expect(origin.disk.problems).toEqual([])
  })

  test('sleep and wake: promises live through it, in the leader and in the follower', async () => {
    const { leaderTab, followerTab, leader, follower, origin } = await pair()
    const results = [leader.run.later(20), follower.run.later(20)]
    await heard(follower, 'started')
    leaderTab.sleep()
    const asked = leader.run.double(21)
    await heard(follower, 'leader')
    leaderTab.wake()
    expect(await asked).toBe(42)
    followerTab.sleep()
    expect(await Promise.all(results.slice(0, 1))).toEqual(['later'])
    followerTab.wake()
    expect(await results[1]).toBe('later')
    expect(origin.disk.problems).toEqual([])
  })

  test('a job that is removed while a tab sleeps: its promise says so when the tab wakes', async () => {
    const { leader, follower, followerTab } = await pair()
    leader.pause()
    const job = await follower.add.double(1, { id: 'a' })
    const settled = job.result().catch((error: unknown) => error)
    const events = job.events()
    followerTab.sleep()
    expect(await leader.remove('a')).toBe(1)
    followerTab.wake()
    expect(await settled).toMatchObject({ code: 'JOB_CANCELLED', jobId: 'a' })
    expect((await read(events)).map(({ type }) => type)).toEqual(['cancelled'])
    await expect(job.result()).rejects.toMatchObject({ code: 'JOB_CANCELLED' })
    expect(await job.retry()).toBe(false)
  })

  test('a job that ends while a tab sleeps: told once when the tab wakes', async () => {
    const { leader, follower, followerTab } = await pair()
    leader.pause()
    const onCompleted = vi.fn()
    const completed = vi.fn()
    follower.on('completed', completed)
    const job = await follower.add.double(21, { onCompleted })
    followerTab.sleep()
    leader.resume()
    await leader.onIdle()
    followerTab.wake()
    expect(await job.result()).toBe(42)
    await follower.counts()
    expect(onCompleted.mock.calls).toEqual([[42]])
    expect(completed).toHaveBeenCalledTimes(1)
  })

  test('a tab that wakes while it is still closing its store does not lead before its turn', async () => {
    const origin = new FakeOrigin()
    const tab = origin.openTab()
    const first = startIn(tab)
    await first.counts()
    origin.disk.closeSteps = 10
    tab.sleep()
    tab.wake()
    // It has the lock again, and waits for its store to be closed.
    for (let n = 0; n < 3; n++) await turn()
    tab.sleep()
    const second = startIn(origin.openTab())
    for (let n = 0; n < 2; n++) await turn()
    tab.wake()
    expect(await second.run.double(1)).toBe(2)
    expect(await first.run.double(2)).toBe(4)
    expect(origin.disk.problems).toEqual([])
    expect(origin.disk.owners).toBe(2)
  })

  test('what a leader says that has been replaced is not heard', async () => {
    const { origin, followerTab, follower, leaderTab, leader } = await pair()
    const envelopes: unknown[] = []
    const address = followerTab.listening.find((name) => name.split(':').length === 3) as string
    const ear = origin.open(address, leaderTab, (envelope) => envelopes.push(envelope))
    leader.pause()
    const job = await follower.add.double(1, { id: 'a' })
    await follower.counts()
    const own = envelopes[0] as Envelope
    const messages = (envelopes as Envelope[]).flatMap(({ messages }) => messages)
    const answer = messages.find(([type]) => type === 'answer')?.[2] as [[object, string]]
    const completed = [['change', { ...answer[0][0], state: 'completed', result: 'forged', finishMs: 1 }]]
    ear.post({ ...own, from: 'somebody', messages: completed })
    ear.post({ ...own, epoch: own.epoch - 1, messages: completed })
    await follower.counts()
    expect(job.snapshot().state).toBe('queued')
    ear.post({ ...own, messages: completed })
    await follower.counts()
    expect(job.snapshot().state).toBe('completed')
  })

  test('all asleep, then one wakes', async () => {
    const { leaderTab, followerTab, follower } = await pair()
    const result = follower.run.later(5)
    leaderTab.sleep()
    followerTab.sleep()
    for (let n = 0; n < 10; n++) await turn()
    followerTab.wake()
    expect(await result).toBe('later')
  })

  test('a store that cannot be opened: every call says so', async () => {
    const origin = new FakeOrigin()
    const { OffstageError } = await import('offstage')
    origin.disk.failure = new OffstageError('STORE_CORRUPT', 'torn')
    const scheduler = startIn(origin.openTab())
    await expect(scheduler.run.double(1)).rejects.toMatchObject({ code: 'STORE_CORRUPT' })
    await expect(scheduler.counts()).rejects.toMatchObject({ code: 'STORE_CORRUPT' })
    await scheduler.close()
    expect(origin.inUse).toBe(0)
  })
})

test('without Web Locks every call says why', async () => {
  const { memoryStore } = await import('../../src/store/memory-store.ts')
  vi.stubGlobal('navigator', {})
  onTestFinished(() => void vi.unstubAllGlobals())
  const scheduler = createScheduler<Jobs>(inline(jobs as never), { store: shareAmongTabs('x', memoryStore) })
  const refused = { code: 'STORE_LOCKED', message: expect.stringContaining('secure context') }
  await expect(scheduler.run.double(1)).rejects.toMatchObject(refused)
  await expect(scheduler.get('a')).rejects.toMatchObject(refused)
  expect(() => scheduler.pause()).toThrow('secure context')
  await scheduler.close()
})
