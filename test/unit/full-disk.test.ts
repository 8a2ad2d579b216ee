// While the store takes nothing, every call settles: look-ups say what is committed, and whatever waits for more is told.
import { createScheduler, inline, type Scheduler, type SchedulerOptions } from 'offstage'
import { type ManualClock, manualClock } from 'offstage/testing'
import { defineJobs } from 'offstage/worker'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { defer } from '../../src/shared/deferred.ts'
import { Disk } from '../support/full-store.ts'
import { FakeOrigin } from '../support/tabs.ts'
import { heard, turn } from '../support/testing.ts'

const full = 'STORE_WRITE_FAILED'
/** What it resolves with, or the code that it rejects with. */
const outcome = (promise: Promise<unknown>) => promise.catch(({ code }) => code)

let finish = () => {}
/** A job has begun, and can be finished. */
let begun = defer<void>()
const jobs = defineJobs({
  waits: () =>
    new Promise<string>((resolve) => {
      finish = () => resolve('done')
      begun.resolve()
    }),
  double: (value: number) => value * 2,
})
type Jobs = typeof jobs
beforeEach(() => {
  begun = defer()
})

/** A job runs, one waits, one is done with; the disk is full; and the one that ran has ended. */
async function setUp(options: SchedulerOptions<never> = {}) {
  const disk = new Disk()
  const clock = manualClock()
  const scheduler = createScheduler<Jobs>(inline(jobs), { store: disk.store, workers: 1, clock, ...options } as never)
  const troubles: string[] = []
  scheduler.on('store:error', ({ error }) => troubles.push((error as Error).message))
  onTestFinished(() => {
    disk.isFull = false
    return scheduler.close({ mode: 'now' })
  })
  await scheduler.run.double(1, { id: 'old' })
  const started = heard(scheduler, 'started')
  const job = await scheduler.add.waits(undefined, { id: 'runs' })
  await started
  await begun.promise
  await scheduler.add.double(2, { id: 'later', delayMs: 1e8 })
  disk.isFull = true
  const end = async () => {
    finish()
    await refusedAgain(scheduler, clock)
  }
  return { disk, clock, scheduler, job, troubles, end }
}

/** Until there is nothing that the store could be asked for but what it has refused. */
async function refusedAgain(scheduler: Scheduler<Jobs>, clock: ManualClock): Promise<void> {
  const refused = heard(scheduler, 'store:error')
  clock.advance(1_000)
  await refused
  await turn()
}

