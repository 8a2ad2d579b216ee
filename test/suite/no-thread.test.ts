// While no thread can be started: the worker's file is missing during a deploy or a rebuild, the page is offline, a policy
// forbids it. Jobs wait, it is tried again, and whoever waits for too long is told.
import { createScheduler, type JobOptions, type Scheduler, type SchedulerOptions } from 'offstage'
import { manualClock } from 'offstage/testing'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { Journal } from '../../src/store/journal.ts'
import type { Store } from '../../src/store/store.ts'
import type { jobs } from '../fixtures/jobs.ts'
import { missingWorker } from '../support/broken-workers.ts'
import { MemoryMedium } from '../support/memory-medium.ts'
import { heard, turn } from '../support/testing.ts'
import { jobsWorker } from '../support/workers.ts'

type Jobs = typeof jobs

/** A scheduler whose worker's file comes and goes. `startMissing`: what happens while it is gone. */
function deploying(options: SchedulerOptions<never> = {}, startMissing = missingWorker) {
  const place = { isMissing: true }
  const makeWorker = jobsWorker()
  const scheduler = createScheduler<Jobs>(() => (place.isMissing ? startMissing() : makeWorker()), {
    workers: 1,
    ...options,
  } as never)
  onTestFinished(() => scheduler.close({ mode: 'now' }))
  return { place, scheduler }
}

/** Hears of threads that could not be started, and so nothing is said on the console. */
function failures(scheduler: Scheduler<Jobs>) {
  const errors: unknown[] = []
  const waiting: { readonly count: number; readonly resolve: () => void }[] = []
  scheduler.on('worker:exit', ({ error }) => {
    if (error) errors.push(error)
    for (const { count, resolve } of waiting) if (errors.length >= count) resolve()
  })
  return { errors, times: (count: number) => new Promise<void>((resolve) => waiting.push({ count, resolve })) }
}

/** Fails at once: for tests with a clock of their own. */
const refuse = (): never => {
  throw new Error('no worker today')
}

/** What is stored there outlives the scheduler. */
function durable(): () => Store {
  const frames: Uint8Array[][] = [[]]
  return () => new Journal(new MemoryMedium(frames), { valueBytesMax: 10_000 })
}

const loadFailed = { code: 'WORKER_LOAD_FAILED' }

describe.each([
  ['in memory', () => ({})],
  ['in a store', () => ({ store: durable()() })],
])('%s', (_name, keep) => {
  test('jobs wait, and run when the file is there again', async () => {
    const { place, scheduler } = deploying(keep())
    const { errors, times } = failures(scheduler)
    const results = [1, 2, 3].map((n) => scheduler.run.double(n))
    await times(4)
    expect(errors[0]).toMatchObject(loadFailed)
    expect(String(errors[0])).toContain('tried again in 100 ms; jobs that wait for it: 3')
    expect(String(errors[3])).toContain('tried again in 800 ms')
    expect(await scheduler.counts()).toMatchObject({ queued: 3, failed: 0 })
    place.isMissing = false
    expect(await Promise.all(results)).toEqual([2, 4, 6])
  })

  test('one thread at a time is tried, however many jobs wait', async () => {
    let starts = 0
    const countAndRefuse = () => {
      starts++
      return refuse()
    }
    const { scheduler } = deploying({ workers: 4, ...keep() }, countAndRefuse)
    const { times } = failures(scheduler)
    for (let n = 0; n < 8; n++) scheduler.run.double(n).catch(() => {})
    await times(4)
    await times(6)
    expect(starts).toBe(6)
  })

  test.each(['finish', 'now', 'drain'] as const)('close({ mode: %j }) ends', async (mode) => {
    const { scheduler } = deploying({ ...keep(), startTimeoutMs: mode === 'drain' ? 200 : 30_000 })
    const { times } = failures(scheduler)
    const result = scheduler.run.double(1).catch((error) => error.code)
    await times(1)
    await scheduler.close({ mode })
    expect(await result).toBe(mode === 'drain' ? 'WORKER_LOAD_FAILED' : 'SCHEDULER_CLOSED')
  })

  test('without a listener it is reported on the console, once for all tries in a row', async () => {
    const warned = vi.spyOn(console, 'warn').mockImplementation(() => {})
    onTestFinished(() => warned.mockRestore())
    const { scheduler } = deploying({ ...keep(), startTimeoutMs: 500 })
    await expect(scheduler.run.double(1)).rejects.toMatchObject(loadFailed)
    expect(warned).toHaveBeenCalledTimes(1)
    expect(warned.mock.calls[0]?.[0]).toMatch(/could not be loaded.*tried again.*jobs that wait for it: 1/)
  })
})

