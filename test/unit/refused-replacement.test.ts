// What one call asks for is done whole or refused whole. When the store refuses what is to take the place of a job, that job
// stays as it was, and nobody has heard of anything.
import { createScheduler, inline, type JobOf, type Scheduler, type SchedulerOptions } from 'offstage'
import { type ManualClock, manualClock } from 'offstage/testing'
import { describe, expect, onTestFinished, test } from 'vitest'
import { defer } from '../../src/shared/deferred.ts'
import { jobs } from '../fixtures/jobs.ts'
import { Disk } from '../support/full-store.ts'
import { FakeOrigin } from '../support/tabs.ts'
import { heard, turn } from '../support/testing.ts'

type Jobs = typeof jobs
const refused = { code: 'STORE_WRITE_FAILED' }
const full = 'STORE_WRITE_FAILED'
/** What it resolves with, or the code that it rejects with. */
const outcome = (promise: Promise<unknown>) => promise.catch(({ code }) => code)
const replace = { id: 'x', ifExists: 'replace' } as const

function setUp(options: SchedulerOptions<never> = {}) {
  const disk = new Disk()
  const clock = manualClock()
  const scheduler = createScheduler<Jobs>(inline(jobs), { store: disk.store, workers: 1, clock, ...options } as never)
  const events: string[] = []
  for (const type of ['added', 'started', 'completed', 'failed', 'cancelled', 'removed'] as const)
    scheduler.on(type, ({ jobId }) => events.push(`${type} ${jobId}`))
  onTestFinished(() => {
    disk.isFull = false
    return scheduler.close({ mode: 'now' })
  })
  return { disk, clock, scheduler, events }
}

/** While the disk is full. */
async function whileFull(disk: Disk, act: () => Promise<void>): Promise<void> {
  disk.isFull = true
  await act()
  disk.isFull = false
}

interface Stage {
  readonly scheduler: Scheduler<Jobs>
  readonly clock: ManualClock
}

const delayed = ({ scheduler }: Stage) => scheduler.add.double(1, { id: 'x', delayMs: 5_000 })
const queued = ({ scheduler }: Stage) => scheduler.add.double(1, { id: 'x' })
const expiring = ({ scheduler }: Stage) => scheduler.add.double(1, { id: 'x', delayMs: 9_000, expiresInMs: 5_000 })

async function completed({ scheduler }: Stage) {
  scheduler.resume()
  const job = await scheduler.add.double(1, { id: 'x', keepMs: 5_000 })
  await job.result()
  return job
}

async function retrying({ scheduler }: Stage) {
  scheduler.resume()
  const failing = heard(scheduler, 'retrying')
  const backoff = { type: 'fixed', delayMs: 5_000 } as const
  const job = await scheduler.add.failUntil(2, { id: 'x', attempts: 2, backoff })
  await failing
  return job
}

const before = { delayed, queued, expiring, completed, retrying }
/** What follows when all goes on. */
const after = { delayed: 2, queued: 2, expiring: 'JOB_EXPIRED', completed: 2, retrying: 2 }

