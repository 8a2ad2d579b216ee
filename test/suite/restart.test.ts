// `restart`, with what only real stores and threads have: blobs in inputs and steps, and inputs that were moved.
import { createScheduler, type Scheduler } from 'offstage'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { jobs } from '../fixtures/blobs.ts'
import { kinds, stores } from '../support/stores.ts'
import { places, start } from '../support/testing.ts'
import { jobsWorker } from '../support/workers.ts'

const text = (value: unknown): Promise<string> => (value as Blob).text()

describe.each(kinds.filter((kind) => kind !== 'memory'))('in the store %s', (kind) => {
  const makeStore = stores[kind]()

  function open(): Scheduler<typeof jobs> {
    const scheduler = createScheduler<typeof jobs>(jobsWorker('blobs'), { store: makeStore('restart'), workers: 1 })
    onTestFinished(() => scheduler.close({ mode: 'now' }))
    return scheduler
  }

  test('the blobs of input and steps are those of the new job, also when the old one is gone', async () => {
    const first = open()
    const job = await first.add.stampTwice({ photo: new Blob(['left right']) }, { id: 'photo' })
    expect(await text(await job.result())).toBe('stamp 1, stamp 2, left right')
    await first.close()
    const second = open()
    second.pause()
    const { id } = await second.restart('photo', { from: 'second' })
    await second.remove('photo')
    await second.close()
    const third = open()
    const again = await third.get<'stampTwice'>(id)
    expect(await text(await again?.result())).toBe('stamp 1, stamp 2, left right')
  })
})

describe.each(places)('on %s', (place) => {
  test('an input that was moved to its thread cannot be given to a new job', async () => {
    const scheduler = start(place, 'unruly')
    const bytes = new Uint8Array(8)
    const job = await scheduler.add.sizeOnAttempt({ bytes, attempt: 1 }, { transfer: [bytes.buffer] })
    expect(await job.result()).toBe(8)
    await expect(scheduler.restart(job.id)).rejects.toMatchObject({ code: 'DATA_CLONE', jobId: job.id })
  })

  test('what was to be moved, and was not, is copied to both', async () => {
    const scheduler = start(place, 'unruly')
    scheduler.pause()
    const bytes = new Uint8Array(8)
    const job = await scheduler.add.sizeOnAttempt({ bytes, attempt: 1 }, { transfer: [bytes.buffer] })
    await job.cancel()
    const again = await scheduler.restart<'sizeOnAttempt'>(job.id)
    await job.retry()
    scheduler.resume()
    expect(await Promise.all([job.result(), again.result()])).toEqual([8, 8])
  })
})