test('in memory: what has waited for `startTimeoutMs` fails, but for what is paused', async () => {
  const { scheduler } = deploying({ startTimeoutMs: 500 }, refuse)
  const { errors } = failures(scheduler)
  scheduler.queue('later').pause()
  const paused = await scheduler.add.double(1, { queue: 'later' })
  const settled = [{}, { attempts: 5 }].map((options: JobOptions) =>
    scheduler.run.double(1, options).catch((error) => error),
  )
  const [first, second] = await Promise.all(settled)
  expect(first).toMatchObject({ ...loadFailed, message: expect.stringContaining('jobs that waited for one: 2') })
  expect(second).toBe(first)
  expect(errors.length).toBeGreaterThanOrEqual(3)
  expect(paused.snapshot().state).toBe('queued')
})

test('a thread that starts after ten failures runs what waits', async () => {
  const clock = manualClock()
  const { place, scheduler } = deploying({ clock, startTimeoutMs: 600_000 }, refuse)
  const { errors } = failures(scheduler)
  const result = scheduler.run.double(21)
  while (errors.length < 10) {
    await turn()
    clock.advance(5_000)
  }
  place.isMissing = false
  while ((await Promise.race([result, turn()])) === undefined) clock.advance(1_000)
  expect(await result).toBe(42)
})

test('a job that is added later has as long to wait as the first', async () => {
  const clock = manualClock()
  const { scheduler } = deploying({ clock, startTimeoutMs: 60_000 }, refuse)
  failures(scheduler)
  const settled = new Map<string, number>()
  const start = clock.now()
  const run = (name: string) => scheduler.run.double(1).catch(() => settled.set(name, clock.now() - start))
  const until = async (isOver: () => boolean) => {
    while (!isOver()) {
      await turn()
      clock.advance(1_000)
    }
  }
  void run('first')
  await until(() => clock.now() - start >= 40_000)
  void run('second')
  await until(() => settled.size === 2)
  expect(settled.get('first')).toBeGreaterThanOrEqual(60_000)
  expect(settled.get('second')).toBeGreaterThanOrEqual(100_000)
  expect(settled.get('second')).toBeLessThan(120_000)
})

describe('in a store', () => {
  test('a caller that waits for a result is notified, and the job stays', async () => {
    const clock = manualClock()
    const { place, scheduler } = deploying({ store: durable()(), clock }, refuse)
    failures(scheduler)
    const rejected = async (result: Promise<unknown> | undefined) => {
      const settled = result?.catch((error) => error)
      for (;;) {
        const error = await Promise.race([settled, turn()])
        if (error) return error
        clock.advance(1_000)
      }
    }
    const error = await rejected(scheduler.run.double(1, { id: 'ours' }))
    expect(error).toMatchObject({ ...loadFailed, message: expect.stringContaining('jobs that waited for one: 1') })
    const job = await scheduler.get('ours')
    expect(job?.snapshot()).toMatchObject({ state: 'queued', attempt: 0 })
    // Asked again, it waits again, and for as long: until the next time, or the end.
    const askedAt = clock.now()
    expect(await rejected(job?.result())).toMatchObject(loadFailed)
    expect(clock.now() - askedAt).toBeGreaterThanOrEqual(30_000)
    const result = job?.result()
    place.isMissing = false
    clock.advance(5_000)
    expect(await result).toBe(2)
  })

  test('a drain that gives up leaves the jobs to the next scheduler', async () => {
    const open = durable()
    const { scheduler } = deploying({ store: open(), startTimeoutMs: 300 })
    failures(scheduler)
    await scheduler.add.double(1, { id: 'ours' })
    await scheduler.close({ mode: 'drain' })
    const { place, scheduler: next } = deploying({ store: open() })
    place.isMissing = false
    expect(await (await next.get('ours'))?.result()).toBe(2)
  })
})

test('`worker:exit` is emitted before any promise rejects', async () => {
  const { scheduler } = deploying({ startTimeoutMs: 100 })
  const exit = heard(scheduler, 'worker:exit')
  const result = scheduler.run.double(1).catch((error) => error)
  expect((await exit).error).toMatchObject(loadFailed)
  expect(await result).toMatchObject(loadFailed)
})