describe.each(Object.keys(before) as (keyof typeof before)[])('a job that is %s', (state) => {
  async function start() {
    const stage = setUp()
    stage.scheduler.pause()
    const job = (await before[state](stage)) as JobOf<Jobs, 'double'>
    await turn()
    stage.events.length = 0
    return { ...stage, job }
  }

  test('is as it was when what was to replace it is refused', async () => {
    const { scheduler, disk, events, job } = await start()
    const [snapshot, all] = [job.snapshot(), scheduler.snapshot()]
    const records = [...disk.records.values()]
    await whileFull(disk, async () => {
      await expect(scheduler.add.double(3, replace)).rejects.toMatchObject(refused)
      await expect(
        scheduler.addMany([
          { name: 'double', input: 4 },
          { name: 'double', input: 5, options: replace },
        ]),
      ).rejects.toMatchObject(refused)
    })
    await turn()
    expect([job.snapshot(), scheduler.snapshot(), events]).toEqual([snapshot, all, []])
    expect(job.snapshot()).toBe(snapshot)
    expect([...disk.records.values()]).toEqual(records)
    expect(await scheduler.counts()).toEqual(all.counts)
    const there = await scheduler.get('x')
    expect([there?.input, there?.snapshot()]).toEqual([job.input, snapshot])
  })

  test('goes on as if nothing had been asked', async () => {
    const { scheduler, disk, clock, events, job } = await start()
    const result = job.result().catch(({ code }) => code)
    await whileFull(disk, () => expect(scheduler.add.double(3, replace)).rejects.toMatchObject(refused))
    scheduler.resume()
    clock.advance(5_000)
    expect(await result).toBe(after[state])
    await turn()
    const last = state === 'completed' ? 'removed' : state === 'expiring' ? 'failed' : 'completed'
    expect(events.at(-1)).toBe(`${last} x`)
  })

  test('is replaced once there is room', async () => {
    const { scheduler, disk, job } = await start()
    scheduler.pause()
    await whileFull(disk, () => expect(scheduler.add.double(3, replace)).rejects.toMatchObject(refused))
    expect(await scheduler.add.double(4, replace)).toMatchObject({ input: 4, disposition: 'replaced' })
    expect([...disk.records.values()].map(({ input }) => input)).toEqual([4])
    expect(await job.result().catch(({ code }) => code)).toBe(state === 'completed' ? 2 : 'JOB_CANCELLED')
  })
})

test('a job that is not replaced keeps its place in line', async () => {
  const { scheduler, disk, events } = setUp()
  scheduler.pause()
  // More than are on one page of the job index.
  for (let n = 0; n < 200; n++) await scheduler.add.double(n, { id: `job ${n}` })
  const ids = (await scheduler.find()).map(({ id }) => id)
  await whileFull(disk, () =>
    expect(
      scheduler.addMany(
        ids.slice(0, 130).map((id) => ({ name: 'double', input: 0, options: { id, ifExists: 'replace' } }) as const),
      ),
    ).rejects.toMatchObject(refused),
  )
  expect((await scheduler.find()).map(({ id }) => id)).toEqual(ids)
  await scheduler.add.double(1, { id: 'last' })
  expect((await scheduler.find({ after: 'job 198' })).map(({ id }) => id)).toEqual(['job 199', 'last'])
  events.length = 0
  scheduler.resume()
  await scheduler.onIdle()
  expect(events.filter((event) => event.startsWith('started'))).toEqual([...ids, 'last'].map((id) => `started ${id}`))
})

test('the only job there is comes back, and others are added behind it', async () => {
  const { scheduler, disk } = setUp()
  scheduler.pause()
  await scheduler.add.double(1, { id: 'x' })
  await whileFull(disk, () => expect(scheduler.add.double(3, replace)).rejects.toMatchObject(refused))
  await scheduler.add.double(2)
  expect((await scheduler.find()).map(({ input }) => input)).toEqual([1, 2])
})

test('a finished job that is not replaced is let go when its turn comes', async () => {
  const keep = { count: 2, ageMs: Number.POSITIVE_INFINITY }
  const { scheduler, disk, clock, events } = setUp({ keep: { completed: keep } })
  for (const id of ['x', 'b']) {
    await scheduler.run.double(1, { id })
    clock.advance(10)
  }
  await whileFull(disk, () => expect(scheduler.add.double(3, replace)).rejects.toMatchObject(refused))
  await scheduler.run.double(1, { id: 'c' })
  await turn()
  expect(events.filter((event) => event.startsWith('removed'))).toEqual(['removed x'])
})

test('what was done to a job before it was to be replaced is done', async () => {
  const { scheduler, disk, clock } = setUp()
  scheduler.pause()
  const job = await scheduler.add.double(1, { id: 'x' })
  await whileFull(disk, async () => {
    expect(await outcome(scheduler.setPriority('x', 7))).toBe(full)
    const adding = outcome(scheduler.add.double(3, replace))
    clock.advance(1_000)
    expect(await adding).toBe(full)
  })
  clock.advance(1_000)
  await turn()
  expect(job.snapshot()).toMatchObject({ state: 'queued', priority: 7 })
  expect([...disk.records.values()]).toMatchObject([{ input: 1, priority: 7 }])
})

