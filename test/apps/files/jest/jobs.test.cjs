const { createScheduler, inline } = require('offstage')
const { manualClock } = require('offstage/testing')
const { defineJobs } = require('offstage/worker')

const jobs = defineJobs({
  *count(upTo) {
    for (let n = 1; n <= upTo; n++) yield n / upTo
    return { upTo, bytes: new Uint8Array(upTo) }
  },
  fail() {
    throw new RangeError('too far')
  },
  endless: (_, job) =>
    new Promise((_, reject) => job.signal.addEventListener('abort', () => reject(job.signal.reason))),
})

test('runs a job with progress', async () => {
  const scheduler = createScheduler(inline(jobs))
  const seen = []
  const result = await scheduler.run.count(3, { onProgress: (share) => seen.push(share) })
  expect(result).toEqual({ upTo: 3, bytes: new Uint8Array(3) })
  expect(seen.at(-1)).toBe(1)
  await scheduler.close()
})

test('a RangeError arrives as one', async () => {
  const scheduler = createScheduler(inline(jobs))
  const error = await scheduler.run.fail().catch((error) => error)
  expect(error).toBeInstanceOf(RangeError)
  expect(error.message).toBe('too far')
  await scheduler.close()
})

test('is cancelled by a signal', async () => {
  const scheduler = createScheduler(inline(jobs))
  const controller = new AbortController()
  const reason = new Error('no longer needed')
  const result = scheduler.run.endless(undefined, {
    signal: controller.signal,
    onStarted: () => controller.abort(reason),
  })
  await expect(result).rejects.toBe(reason)
  await scheduler.close()
})

test('waits as long as the clock says', async () => {
  const clock = manualClock()
  const scheduler = createScheduler(inline(jobs), { clock })
  const job = await scheduler.add.count(1, { delayMs: 60_000 })
  expect(job.snapshot().state).toBe('scheduled')
  clock.advance(60_000)
  expect((await job.result()).upTo).toBe(1)
  await scheduler.close()
})
