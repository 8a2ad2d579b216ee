// Which failures are tried again, when, and for how long; and handlers that put their job off.
import type { SchedulerOptions } from 'offstage'
import { manualClock } from 'offstage/testing'
import { NonRetryableError, RetryAfter } from 'offstage/worker'
import { describe, expect, test, vi } from 'vitest'
import { kinds, stores } from '../support/stores.ts'
import { heard, type Place, places, start, turn } from '../support/testing.ts'

/** A scheduler whose clock passes each wait at once, and the waits. */
function startTimed(place: Place, options: SchedulerOptions<never> = {}) {
  const clock = manualClock()
  const scheduler = start(place, 'jobs', { clock, ...options })
  const waits: number[] = []
  const pass = ({ at, runAt }: { readonly at: number; readonly runAt: number }) => {
    waits.push(runAt - at)
    clock.advance(runAt - at)
  }
  scheduler.on('retrying', pass)
  scheduler.on('snoozed', pass)
  return { scheduler, clock, waits }
}

const errorOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    (value) => expect.unreachable(`resolved with ${String(value)}`),
    (error: unknown) => error,
  )

describe.each(places)('on %s', (place) => {
  describe('NonRetryableError', () => {
    test('fails the job for good, whatever `attempts` says, and arrives as it was thrown', async () => {
      const scheduler = start(place, 'jobs')
      const job = await scheduler.add.failForGood('plain', { attempts: 5 })
      const error = await errorOf(job.result())
      expect(error).toBeInstanceOf(NonRetryableError)
      expect(error).toMatchObject({ name: 'NonRetryableError', message: 'for good', cause: new RangeError('inner') })
      expect(job.snapshot()).toMatchObject({ state: 'failed', attempt: 1 })
      expect((await scheduler.find({ state: 'failed' })).map(({ id }) => id)).toEqual([job.id])
    })

    test('so does an error of a class that extends it', async () => {
      const scheduler = start(place, 'jobs')
      const error = await errorOf(scheduler.run.failForGood('own class', { attempts: 5 }))
      expect(error).toBeInstanceOf(NonRetryableError)
      expect(error).toMatchObject({ message: 'no card', card: 42 })
    })

    test('`retry` runs such a job again', async () => {
      const scheduler = start(place, 'jobs')
      const job = await scheduler.add.failForGood('plain', { attempts: 2 })
      await errorOf(job.result())
      expect(await scheduler.retry({ state: 'failed' })).toBe(1)
      await errorOf(job.result())
      expect(job.snapshot().attempt).toBe(2)
    })
  })

  describe('RetryAfter', () => {
    test('says when the next attempt starts, in place of the back-off', async () => {
      const { scheduler, waits } = startTimed(place)
      const result = scheduler.run.askAgain({ until: 3, ms: 7_000 }, { attempts: 3, backoff: [1, 2] })
      expect(await result).toBe(3)
      expect(waits).toEqual([7_000, 7_000])
    })

    test('uses an attempt; the job shows its cause, and after the last one fails with that', async () => {
      const { scheduler, waits } = startTimed(place)
      const errors: unknown[] = []
      scheduler.on('retrying', ({ error }) => errors.push(error))
      const error = await errorOf(scheduler.run.askAgain({ until: 9, ms: 5, why: 'busy' }, { attempts: 2 }))
      expect([error, ...errors]).toEqual([new TypeError('busy'), new TypeError('busy')])
      expect(waits).toEqual([5])
    })

    test('or, without a cause, with itself', async () => {
      const scheduler = start(place, 'jobs')
      const error = await errorOf(scheduler.run.askAgain({ until: 9, ms: 5 }))
      expect(error).toBeInstanceOf(RetryAfter)
      expect(error).toMatchObject({ name: 'RetryAfter', ms: 5 })
    })

    test.each(['RetryAfter', 'snooze'] as const)('%s is given a span of time, or refuses it', async (verb) => {
      const scheduler = start(place, 'jobs')
      for (const ms of [-1, Number.NaN, Number.POSITIVE_INFINITY, 1e300, '5', null, undefined]) {
        const error = await errorOf(scheduler.run.askFor({ verb, ms }))
        expect(error, String(ms)).toMatchObject({ code: 'INVALID_OPTION', message: expect.stringContaining('`ms`') })
      }
    })
  })

  describe('snooze', () => {
    test('puts the job off, and uses no attempt', async () => {
      const { scheduler, waits } = startTimed(place)
      const job = await scheduler.add.snooze({ ms: 60_000, times: 4 })
      expect(await job.result()).toBe(5)
      expect(waits).toEqual([60_000, 60_000, 60_000, 60_000])
    })

    test('until then the job is scheduled, and says why', async () => {
      const clock = manualClock()
      const scheduler = start(place, 'jobs', { clock })
      const snoozed = heard(scheduler, 'snoozed')
      const job = await scheduler.add.snooze({ ms: 500 })
      const { runAt } = await snoozed
      expect(job.snapshot()).toMatchObject({ state: 'scheduled', runAt, attempt: 1, error: undefined })
      expect(await scheduler.whyWaiting(job.id)).toMatchObject([{ reason: 'delayed' }])
      clock.advance(499)
      expect(await scheduler.counts()).toMatchObject({ scheduled: 1 })
      clock.advance(1)
      expect(await job.result()).toBe(2)
    })

    test('by nothing puts it in line again at once', async () => {
      const scheduler = start(place, 'jobs')
      expect(await scheduler.run.snooze({ ms: 0 })).toBe(2)
    })

    test('`rateLimited` puts it back in its place, uses no attempt, and lets its queue rest', async () => {
      const clock = manualClock()
      const scheduler = start(place, 'jobs', { clock, workers: 1 })
      const started: string[] = []
      scheduler.on('started', ({ jobId }) => started.push(jobId))
      const limited = heard(scheduler, 'rate-limited')
      const first = await scheduler.add.limitOnce(60_000, { queue: 'api', id: 'first' })
      await scheduler.addMany([
        { name: 'noop', input: undefined, options: { queue: 'api', id: 'second' } },
        { name: 'noop', input: undefined, options: { id: 'other' } },
      ])
      const { queue, at, nextStartAt } = await limited
      expect([queue, nextStartAt - at]).toEqual(['api', 60_000])
      await (await scheduler.get('other'))?.result()
      expect(first.snapshot()).toMatchObject({ state: 'queued', attempt: 1, error: undefined })
      expect((await scheduler.whyWaiting('first')).map(({ detail }) => detail)).toEqual([
        "The queue 'api' rests; the next in 60000 ms.",
      ])
      expect(scheduler.queue('api').isRateLimited).toBe(true)
      clock.advance(59_999)
      await turn()
      expect(started).toEqual(['first', 'other'])
      clock.advance(1)
      await scheduler.onIdle()
      expect(started).toEqual(['first', 'other', 'first', 'second'])
      expect(await first.result()).toBe(2)
      expect((await scheduler.queues()).map(({ name }) => name)).toEqual(['default'])
    })

    test('works in generators and in async ones', async () => {
      const { scheduler, waits } = startTimed(place)
      expect(await scheduler.run.snoozeYielding(10)).toBe(2)
      expect(await scheduler.run.snoozeStreaming(20)).toBe(2)
      expect(waits).toEqual([10, 20])
    })

    test('works in async handlers, and keeps what `checkpoint` and `step` have saved', async () => {
      const { scheduler } = startTimed(place)
      expect(await scheduler.run.snoozeLater(30)).toEqual({ from: 2, isSame: true, attempt: 3 })
    })

    test.each(['return', 'throw'] as const)('holds although the handler catches it, to %s', async (instead) => {
      const { scheduler, waits } = startTimed(place)
      expect(await scheduler.run.snoozeCaught(instead)).toBe(2)
      expect(waits).toEqual([1_000])
    })

    test('does not lose a cancel meanwhile', async () => {
      const clock = manualClock()
      const scheduler = start(place, 'jobs', { clock })
      const snoozed = heard(scheduler, 'snoozed')
      const job = await scheduler.add.snooze({ ms: 500 })
      const settled = errorOf(job.result())
      await snoozed
      expect(await job.cancel()).toBe(true)
      expect(await settled).toMatchObject({ code: 'JOB_CANCELLED' })
      clock.advance(500)
      expect(await scheduler.counts()).toMatchObject({ cancelled: 1, running: 0, queued: 0 })
    })

    test('is refused to a job whose input was moved, unless that was a copy', async () => {
      const scheduler = start(place, 'jobs')
      const moved = () => new Uint8Array(8)
      const transferOf = (bytes: Uint8Array) => ({ transfer: [bytes.buffer as ArrayBuffer] })
      const [one, two] = [moved(), moved()]
      const refused = await errorOf(scheduler.run.snoozeMoved(one, transferOf(one)))
      expect(refused).toMatchObject({ code: 'DATA_CLONE', message: expect.stringContaining('moved') })
      expect(await scheduler.run.snoozeMoved(two, { attempts: 2, ...transferOf(two) })).toBe(8)
    })
  })

  describe('retryForMs', () => {
    const failing = { attempts: 100, backoff: [400], retryForMs: 1_000 }

    test('no attempt starts later than that after the first that failed began', async () => {
      const { scheduler, waits } = startTimed(place)
      const error = await errorOf(scheduler.run.fail('no', failing))
      expect(error).toEqual(new TypeError('no'))
      expect(waits).toEqual([400, 400])
    })

    test('nor one that RetryAfter asks for', async () => {
      const { scheduler, waits } = startTimed(place)
      const input = { until: 9, ms: 999, why: 'busy' }
      expect(await errorOf(scheduler.run.askAgain(input, failing))).toEqual(new TypeError('busy'))
      expect(waits).toEqual([999])
    })

    test('a job that waits in line when the time is over fails with its last error', async () => {
      const clock = manualClock()
      const scheduler = start(place, 'jobs', { clock })
      const retrying = heard(scheduler, 'retrying')
      const job = await scheduler.add.fail('no', failing)
      const settled = errorOf(job.result())
      await retrying
      scheduler.pause()
      clock.advance(999)
      expect((await scheduler.get(job.id))?.snapshot().state).toBe('queued')
      clock.advance(1)
      expect(await settled).toEqual(new TypeError('no'))
      expect(job.snapshot()).toMatchObject({ state: 'failed', attempt: 1 })
    })

    test('begins anew after a snooze, and when the job is retried by hand', async () => {
      const { scheduler, clock, waits } = startTimed(place)
      const job = await scheduler.add.fail('no', failing)
      await errorOf(job.result())
      clock.advance(60_000)
      await job.retry()
      await errorOf(job.result())
      expect(waits).toEqual([400, 400, 400, 400])
    })
  })

  describe('retryIf', () => {
    const startWith = (retryIf: (error: unknown) => boolean) =>
      start(place, 'jobs', { defaults: { fail: { attempts: 3, retryIf } } } as SchedulerOptions<never>)

    test('is asked about each error that another attempt would follow; with `false` the job fails for good', async () => {
      const asked: unknown[] = []
      const scheduler = startWith((error) => {
        asked.push(error)
        return (error as Error).message !== 'fatal'
      })
      const job = await scheduler.add.fail('again')
      await errorOf(job.result())
      expect(job.snapshot().attempt).toBe(3)
      expect(asked).toEqual([new TypeError('again'), new TypeError('again')])
      const fatal = await scheduler.add.fail('fatal')
      expect(await errorOf(fatal.result())).toEqual(new TypeError('fatal'))
      expect(fatal.snapshot().attempt).toBe(1)
    })

    test('is not asked about other types, nor about what is final anyway', async () => {
      const retryIf = vi.fn(() => false)
      const scheduler = startWith(retryIf)
      expect(await scheduler.run.failUntil(2, { attempts: 2 })).toBe(2)
      await errorOf(scheduler.run.failForGood('plain'))
      await errorOf(scheduler.run.fail('once', { attempts: 1 }))
      expect(retryIf).not.toHaveBeenCalled()
    })

    test('that throws is reported on `error`, and the other attempt follows', async () => {
      const scheduler = startWith(() => {
        throw new RangeError('mine')
      })
      const reported: unknown[] = []
      scheduler.on('error', ({ error }) => reported.push(error))
      const job = await scheduler.add.fail('again')
      await errorOf(job.result())
      expect(job.snapshot().attempt).toBe(3)
      expect(reported).toEqual([new RangeError('mine'), new RangeError('mine')])
    })

    test('that returns neither true nor false is reported on `error`, and the other attempt follows', async () => {
      for (const answer of [
        async () => false,
        async () => Promise.reject(new Error('mine')),
        () => undefined,
        () => 0,
      ]) {
        const scheduler = startWith(answer as never)
        const reported: unknown[] = []
        scheduler.on('error', ({ error }) => reported.push(error))
        const job = await scheduler.add.fail('again', { attempts: 2 })
        expect(await errorOf(job.result())).toEqual(new TypeError('again'))
        expect(job.snapshot().attempt).toBe(2)
        expect(reported).toMatchObject([
          { code: 'INVALID_OPTION', message: expect.stringContaining('`retryIf()` to be true or false') },
        ])
      }
    })

    test('may cancel or remove the very job', async () => {
      for (const verb of ['cancel', 'remove'] as const) {
        const scheduler = startWith(() => {
          void scheduler[verb]('mine')
          return true
        })
        const job = await scheduler.add.fail('again', { id: 'mine' })
        expect(await errorOf(job.result())).toMatchObject({ code: 'JOB_CANCELLED' })
        expect(await scheduler.run.double(1)).toBe(2)
      }
    })

    test('is asked about an attempt that takes too long', async () => {
      const retryIf = vi.fn((error: unknown) => (error as { code?: string }).code !== 'JOB_TIMEOUT')
      const clock = manualClock()
      const defaults = { untilAborted: { attempts: 3, timeoutMs: 50, retryIf } }
      const scheduler = start(place, 'jobs', { clock, defaults } as SchedulerOptions<never>)
      const job = await scheduler.add.untilAborted()
      const settled = errorOf(job.result())
      while (job.snapshot().state !== 'failed') {
        await turn()
        clock.advance(10)
      }
      expect(await settled).toMatchObject({ code: 'JOB_TIMEOUT', attempt: 1 })
    })
  })

  describe('backoff', () => {
    test.each([
      ['a list, of which the last repeats', [100, 10, 1], [100, 10, 1, 1]],
      ['Sidekiq', { type: 'sidekiq' }, [15_000, 16_000, 31_000, 96_000]],
      ['decorrelated', { type: 'exponential', delayMs: 10, jitter: 'decorrelated' }, [10, 10, 10, 10]],
      ['full jitter', { type: 'fixed', delayMs: 10, jitter: 'full' }, [10, 10, 10, 10]],
    ] as const)('%s', async (_name, backoff, expected) => {
      const { scheduler, waits } = startTimed(place, { random: () => 0 })
      await errorOf(scheduler.run.fail('no', { attempts: 5, backoff }))
      expect(waits).toEqual(expected)
    })
  })
})