test('callbacks and signals of an `addMany` that is refused are taken off the jobs that were there', async () => {
  const { scheduler, disk } = setUp()
  scheduler.pause()
  const job = await scheduler.add.double(1, { id: 'x' })
  const controller = new AbortController()
  const { signal } = controller
  const heardOf: string[] = []
  const options = { id: 'x', signal, onCompleted: () => heardOf.push('completed') }
  await whileFull(disk, () =>
    expect(
      scheduler.addMany([
        { name: 'double', input: 1, options },
        { name: 'double', input: 2 },
      ]),
    ).rejects.toMatchObject(refused),
  )
  controller.abort()
  scheduler.resume()
  expect([await job.result(), heardOf]).toEqual([2, []])
})

test('who replaces what replaces another is refused with it', async () => {
  const { scheduler, disk, events } = setUp()
  scheduler.pause()
  const job = await scheduler.add.double(1, { id: 'x' })
  events.length = 0
  await whileFull(disk, async () => {
    const gate = defer<void>()
    disk.gate = gate.promise
    const first = outcome(scheduler.add.double(2, replace))
    await turn()
    const second = outcome(scheduler.add.double(3, replace))
    const removing = outcome(scheduler.remove('x'))
    await turn()
    const third = outcome(scheduler.add.double(4, { id: 'x' }))
    const other = outcome(scheduler.add.double(5))
    await turn()
    gate.resolve()
    expect(await Promise.all([first, second, third, removing])).toEqual([full, full, full, 0])
    // Of what came later only that goes which the store is asked for, and refuses.
    expect(await other).toBe(full)
  })
  await turn()
  expect([...disk.records.values()]).toMatchObject([{ input: 1, state: 'queued' }])
  expect([job.snapshot().state, events]).toEqual(['queued', []])
})

test('`remove` and `add` are two calls: one is tried again, the other refused', async () => {
  const { scheduler, disk, clock } = setUp()
  scheduler.pause()
  await scheduler.add.double(1, { id: 'x' })
  await whileFull(disk, async () => {
    const gate = defer<void>()
    disk.gate = gate.promise
    const removing = outcome(scheduler.remove('x'))
    await turn()
    const adding = outcome(scheduler.add.double(2, { id: 'x' }))
    await turn()
    gate.resolve()
    expect(await removing).toBe(full)
    clock.advance(1_000)
    expect(await adding).toBe(full)
  })
  clock.advance(1_000)
  await turn()
  expect([disk.records.size, await scheduler.get('x')]).toEqual([0, undefined])
})

describe('jobs whose adding is refused', () => {
  test('cannot be cancelled by a listener: they never existed', async () => {
    const { scheduler, disk } = setUp()
    scheduler.pause()
    const cancelled: Promise<number>[] = []
    scheduler.on('store:error', () => cancelled.push(scheduler.cancel({ tag: 'new' }) as Promise<number>))
    await whileFull(disk, async () => expect(await outcome(scheduler.add.double(1, { tags: ['new'] }))).toBe(full))
    expect(await Promise.all(cancelled)).toEqual([0])
    await scheduler.add.double(2, { id: 'next' })
    expect([...disk.records.values()].map(({ id }) => id)).toEqual(['next'])
  })

  test('do not fall due while they are taken back, wherever the clock is by then', async () => {
    const { scheduler, disk, clock } = setUp()
    await scheduler.run.double(0, { id: 'first' })
    const gate = defer<void>()
    disk.gate = gate.promise
    const adding = scheduler.addMany([
      { name: 'double', input: 1, options: { delayMs: 5_000 } },
      { name: 'double', input: 2 },
    ])
    await turn()
    clock.setWall(clock.now() + 60_000)
    await whileFull(disk, async () => {
      gate.resolve()
      expect(await outcome(adding)).toBe(full)
    })
    await scheduler.add.double(3, { id: 'next', delayMs: 1_000 })
    await turn()
    expect([...disk.records.values()].map(({ id }) => id)).toEqual(['first', 'next'])
  })
})

