// Several tabs on one store: one runs the jobs, the others reach them through it, and nothing is lost when it goes.
import { type AnyEvent, createScheduler, inline, type Scheduler, type SchedulerOptions } from 'offstage'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { jobs } from '../fixtures/jobs.ts'
import { FakeOrigin, type FakeTab } from '../support/tabs.ts'
import { heard, turn } from '../support/testing.ts'

type Jobs = typeof jobs

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
  return { origin, leaderTab, followerTab, leader, follower }
}

async function read<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const values: T[] = []
  for await (const value of stream) values.push(value)
  return values
}

const typesOf = (events: readonly AnyEvent[]) => events.map(({ type }) => type)
const closed = { code: 'SCHEDULER_CLOSED' }

describe.each(['leader', 'follower'] as const)('in the %s', (role) => {
  const startHere = async (options?: SchedulerOptions<never>) => {
    const tabs = await pair(options)
    return { ...tabs, scheduler: tabs[role] }
  }

  test('run, add and addMany', async () => {
    const { scheduler } = await startHere()
    expect(await scheduler.run.double(21)).toBe(42)
    const job = await scheduler.add.double(1)
    expect(job).toMatchObject({ name: 'double', input: 1, disposition: 'created' })
    expect(await job.result()).toBe(2)
    const many = await scheduler.addMany([1, 2, 3].map((input) => ({ name: 'double', input }) as const))
    expect(await Promise.all(many.map((each) => each.result()))).toEqual([2, 4, 6])
  })

  test('a thousand jobs at once', async () => {
    const { scheduler } = await startHere()
    const results = await Promise.all(Array.from({ length: 1_000 }, (_, n) => scheduler.run.double(n)))
    expect(results).toEqual(Array.from({ length: 1_000 }, (_, n) => n * 2))
  })

  test('the same id twice is one job; `reject` and `replace` do as they say', async () => {
    const { scheduler } = await startHere()
    scheduler.pause()
    const first = await scheduler.add.double(1, { id: 'a' })
    const second = await scheduler.add.double(2, { id: 'a' })
    expect([first.disposition, second.disposition, second.input]).toEqual(['created', 'existing', 1])
    await expect(scheduler.add.double(3, { id: 'a', ifExists: 'reject' })).rejects.toMatchObject({
      code: 'DUPLICATE_ID',
      jobId: 'a',
    })
    const settled = first.result().catch((error: unknown) => error)
    const third = await scheduler.add.double(4, { id: 'a', ifExists: 'replace' })
    expect(third).toMatchObject({ disposition: 'replaced', input: 4 })
    expect(await settled).toMatchObject({ code: 'JOB_CANCELLED' })
    scheduler.resume()
    expect(await third.result()).toBe(8)
    await expect(scheduler.add.echo(1, { id: 'a' })).rejects.toMatchObject({ code: 'DUPLICATE_ID' })
  })

  test('errors keep their class, message and own fields', async () => {
    class PaymentError extends Error {}
    const { scheduler } = await startHere({ errors: [PaymentError] })
    await expect(scheduler.run.fail('no')).rejects.toThrow(new TypeError('no'))
    const error = await scheduler.run.failCustom().catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(PaymentError)
    expect(error).toMatchObject({ message: 'no money', code: 'E_PAY' })
  })

  test('callbacks hear everything, in order, from the first moment', async () => {
    const { scheduler } = await startHere()
    const heardOf: unknown[] = []
    const hear = (type: string) => (value: unknown) => void heardOf.push([type, value])
    await scheduler.run.report([1, 2], {
      onStarted: hear('started'),
      onProgress: hear('progress'),
      onCompleted: hear('completed'),
      onSettled: hear('settled'),
    })
    expect(heardOf).toEqual([
      ['started', 1],
      ['progress', 1],
      ['progress', 2],
      ['completed', undefined],
      ['settled', undefined],
    ])
  })

  test('logs and values reach callbacks', async () => {
    const { scheduler } = await startHere()
    const onLog = vi.fn()
    await scheduler.run.log(undefined, { onLog })
    expect(onLog).toHaveBeenCalledWith('hello', { from: 'thread' }, expect.anything())
    const values: number[] = []
    expect(await scheduler.run.send(5, { onValue: (value) => values.push(value as number) })).toBe(5)
    expect(values).toEqual([1, 2, 3, 4, 5])
  })

  test('values() reads every value, even those of a job that has ended', async () => {
    const { scheduler } = await startHere()
    scheduler.pause()
    const job = await scheduler.add.send(100)
    const values = job.values()
    scheduler.resume()
    expect(await read(values)).toEqual(Array.from({ length: 100 }, (_, n) => n + 1))
    const second = await scheduler.add.send(3)
    await second.result()
    expect(await read(second.values())).toEqual([1, 2, 3])
  })

  test('values() makes the handler wait for its reader', async () => {
    const { scheduler } = await startHere()
    scheduler.pause()
    const job = await scheduler.add.send(100)
    const values = job.values()
    scheduler.resume()
    await values.next()
    for (let n = 0; n < 20; n++) await turn()
    expect(job.snapshot().state).toBe('running')
    await values.return()
    expect(await job.result()).toBe(100)
  })

  test('a value has one reader at a time', async () => {
    const { scheduler } = await startHere()
    scheduler.pause()
    const job = await scheduler.add.send(1)
    job.values()
    expect(() => job.values()).toThrow('one reader')
  })

  test('events of a job, and its snapshot', async () => {
    const { scheduler } = await startHere()
    scheduler.pause()
    const job = await scheduler.add.count({ upTo: 3 })
    const events = job.events()
    const observer = vi.fn()
    job.subscribe(observer)
    expect(job.snapshot()).toMatchObject({ state: 'queued', attempt: 0 })
    expect(job.snapshot()).toBe(job.snapshot())
    scheduler.resume()
    expect([...new Set(typesOf(await read(events)))]).toEqual(['started', 'progress', 'completed'])
    expect(job.snapshot()).toMatchObject({ state: 'completed', attempt: 1, progress: 3 })
    expect(observer).toHaveBeenCalled()
    expect(typesOf(await read(job.events()))).toEqual(['completed'])
  })

  test('events of the scheduler, each once, with numbers of its own', async () => {
    const { scheduler } = await startHere()
    const events = scheduler.events({ name: 'double' })
    const completed: unknown[] = []
    scheduler.on('completed', ({ result }) => completed.push(result))
    for (let n = 0; n < 3; n++) await scheduler.run.double(n)
    expect(completed).toEqual([0, 2, 4])
    await scheduler.close()
    const all = await read(events)
    expect(typesOf(all)).toEqual(Array.from({ length: 3 }, () => ['added', 'started', 'completed']).flat())
    const numbers = all.map(({ seq }) => seq)
    expect([...numbers].sort((a, b) => a - b)).toEqual(numbers)
  })

  test('get, find and counts', async () => {
    const { scheduler } = await startHere()
    scheduler.pause()
    await scheduler.add.double(1, { id: 'a', tags: ['x'] })
    await scheduler.add.echo({ deep: [1] }, { id: 'b' })
    expect((await scheduler.get('b'))?.input).toEqual({ deep: [1] })
    expect(await scheduler.get('c')).toBeUndefined()
    expect((await scheduler.find({ tag: 'x' })).map(({ id }) => id)).toEqual(['a'])
    expect(await scheduler.counts()).toMatchObject({ queued: 2, completed: 0 })
  })

  test('cancel: by id, by filter and by handle, with the reason as cause', async () => {
    const { scheduler } = await startHere()
    scheduler.pause()
    const [a, b, c] = await scheduler.addMany([1, 2, 3].map((input) => ({ name: 'double', input }) as const))
    const settled = [a, b, c].map((job) => job?.result().catch((error: unknown) => error))
    expect(await scheduler.cancel(a?.id as string, { why: 'because' })).toBe(1)
    expect(await b?.cancel()).toBe(true)
    expect(await b?.cancel()).toBe(false)
    expect(await scheduler.cancel({ name: 'double' })).toBe(1)
    expect(await settled[0]).toMatchObject({ code: 'JOB_CANCELLED', cause: { why: 'because' } })
    expect(await settled[1]).toMatchObject({ code: 'JOB_CANCELLED' })
    expect(await settled[2]).toMatchObject({ code: 'JOB_CANCELLED' })
  })

  test('an aborted signal rejects with the very reason', async () => {
    const { scheduler } = await startHere()
    const controller = new AbortController()
    const reason = new Error('enough')
    const started = heard(scheduler, 'started')
    const settled = scheduler.run
      .untilAborted(undefined, { signal: controller.signal })
      .catch((error: unknown) => error)
    await started
    controller.abort(reason)
    expect(await settled).toBe(reason)
  })

  test('retry, remove, setPriority and promote', async () => {
    const { scheduler } = await startHere()
    const failing = await scheduler.add.failUntil(2, { id: 'f' })
    await failing.result().catch(() => {})
    expect(await failing.retry()).toBe(true)
    expect(await failing.result()).toBe(2)
    expect(await scheduler.remove('f')).toBe(1)
    expect(await scheduler.get('f')).toBeUndefined()
    const later = await scheduler.add.double(4, { delayMs: 3_600_000 })
    expect(later.snapshot().state).toBe('scheduled')
    expect(await later.setPriority(7)).toBe(true)
    expect(later.snapshot().priority).toBe(7)
    expect(await scheduler.promote(later.id)).toBe(true)
    expect(await later.result()).toBe(8)
    expect(await scheduler.setPriority('no such job', 1)).toBe(false)
  })

  test('pause, resume and queues are the same in all tabs', async () => {
    const { scheduler, leader, follower } = await startHere()
    scheduler.pause()
    scheduler.queue('mails').pause()
    expect(scheduler.isPaused).toBe(true)
    expect(scheduler.snapshot().isPaused).toBe(true)
    const job = await scheduler.add.double(1)
    await scheduler.add.double(2, { queue: 'mails' })
    expect([leader.isPaused, follower.isPaused]).toEqual([true, true])
    expect([leader.queue('mails').isPaused, follower.queue('mails').isPaused]).toEqual([true, true])
    const mails = scheduler.queue('mails')
    await vi.waitFor(() => expect(mails.size).toBe(1))
    scheduler.resume()
    expect(await job.result()).toBe(2)
    mails.setConcurrency(3)
    mails.setRateLimit(null)
    mails.resume()
    await scheduler.onIdle()
    await vi.waitFor(() => expect(mails.size).toBe(0))
  })

  test('snapshot, subscribe and stats', async () => {
    const { scheduler } = await startHere()
    const observer = vi.fn()
    const stop = scheduler.subscribe(observer)
    expect(scheduler.snapshot()).toBe(scheduler.snapshot())
    await scheduler.run.double(1)
    await vi.waitFor(() => expect(scheduler.snapshot().counts.completed).toBe(1))
    expect(observer).toHaveBeenCalled()
    stop()
    await vi.waitFor(() => expect(scheduler.stats().workers.online).toBe(1))
  })

  test('bad inputs are refused here, and harm nobody', async () => {
    const { scheduler } = await startHere()
    const good = scheduler.run.double(1)
    await expect(scheduler.run.echo(() => {})).rejects.toMatchObject({ code: 'DATA_CLONE' })
    await expect(scheduler.find({ state: 'no' as never })).rejects.toMatchObject({ code: 'INVALID_OPTION' })
    expect(await good).toBe(2)
  })

  test('an input that no message can carry fails its own job alone', async () => {
    const { follower } = await pair()
    const { port1, port2 } = new MessageChannel()
    const bad = follower.run.echo({ port1 }, { transfer: [port1] })
    const good = follower.run.double(1)
    await expect(bad).rejects.toMatchObject({ code: 'DATA_CLONE' })
    expect(await good).toBe(2)
    port2.close()
  })

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
  const { shareAmongTabs } = await import('../../src/peer/share.ts')
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