describe('with a completion that cannot be recorded', () => {
  test('look-ups answer what is committed', async () => {
    const { scheduler, job, end } = await setUp()
    await end()
    expect(await scheduler.get('later')).toMatchObject({ id: 'later' })
    expect((await scheduler.find()).map(({ id }) => id)).toEqual(['old', 'runs', 'later'])
    expect((await scheduler.find({ state: 'running' })).map(({ id }) => id)).toEqual(['runs'])
    expect(await scheduler.find({ state: ['completed', 'queued'] })).toHaveLength(1)
    const counts = { scheduled: 1, running: 1, completed: 1 }
    expect(await scheduler.counts()).toMatchObject(counts)
    expect(scheduler.snapshot()).toMatchObject({ counts, isIdle: false })
    expect(scheduler.stats().depth).toBe(0)
    expect([job.snapshot().state, (await scheduler.get('runs'))?.snapshot().state]).toEqual(['running', 'running'])
  })

  test('what is not committed is not found, and what is not removed is', async () => {
    const { scheduler, clock, end } = await setUp()
    await end()
    const adding = outcome(scheduler.add.double(3, { id: 'new' }))
    const removing = outcome(scheduler.remove('old'))
    const replacing = outcome(scheduler.add.double(4, { id: 'later', ifExists: 'replace' }))
    await turn()
    expect(await scheduler.get('new')).toBeUndefined()
    expect((await scheduler.get('old'))?.snapshot().state).toBe('completed')
    expect(await scheduler.get('later')).toMatchObject({ input: 2 })
    expect((await scheduler.find()).map(({ id, input }) => [id, input])).toEqual([
      ['old', 1],
      ['runs', undefined],
      ['later', 2],
    ])
    expect((await scheduler.find({ after: 'old', limit: 1 })).map(({ id }) => id)).toEqual(['runs'])
    expect(await scheduler.counts()).toMatchObject({ scheduled: 1, running: 1, completed: 1 })
    clock.advance(1_000)
    expect(await Promise.all([adding, removing, replacing])).toEqual([full, full, full])
    expect((await scheduler.find()).map(({ id }) => id)).toEqual(['old', 'runs', 'later'])
  })

  test('a look-up that waited for the batch is answered when it is refused', async () => {
    const { scheduler } = await setUp()
    finish()
    await turn()
    const looking = Promise.all([scheduler.get('runs'), scheduler.find(), scheduler.counts()])
    const [runs, all] = await looking
    expect([runs?.snapshot().state, all.length]).toEqual(['running', 3])
  })

  test('a look-up that waits while the scheduler gives up finds what is committed', async () => {
    const { scheduler, disk } = await setUp()
    const gate = defer<void>()
    disk.gate = gate.promise
    const removing = outcome(scheduler.remove('later'))
    const closing = outcome(scheduler.close({ mode: 'now' }))
    await turn()
    const looking = Promise.all([scheduler.get('later'), scheduler.find(), scheduler.counts()])
    gate.resolve()
    const [later, all, counts] = await looking
    expect([later?.id, all.length, counts.scheduled]).toEqual(['later', 3, 1])
    await Promise.all([removing, closing])
  })

  test('what is done to jobs rejects, and is recorded once there is room', async () => {
    const { scheduler, disk, clock, job, end } = await setUp()
    await end()
    const later = (await scheduler.get('later')) as NonNullable<Awaited<ReturnType<typeof scheduler.get>>>
    const acting = [scheduler.setPriority('later', 3), scheduler.cancel({ queue: 'default' }), later.setPriority(4)]
    const outcomes = Promise.all(acting.map(outcome))
    await turn()
    clock.advance(1_000)
    expect(await outcomes).toEqual([full, full, full])
    disk.isFull = false
    clock.advance(1_000)
    expect(await job.result()).toBe('done')
    await turn()
    expect(later.snapshot()).toMatchObject({ state: 'cancelled', priority: 3 })
    expect([...disk.records.values()].map(({ state }) => state)).toEqual(['completed', 'completed', 'cancelled'])
  })

  test('`onIdle` rejects, whether it was asked before or after', async () => {
    const { scheduler, disk, clock, job, end } = await setUp()
    const before = outcome(scheduler.onIdle())
    await turn()
    await end()
    expect(await before).toBe(full)
    const after = outcome(scheduler.onIdle())
    await turn()
    clock.advance(1_000)
    expect(await after).toBe(full)
    disk.isFull = false
    const idle = scheduler.onIdle()
    await turn()
    clock.advance(1_000)
    await idle
    expect(await job.result()).toBe('done')
  })

  test.each(['finish', 'drain', 'now'] as const)('`close` with `%s` ends, and says what is lost', async (mode) => {
    const { scheduler, disk, clock, job, troubles, end } = await setUp()
    await end()
    const result = outcome(job.result())
    troubles.length = 0
    const closing = scheduler.close({ mode })
    await turn()
    clock.advance(1_000)
    await closing
    expect(await result).toBe('SCHEDULER_CLOSED')
    expect(troubles.at(-1)).toMatch(/Changes that are lost: 1\./)
    expect([...disk.records.values()].map(({ state }) => state)).toEqual(['completed', 'running', 'scheduled'])
  })

  test.each(['finish', 'drain'] as const)('`close` with `%s` waits for what still runs', async (mode) => {
    const { scheduler, disk, clock, job, end } = await setUp()
    // Something is not recorded, and the job runs on.
    const moving = outcome(scheduler.setPriority('later', 3))
    await turn()
    expect(await moving).toBe(full)
    let isClosed = false
    const closing = scheduler.close({ mode }).then(() => {
      isClosed = true
    })
    await turn()
    await refusedAgain(scheduler, clock)
    expect(isClosed).toBe(false)
    const result = job.result()
    await end()
    disk.isFull = false
    clock.advance(1_000)
    expect(await result).toBe('done')
    await closing
    expect([...disk.records.values()]).toMatchObject([
      { state: 'completed' },
      { state: 'completed' },
      { state: 'scheduled', priority: 3 },
    ])
  })

  test('`close` with `drain` ends although jobs wait that cannot be started', async () => {
    const { scheduler, disk, clock, troubles, end } = await setUp()
    disk.isFull = false
    await scheduler.add.double(5, { id: 'waits' })
    disk.isFull = true
    await end()
    const closing = scheduler.close({ mode: 'drain' })
    await turn()
    clock.advance(1_000)
    await turn()
    await closing
    expect(troubles.at(-1)).toMatch(/Changes that are lost/)
    expect([...disk.records.values()].map(({ state }) => state)).toEqual([
      'completed',
      'running',
      'scheduled',
      'queued',
    ])
  })
})

test('a subscriber sees counts that agree with the jobs', async () => {
  const { scheduler, job, clock, end } = await setUp()
  const seen: number[] = []
  scheduler.subscribe(() => seen.push(scheduler.snapshot().counts.completed))
  await end()
  scheduler.pause() // Told at once, whatever else is on its way.
  clock.advance(1_000)
  await turn()
  expect([job.snapshot().state, seen]).toEqual(['running', [1]])
})

test('in a following tab it is the same', async () => {
  const origin = new FakeOrigin()
  const clock = manualClock()
  const open = () => {
    const scheduler = createScheduler<Jobs>(inline(jobs), { workers: 1, store: origin.openTab().store, clock })
    onTestFinished(() => {
      origin.disk.isFull = false
      return scheduler.close({ mode: 'now' })
    })
    return scheduler
  }
  const leader = open()
  await leader.counts()
  const follower = open()
  const started = heard(leader, 'started')
  const job = await follower.add.waits(undefined, { id: 'runs' })
  await started
  await begun.promise
  origin.disk.isFull = true
  const refused = heard(leader, 'store:error')
  finish()
  await refused
  expect((await follower.get('runs'))?.snapshot().state).toBe('running')
  expect(await follower.find()).toHaveLength(1)
  expect(await follower.counts()).toMatchObject({ running: 1 })
  /** Lets time pass until it has settled. */
  const settled = async (promise: Promise<unknown>) => {
    let isOver = false
    const settling = outcome(promise).finally(() => {
      isOver = true
    })
    for (; !isOver; await turn()) clock.advance(1_000)
    return settling
  }
  expect(await settled(follower.onIdle())).toBe(full)
  expect(await settled(follower.setPriority('runs', 1))).toBe(full)
  expect(await settled(follower.add.double(1, { id: 'new' }))).toBe(full)
  await settled(follower.close({ mode: 'drain' }))
  expect(job.snapshot()).toMatchObject({ state: 'running', priority: 0 })
})
