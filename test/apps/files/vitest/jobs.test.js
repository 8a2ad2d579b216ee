import { createScheduler, inline } from 'offstage'
import { manualClock } from 'offstage/testing'
import { afterEach, expect, test } from 'vitest'
import { jobs } from './jobs.js'

let scheduler
afterEach(() => scheduler.close())

const sources = {
  'on this thread': () => inline(jobs),
  // An address: jsdom's `URL` is not Node's, and `import.meta.url` is no file there.
  'on a thread of its own': () => `${process.cwd()}/jobs.js`,
}

test.each(Object.entries(sources))('runs a job %s', async (_name, source) => {
  scheduler = createScheduler(source())
  const seen = []
  // So long that Vitest's own thread would be gone if it were kept alive by nothing but its port.
  const { bytes } = await scheduler.run.work(1_500, { onProgress: (share) => seen.push(share) })
  expect([...bytes]).toEqual(Array(1_500).fill(0))
  expect(seen.length).toBeGreaterThan(5)
})

test.each(Object.entries(sources))('a RangeError arrives as one %s', async (_name, source) => {
  scheduler = createScheduler(source())
  const error = await scheduler.run.fail().catch((error) => error)
  expect(error).toBeInstanceOf(RangeError)
  expect(error.message).toBe('too far')
})

test.each(Object.entries(sources))('is cancelled by a signal %s', async (_name, source) => {
  scheduler = createScheduler(source())
  const controller = new AbortController()
  const reason = new Error('no longer needed')
  const result = scheduler.run.endless(undefined, {
    signal: controller.signal,
    onStarted: () => controller.abort(reason),
  })
  await expect(result).rejects.toBe(reason)
})

test('waits as long as the clock says', async () => {
  const clock = manualClock()
  scheduler = createScheduler(inline(jobs), { clock })
  const job = await scheduler.add.work(0, { delayMs: 60_000 })
  expect(job.snapshot().state).toBe('scheduled')
  clock.advance(60_000)
  expect((await job.result()).bytes).toHaveLength(0)
})
