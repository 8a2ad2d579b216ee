// Two clocks: what begins in this process lasts as long as it should whatever becomes of the wall clock; stored moments are
// looked up on it.
import { createScheduler, inline, type Scheduler, type SchedulerOptions, type Store } from 'offstage'
import { type ExtensionHost, extend, type Move } from 'offstage/extension'
import { type ManualClock, manualClock } from 'offstage/testing'
import { expect, onTestFinished, test, vi } from 'vitest'
import { Rate } from '../../src/engine/meter.ts'
import type { JobRecord } from '../../src/job/record.ts'
import { jobs } from '../fixtures/jobs.ts'
import { heard, turn } from '../support/testing.ts'

const hourMs = 3_600_000

function startWith(clock: ManualClock, options: SchedulerOptions<never> = {}): Scheduler<typeof jobs> {
  const scheduler = createScheduler<typeof jobs>(inline(jobs), { workers: 1, clock, ...options } as never)
  onTestFinished(() => scheduler.close({ mode: 'now' }))
  return scheduler
}

/** Somebody sets the wall clock. */
const jump = (clock: ManualClock, ms: number) => clock.setWall(clock.now() + ms)

test('a delay is no longer when the clock is set back', async () => {
  const clock = manualClock()
  const scheduler = startWith(clock)
  const job = await scheduler.add.double(21, { delayMs: 200 })
  jump(clock, -hourMs)
  clock.advance(199)
  await turn()
  expect(job.snapshot().state).toBe('scheduled')
  clock.advance(1)
  expect(await job.result()).toBe(42)
})

test('a delay goes on while a job is blocked, and is no longer when the clock is set back', async () => {
  const clock = manualClock()
  const scheduler = startWith(clock)
  let host!: ExtensionHost
  extend(scheduler, {
    name: 'gate',
    moves: new Set<Move>(['insert']),
    moved: () => {},
    open(given) {
      host = given
      return {}
    },
  })
  const move = (id: string, type: 'block' | 'unblock') => host.turn((turn) => turn.move(id, { type }))
  const early = await scheduler.add.double(21, { delayMs: 200 })
  const late = await scheduler.add.double(4, { delayMs: 200 })
  clock.advance(100)
  await move(early.id, 'block')
  await move(late.id, 'block')
  jump(clock, -hourMs)
  clock.advance(50)
  await move(early.id, 'unblock')
  clock.advance(49)
  await turn()
  expect(early.snapshot().state).toBe('scheduled')
  clock.advance(1)
  expect(await early.result()).toBe(42)
  clock.advance(500)
  expect(late.snapshot().state).toBe('blocked')
  await move(late.id, 'unblock')
  clock.advance(0)
  expect(await late.result()).toBe(8)
})

test('a back-off is no longer when the clock is set back, however often it is moved in line', async () => {
  const clock = manualClock()
  const scheduler = startWith(clock)
  const retrying = heard(scheduler, 'retrying')
  const job = await scheduler.add.failUntil(2, { attempts: 2, backoff: { type: 'fixed', delayMs: 500 } })
  await retrying
  jump(clock, -hourMs)
  clock.advance(300)
  await job.setPriority(3)
  clock.advance(199)
  await turn()
  expect(job.snapshot().state).toBe('scheduled')
  clock.advance(1)
  expect(await job.result()).toBe(2)
})

test('a job that is to start in time has no longer for it when the clock is set back', async () => {
  const clock = manualClock()
  const scheduler = startWith(clock)
  scheduler.pause()
  const job = await scheduler.add.double(1, { expiresInMs: 1_000, delayMs: 400 })
  const failed = job.result().catch((error: unknown) => error)
  jump(clock, -hourMs)
  clock.advance(400)
  await turn()
  expect(job.snapshot().state).toBe('queued')
  clock.advance(600)
  expect(await failed).toMatchObject({ code: 'JOB_EXPIRED' })
})

test('`keepMs` is no longer when the clock is set back', async () => {
  const clock = manualClock()
  const scheduler = startWith(clock)
  const job = await scheduler.add.double(1, { keepMs: 1_000 })
  await job.result()
  jump(clock, -hourMs)
  clock.advance(1_000)
  expect(await scheduler.get(job.id)).toBeUndefined()
})

test('a moment is one on the wall clock: later when that is set back, there when it is set ahead', async () => {
  const clock = manualClock()
  const scheduler = startWith(clock)
  const early = await scheduler.add.double(1, { runAt: new Date(clock.now() + 1_000) })
  jump(clock, -hourMs)
  clock.advance(1_000)
  await turn()
  expect(early.snapshot().state).toBe('scheduled')
  jump(clock, hourMs)
  clock.advance(30_000)
  expect(await early.result()).toBe(2)
})

test('a delay that was stored by an earlier process goes by the wall clock', async () => {
  const records = new Map<string, JobRecord>()
  const makeStore = (): Store => ({
    isDurable: true,
    open: () => ({ records: [...records.values()], rows: [] }),
    check: () => {},
    commit: (changes) => {
      for (const { after } of changes) if (after) records.set(after.id, after)
    },
    close: () => {},
  })
  const first = startWith(manualClock(), { store: makeStore() })
  await first.add.double(21, { id: 'later', delayMs: hourMs })
  await first.close()
  const clock = manualClock()
  const job = await startWith(clock, { store: makeStore() }).get('later')
  jump(clock, -hourMs)
  clock.advance(hourMs)
  await turn()
  expect(job?.snapshot().state).toBe('scheduled')
  clock.advance(hourMs)
  expect(await job?.result()).toBe(42)
})

test('what becomes due after the clock was set back does not overtake those who wait', async () => {
  const clock = manualClock()
  const scheduler = startWith(clock)
  const order: string[] = []
  scheduler.on('started', ({ jobId }) => order.push(jobId))
  scheduler.pause()
  await scheduler.add.double(1, { id: 'first' })
  await scheduler.add.double(1, { id: 'delayed', delayMs: 100 })
  await scheduler.add.double(1, { id: 'promoted', delayMs: 100 })
  jump(clock, -hourMs)
  clock.advance(50)
  await scheduler.promote('promoted')
  clock.advance(50)
  scheduler.resume()
  await scheduler.onIdle()
  expect(order[0]).toBe('first')
})

test('a rate limit counts by the scheduler’s own clock, which a manual clock moves', async () => {
  const clock = manualClock()
  const rateLimit = { limit: 2, intervalMs: 60_000 }
  const scheduler = startWith(clock, { queues: { slow: { rateLimit } } } as never)
  const results = [1, 2, 3, 4, 5].map((n) => scheduler.run.double(n, { queue: 'slow' }))
  const settled = vi.fn()
  for (const result of results) void result.then(settled)
  await Promise.all(results.slice(0, 2))
  jump(clock, -hourMs)
  clock.advance(59_999)
  await turn()
  expect(settled).toHaveBeenCalledTimes(2)
  clock.advance(1)
  expect(await Promise.all(results.slice(2, 4))).toEqual([6, 8])
  jump(clock, 24 * hourMs)
  scheduler.queue('slow').setRateLimit(rateLimit)
  clock.advance(59_999)
  await turn()
  expect(settled).toHaveBeenCalledTimes(4)
  clock.advance(1)
  expect(await results[4]).toBe(10)
})

test('rates of a time that the clock was set back from are not of today', () => {
  const rate = new Rate()
  for (let n = 0; n < 100; n++) rate.add(hourMs)
  expect(rate.perSecond(hourMs)).toBe(10)
  expect(rate.perSecond(500_000)).toBe(0)
  rate.add(500_000)
  expect(rate.perSecond(500_000)).toBe(0.1)
})
