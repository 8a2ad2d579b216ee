// Inputs that are moved to their thread: what becomes of the job when its attempt does not end well.
import { describe, expect, test } from 'vitest'
import { heard, places, start } from '../support/testing.ts'

const moved = () => {
  const bytes = new Uint8Array(8)
  return [bytes, { transfer: [bytes.buffer] }] as const
}

describe.each(places)('on %s', (place) => {
  /** A job that runs, for ever, on what was moved to it. */
  async function holding(options: object = {}) {
    const scheduler = start(place, 'unruly', { graceMs: 10 })
    const begun = heard(scheduler, 'progress')
    const [bytes, transfer] = moved()
    const job = await scheduler.add.holdWith(bytes, { ...transfer, ...options })
    const result = job.result().catch((error: unknown) => error)
    await begun
    return { scheduler, job, result }
  }

  test.each(['now', 'finish', 'drain'] as const)('closed in mode %j, it says so', async (mode) => {
    const { scheduler, result } = await holding()
    await scheduler.close({ mode, timeoutMs: 10 })
    expect(await result).toMatchObject({ code: 'SCHEDULER_CLOSED' })
  })

  test('timed out, it says so', async () => {
    const { scheduler, result } = await holding({ timeoutMs: 20 })
    expect(await result).toMatchObject({ code: 'JOB_TIMEOUT' })
    expect(await scheduler.run.double(1)).toBe(2)
  })

  test('cancelled, it says so', async () => {
    const { scheduler, job, result } = await holding()
    await job.cancel()
    expect(await result).toMatchObject({ code: 'JOB_CANCELLED' })
    expect(await scheduler.run.double(1)).toBe(2)
  })

  test('what can only be moved is there for one attempt: its failure is the last', async () => {
    const scheduler = start(place, 'unruly')
    const { port1, port2 } = new MessageChannel()
    const input = { bytes: new Uint8Array(8), attempt: 3, port: port1 }
    const failing = scheduler.run.sizeOnAttempt(input as never, { transfer: [port1], attempts: 3 })
    await expect(failing).rejects.toThrow('not yet')
    port2.close()
  })

  test('nor can it be retried by hand', async () => {
    const scheduler = start(place, 'unruly', { graceMs: 10 })
    const { port1, port2 } = new MessageChannel()
    const begun = heard(scheduler, 'progress')
    const job = await scheduler.add.holdWith(port1 as never, { transfer: [port1] })
    await begun
    await job.cancel()
    expect(await job.retry()).toBe(false)
    expect(await scheduler.run.double(1)).toBe(2)
    expect(await scheduler.retry({ state: 'cancelled' })).toBe(0)
    port2.close()
  })

  test('an empty `transfer` moves nothing', async () => {
    const scheduler = start(place, 'unruly')
    const bytes = new Uint8Array(8)
    const job = await scheduler.add.sizeOnAttempt({ bytes, attempt: 2 }, { transfer: [], attempts: 2 })
    expect(await job.result()).toBe(8)
    expect(bytes.byteLength).toBe(8)
    expect((job.input as { bytes: Uint8Array }).bytes.byteLength).toBe(8)
  })
})

test('an empty `transfer`: when its thread ends, the job runs again', async () => {
  const scheduler = start('threads', 'unruly')
  expect(await scheduler.run.crashUntil(2, { transfer: [] })).toBe(2)
})