describe.each(kinds.filter((kind) => kind !== 'memory'))('in a %s store', (kind) => {
  const open = stores[kind]()

  test('waits, snoozes and the time for retries outlive the process', async () => {
    const clock = manualClock()
    const startAt = () => start('inline', 'jobs', { clock, store: open('retries') })
    const first = startAt()
    const options = { attempts: 9, backoff: [400], retryForMs: 1_000 }
    await first.add.fail('no', { id: 'retrying', ...options })
    await first.add.snooze({ ms: 5_000, times: 1 }, { id: 'snoozed' })
    const jitter = { type: 'fixed', delayMs: 200, jitter: 'decorrelated' } as const
    await first.add.fail('no', { id: 'jitter', attempts: 9, backoff: jitter })
    while ((await first.counts()).scheduled < 3) await turn()
    const runAt = async (scheduler: typeof first) =>
      (await scheduler.find()).map((job) => job.snapshot().runAt as number)
    const before = await runAt(first)
    await first.close()

    const second = startAt()
    expect(await runAt(second)).toEqual(before)
    const settled = errorOf((await second.get('retrying'))?.result() as Promise<unknown>)
    second.pause()
    clock.advance(1_000)
    expect(await settled).toEqual(new TypeError('no'))
    await second.remove('jitter')
    second.resume()
    clock.advance(4_000)
    expect(await (await second.get('snoozed'))?.result()).toBe(2)
  })
})
