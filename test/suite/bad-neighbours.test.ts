// Jobs that harm their thread, and those beside and behind them, which must not be harmed for long.
import { manualClock } from 'offstage/testing'
import { expect, test } from 'vitest'
import { heard, start, turn } from '../support/testing.ts'

const crashes = async (scheduler: ReturnType<typeof start<'unruly'>>, id: string) => {
  const interrupted = heard(scheduler, 'interrupted')
  const result = scheduler.run.crashUntil(2, { id })
  expect((await interrupted).jobId).toBe(id)
  return result
}

test('a loop that a finished job leaves behind costs its thread, and no other job', async () => {
  const scheduler = start('threads', 'unruly')
  let error: unknown
  scheduler.on('worker:exit', (event) => {
    error = event.error
  })
  expect(await scheduler.run.leaveLoop()).toBe('returned')
  // The loop begins a moment later.
  while (!error) expect(await scheduler.run.double(2, { timeoutMs: 60_000 })).toBe(4)
  expect(error).toMatchObject({ code: 'WORKER_CRASHED', message: expect.stringContaining('began none of its jobs') })
  expect(await scheduler.counts()).toMatchObject({ failed: 0 })
})

test('with other threads, too, and several attempts at a time', async () => {
  const scheduler = start('threads', 'unruly', { workers: 2, concurrency: 3 })
  let exits = 0
  scheduler.on('worker:exit', () => exits++)
  await scheduler.run.leaveLoop()
  while (exits === 0) {
    const doubled = await Promise.all([1, 2, 3, 4].map((n) => scheduler.run.double(n)))
    expect(doubled).toEqual([2, 4, 6, 8])
  }
})

test('a job that is cancelled while such a loop keeps it waiting is over, and the next one runs', async () => {
  const scheduler = start('threads', 'unruly', { graceMs: 20 })
  const exit = heard(scheduler, 'worker:exit')
  await scheduler.run.leaveLoop()
  await turn()
  const job = await scheduler.add.double(1)
  await job.cancel()
  let isOver = false
  void exit.then(() => {
    isOver = true
  })
  while (!isOver) expect(await scheduler.run.double(2)).toBe(4)
})

test('a long synchronous job keeps its worker, however long it reports nothing', async () => {
  const clock = manualClock()
  const scheduler = start('threads', 'unruly', { clock })
  let exits = 0
  scheduler.on('worker:exit', () => exits++)
  const begun = heard(scheduler, 'progress')
  const long = await scheduler.add.deafLoop()
  await begun
  const next = scheduler.run.double(1)
  for (let second = 0; second < 60; second++) {
    clock.advance(1_000)
    await turn()
  }
  expect(exits).toBe(0)
  await long.cancel()
  clock.advance(1_000)
  expect(await next).toBe(2)
})

test('with `idleMs: 0` a thread gets the job that it was started for', async () => {
  const scheduler = start('threads', 'unruly', { workers: { min: 0, max: 2, idleMs: 0 } })
  expect(await scheduler.run.double(1)).toBe(2)
  expect(await Promise.all([scheduler.run.double(2), scheduler.run.double(3)])).toEqual([4, 6])
})

test('and jobs that wait for a rate limit find a thread when it lets them through', async () => {
  const rateLimit = { limit: 1, intervalMs: 50 }
  const queues = { default: { rateLimit } }
  const scheduler = start('threads', 'unruly', { workers: { min: 0, max: 1, idleMs: 0 }, queues })
  expect(await Promise.all([1, 2, 3].map((n) => scheduler.run.double(n)))).toEqual([2, 4, 6])
})

test('jobs that end their threads do not hold up others, and are given up', async () => {
  const clock = manualClock()
  const scheduler = start('threads', 'unruly', { clock })
  const crashing = Array.from({ length: 5 }, () => scheduler.run.crash(1).catch((error) => error.code))
  // Time stands still: nothing waits for it.
  expect(await scheduler.run.double(1)).toBe(2)
  const codes = Promise.all(crashing)
  while ((await Promise.race([codes, turn()])) === undefined) clock.advance(10)
  expect(new Set(await codes)).toEqual(new Set(['JOB_POISONED']))
})

test('a job that ended its thread lets others go first for a while, and keeps its place', async () => {
  const clock = manualClock()
  const scheduler = start('threads', 'unruly', { clock })
  const started: string[] = []
  scheduler.on('started', ({ jobId }) => started.push(jobId))
  const first = crashes(scheduler, 'first')
  const begun = heard(scheduler, 'progress')
  const second = await scheduler.add.polite(undefined, { id: 'second' })
  await begun
  const third = scheduler.run.double(1, { id: 'third' })
  clock.advance(100)
  await second.cancel()
  expect(await first).toBe(2)
  expect(await third).toBe(2)
  expect(started).toEqual(['first', 'second', 'first', 'third'])
})

test('whose neighbours take its thread down twice runs alone, and ends', async () => {
  const scheduler = start('threads', 'unruly', { concurrency: 2, graceMs: 10 })
  let interruptions = 0
  scheduler.on('interrupted', ({ name }) => name === 'waitFor' && interruptions++)
  // It is older, and so always goes first.
  const hanging = scheduler.add.deaf(undefined, { timeoutMs: 30, attempts: 1_000 })
  expect(await scheduler.run.waitFor(500)).toBeGreaterThan(0)
  expect(interruptions).toBeLessThanOrEqual(2)
  await (await hanging).cancel()
})

test('nothing waits behind a long synchronous job, however many attempts a thread may run', async () => {
  const scheduler = start('threads', 'unruly', { workers: 2, concurrency: 2, graceMs: 20 })
  await Promise.all([1, 2, 3, 4].map(() => scheduler.run.waitFor(20)))
  const begun = heard(scheduler, 'progress')
  const long = await scheduler.add.deafLoop()
  await begun
  await Promise.all([1, 2, 3, 4, 5, 6].map(() => scheduler.run.waitFor(20)))
  expect(long.snapshot().state).toBe('running')
  await long.cancel()
})
