// `queues`: all of them at a glance. `whyWaiting`: everything that keeps a job from starting.
import { createScheduler, inline, type SchedulerOptions } from 'offstage'
import { manualClock } from 'offstage/testing'
import { describe, expect, onTestFinished, test } from 'vitest'
import { jobs } from '../fixtures/jobs.ts'
import { heard, places, start } from '../support/testing.ts'

const unlimited = { isPaused: false, size: 0, running: 0, concurrency: Number.POSITIVE_INFINITY, rateLimit: undefined }

describe.each(places)('on %s', (place) => {
  test('queues that are named in the options, and those with something in them or set for them, by name', async () => {
    const rateLimit = { limit: 3, intervalMs: 1_000 }
    const scheduler = start(place, 'jobs', { queues: { mail: { concurrency: 2 }, calm: {} } })
    expect(await scheduler.queues()).toEqual([
      { ...unlimited, name: 'calm' },
      { ...unlimited, name: 'default' },
      { ...unlimited, name: 'mail', concurrency: 2 },
    ])
    scheduler.queue('mail').pause()
    scheduler.queue('mail').setRateLimit(rateLimit)
    void scheduler.add.noop(undefined, { queue: 'mail' })
    const job = await scheduler.add.beginAndHang(undefined, { queue: 'busy' })
    await heard(scheduler, 'progress')
    expect(await scheduler.queues()).toEqual([
      { ...unlimited, name: 'busy', running: 1 },
      { ...unlimited, name: 'calm' },
      { ...unlimited, name: 'default' },
      { name: 'mail', isPaused: true, size: 1, running: 0, concurrency: 2, rateLimit },
    ])
    await job.cancel()
  })

  test('a job that does not wait has no reason', async () => {
    const scheduler = start(place, 'jobs')
    const job = await scheduler.add.beginAndHang()
    await heard(scheduler, 'progress')
    expect(await scheduler.whyWaiting(job.id)).toEqual([])
    await job.cancel()
    expect(await scheduler.whyWaiting(job.id)).toEqual([])
  })

  test('an unknown id is refused by name', async () => {
    const scheduler = start(place, 'jobs')
    await expect(scheduler.whyWaiting('nobody')).rejects.toMatchObject({ code: 'INVALID_OPTION', jobId: 'nobody' })
    await expect(scheduler.whyWaiting('')).rejects.toMatchObject({ code: 'INVALID_OPTION' })
  })

  test('all workers are busy, and others go first', async () => {
    const scheduler = start(place, 'jobs')
    void scheduler.run.beginAndHang(undefined, { id: 'hog' }).catch(() => {})
    await heard(scheduler, 'progress')
    const first = await scheduler.add.noop()
    const last = await scheduler.add.noop()
    expect(await scheduler.whyWaiting(first.id)).toEqual([
      { reason: 'no-worker', detail: 'All workers are busy: 1 of 1.' },
    ])
    expect(await scheduler.whyWaiting(last.id)).toEqual([
      { reason: 'behind', detail: 'Jobs that go before it: 1.' },
      { reason: 'no-worker', detail: 'All workers are busy: 1 of 1.' },
    ])
    await scheduler.cancel('hog')
  })
})

function timed(options: SchedulerOptions<never> = {}) {
  const clock = manualClock()
  const scheduler = createScheduler<typeof jobs>(inline(jobs as never), { clock, workers: 1, ...options } as never)
  onTestFinished(() => scheduler.close({ mode: 'now' }))
  const reasons = async (id: string) =>
    (await scheduler.whyWaiting(id)).map(({ reason, detail }) => `${reason}: ${detail}`)
  return { clock, scheduler, reasons }
}

test('each reason has a sentence with its numbers', async () => {
  const queues = { narrow: { concurrency: 1 }, paced: { rateLimit: { limit: 1, intervalMs: 500 } } }
  const { clock, scheduler, reasons } = timed({ queues, concurrency: 10 } as never)
  const delayed = await scheduler.add.noop(undefined, { delayMs: 2_000 })
  clock.advance(500)
  expect(await reasons(delayed.id)).toEqual(['delayed: It starts in 1500 ms at the earliest.'])

  const backingOff = await scheduler.add.fail('no', { attempts: 3, backoff: { type: 'fixed', delayMs: 300 } })
  await heard(scheduler, 'retrying')
  expect(await reasons(backingOff.id)).toEqual([
    'backing-off: 1 of 3 attempts failed; the next starts in 300 ms at the earliest.',
  ])

  void scheduler.add.hang(undefined, { queue: 'narrow' })
  const narrow = await scheduler.add.hang(undefined, { queue: 'narrow' })
  expect(await reasons(narrow.id)).toEqual(["concurrency: The queue 'narrow' runs 1 of at most 1 jobs at a time."])

  await scheduler.run.noop(undefined, { queue: 'paced' })
  const paced = await scheduler.add.noop(undefined, { queue: 'paced' })
  clock.advance(100)
  expect(await reasons(paced.id)).toEqual([
    "rate-limit: The queue 'paced' starts at most 1 jobs in 500 ms; the next in 400 ms.",
  ])

  scheduler.queue('mail').pause()
  const mail = await scheduler.add.noop(undefined, { queue: 'mail' })
  expect(await reasons(mail.id)).toEqual(["queue-paused: The queue 'mail' is paused."])
  scheduler.pause()
  expect(await reasons(mail.id)).toEqual([
    'paused: The scheduler is paused.',
    "queue-paused: The queue 'mail' is paused.",
  ])
  expect((await reasons(delayed.id)).map((each) => each.split(':')[0])).toEqual(['delayed', 'paused'])
})

test('before there is a worker', async () => {
  const { scheduler, reasons } = timed()
  scheduler.pause()
  const job = await scheduler.add.noop()
  expect(await reasons(job.id)).toEqual([
    'paused: The scheduler is paused.',
    'no-worker: No worker is ready; 0 are starting.',
  ])
})