describe('in one of several tabs', () => {
  async function pair() {
    const origin = new FakeOrigin()
    const open = (tab = origin.openTab()) => {
      const scheduler = createScheduler<Jobs>(inline(jobs), { workers: 1, store: tab.store })
      onTestFinished(() => (tab.isDead ? undefined : scheduler.close({ mode: 'now' })))
      return { tab, scheduler }
    }
    const [leader, follower] = [open(), open()]
    await leader.scheduler.counts()
    await follower.scheduler.counts()
    leader.scheduler.pause()
    return { origin, leader, follower }
  }

  test.each(['leader', 'follower'] as const)('the %s replaces whole or not at all', async (role) => {
    const { origin, ...tabs } = await pair()
    const { scheduler } = tabs[role]
    const job = await scheduler.add.double(21, { id: 'x' })
    const heardOf: string[] = []
    for (const type of ['cancelled', 'removed', 'completed'] as const)
      for (const tab of [tabs.leader, tabs.follower]) tab.scheduler.on(type, () => heardOf.push(type))
    const result = job.result()
    origin.disk.isFull = true
    await expect(scheduler.add.double(3, replace)).rejects.toMatchObject(refused)
    origin.disk.isFull = false
    expect((await scheduler.get('x'))?.input).toBe(21)
    expect(heardOf).toEqual([])
    tabs.leader.scheduler.resume()
    expect(await result).toBe(42)
    await Promise.all([tabs.leader, tabs.follower].map((tab) => tab.scheduler.counts()))
    await turn()
    expect(heardOf).toEqual(['completed', 'completed'])
  })

  test('a follower that does not know the job is notified of it when it could not replace it', async () => {
    const { origin, leader, follower } = await pair()
    await leader.scheduler.add.double(21, { id: 'x' })
    origin.disk.isFull = true
    await expect(follower.scheduler.add.double(3, replace)).rejects.toMatchObject(refused)
    origin.disk.isFull = false
    const completed = heard(follower.scheduler, 'completed')
    await follower.scheduler.counts()
    leader.scheduler.resume()
    expect(await completed).toMatchObject({ jobId: 'x', result: 42 })
  })

  test('a replacement that was on its way when the lead was lost is one with the next leader', async () => {
    const { origin, leader, follower } = await pair()
    const job = await leader.scheduler.add.double(1, { id: 'x' })
    const result = job.result().catch(({ code }) => code)
    await turn()
    const adding = leader.scheduler.add.double(3, replace)
    const many = leader.scheduler.addMany([
      { name: 'double', input: 4, options: { id: 'a' } },
      { name: 'double', input: 5, options: { id: 'b' } },
    ])
    leader.tab.sleep()
    leader.tab.wake()
    expect(await adding).toMatchObject({ input: 3 })
    expect(await many).toHaveLength(2)
    expect(await result).toBe('JOB_CANCELLED')
    expect([...origin.disk.records.values()].map(({ input }) => input)).toEqual([3, 4, 5])
    expect(await follower.scheduler.find()).toHaveLength(3)
    expect(origin.disk.problems).toEqual([])
  })
})

test('a list that somebody begins to watch meanwhile shows the job that stays', async () => {
  const { disk, scheduler } = setUp()
  scheduler.pause()
  await scheduler.addMany(['x', 'y'].map((id) => ({ name: 'noop', options: { id } }) as const))
  await whileFull(disk, async () => {
    const replacing = outcome(scheduler.add.noop(undefined, replace))
    const list = scheduler.watch()
    expect(await replacing).toBe(full)
    expect(list.snapshot().map(({ id }) => id)).toEqual(['x', 'y'])
  })
})
