// What happens when a job does not simply work: attempts, time limits, cancelling, deaths of its thread, and what of it
// the caller gets to see.
import { OffstageError } from 'offstage'
import { manualClock, seededRandom } from 'offstage/testing'
import { describe, expect, test } from 'vitest'
import { heard, type Place, places, start } from '../support/testing.ts'

class PaymentError extends Error {
  declare readonly code: string
}

describe.each(places)('on %s', (place) => {
  describe('attempts', () => {
    test('a job that fails is tried again, as often as `attempts` says', async () => {
      const scheduler = start(place, 'jobs')
      expect(await scheduler.run.failUntil(3, { attempts: 3 })).toBe(3)
      await expect(scheduler.run.failUntil(3, { attempts: 2 })).rejects.toThrow('attempt 2')
      await expect(scheduler.run.failUntil(2)).rejects.toThrow('attempt 1')
    })

    test('each attempt is reported: started, retrying, started, failed', async () => {
      const scheduler = start(place, 'jobs')
      const told: string[] = []
      for (const type of ['started', 'retrying', 'failed'] as const)
        scheduler.on(type, ({ attempt }) => told.push(`${type} ${attempt}`))
      await scheduler.run.fail('no', { attempts: 2 }).catch(() => {})
      expect(told).toEqual(['started 1', 'retrying 1', 'started 2', 'failed 2'])
    })

    test.each([
      ['none', undefined, [0, 0, 0]],
      ['fixed', { type: 'fixed', delayMs: 100 }, [100, 100, 100]],
      ['linear', { type: 'linear', delayMs: 100 }, [100, 200, 300]],
      ['exponential', { type: 'exponential', delayMs: 100 }, [100, 200, 400]],
      ['exponential with maxMs', { type: 'exponential', delayMs: 100, maxMs: 250 }, [100, 200, 250]],
    ] as const)('backoff: %s', async (_name, backoff, expected) => {
      const clock = manualClock()
      const scheduler = start(place, 'jobs', { clock })
      const waits: number[] = []
      scheduler.on('retrying', ({ at, runAt }) => {
        waits.push(runAt - at)
        clock.advance(runAt - at)
      })
      await expect(scheduler.run.fail('no', { attempts: 4, backoff })).rejects.toThrow('no')
      expect(waits).toEqual(expected)
    })

    test('a back-off is waited out to the last millisecond', async () => {
      const clock = manualClock()
      const scheduler = start(place, 'jobs', { clock })
      const retrying = heard(scheduler, 'retrying')
      const job = await scheduler.add.failUntil(2, { attempts: 2, backoff: { type: 'fixed', delayMs: 1_000 } })
      await retrying
      clock.advance(999)
      expect(await scheduler.counts()).toMatchObject({ scheduled: 1 })
      clock.advance(1)
      expect(await job.result()).toBe(2)
    })

    test('`jitter` leaves a share of each wait to chance, the same for the same seed', async () => {
      const waitsOf = async (seed: number) => {
        const clock = manualClock()
        const scheduler = start(place, 'jobs', { clock, random: seededRandom(seed) })
        const waits: number[] = []
        scheduler.on('retrying', ({ at, runAt }) => {
          waits.push(runAt - at)
          clock.advance(runAt - at)
        })
        const backoff = { type: 'fixed', delayMs: 1_000, jitter: 0.5 } as const
        await scheduler.run.fail('no', { attempts: 9, backoff }).catch(() => {})
        return waits
      }
      const waits = await waitsOf(7)
      expect(waits.every((ms) => ms >= 500 && ms <= 1_000)).toBe(true)
      expect(new Set(waits).size).toBeGreaterThan(4)
      expect(await waitsOf(7)).toEqual(waits)
      expect(await waitsOf(8)).not.toEqual(waits)
    })

    test('`retry` runs a failed job again, with all its attempts; a completed one stays as it is', async () => {
      const scheduler = start(place, 'jobs')
      const job = await scheduler.add.failUntil(4, { attempts: 2 })
      await expect(job.result()).rejects.toThrow('attempt 2')
      expect(await job.retry()).toBe(true)
      expect(await job.result()).toBe(4)
      expect(await job.retry()).toBe(false)
      expect(await job.result()).toBe(4)
    })

    test('`checkpoint` and `step` outlive an attempt', async () => {
      const scheduler = start(place, 'jobs')
      expect(await scheduler.run.resume(undefined, { attempts: 3 })).toBe(20)
      const [first, second] = await scheduler.run.steps(undefined, { attempts: 2 })
      expect(second).toBe((first as number) + 1)
    })
  })

  describe('timeoutMs', () => {
    test('counts from the start of an attempt, and ends it with JOB_TIMEOUT', async () => {
      const clock = manualClock()
      const scheduler = start(place, 'unruly', { clock })
      const begun = heard(scheduler, 'progress')
      const job = await scheduler.add.polite(undefined, { timeoutMs: 1_000 })
      await begun
      clock.advance(999)
      expect(job.snapshot().state).toBe('running')
      clock.advance(1)
      await expect(job.result()).rejects.toMatchObject({ code: 'JOB_TIMEOUT', jobId: job.id, attempt: 1 })
      expect(await scheduler.run.double(2)).toBe(4)
    })

    test('uses up an attempt', async () => {
      const clock = manualClock()
      const scheduler = start(place, 'unruly', { clock })
      let attempts = 0
      scheduler.on('progress', () => {
        attempts++
        clock.advance(1_000)
      })
      const timedOut = scheduler.run.yielding(undefined, { timeoutMs: 1_000, attempts: 3 })
      await expect(timedOut).rejects.toMatchObject({ code: 'JOB_TIMEOUT', attempt: 3 })
      expect(attempts).toBe(3)
    })

    test('does not run while a job waits in line', async () => {
      const clock = manualClock()
      const scheduler = start(place, 'unruly', { clock })
      const begun = heard(scheduler, 'progress')
      const first = await scheduler.add.polite()
      const second = await scheduler.add.double(2, { timeoutMs: 10 })
      await begun
      clock.advance(1_000)
      await first.cancel()
      expect(await second.result()).toBe(4)
    })
  })

  describe('cancelling', () => {
    test('a job that waits never starts', async () => {
      const scheduler = start(place, 'jobs')
      scheduler.pause()
      const started: string[] = []
      scheduler.on('started', ({ jobId }) => started.push(jobId))
      const job = await scheduler.add.double(1, { id: 'waits' })
      const later = await scheduler.add.double(1, { id: 'later', delayMs: 60_000 })
      expect(await job.cancel('not needed')).toBe(true)
      expect(await later.cancel()).toBe(true)
      scheduler.resume()
      await expect(job.result()).rejects.toMatchObject({
        code: 'JOB_CANCELLED',
        cause: 'not needed',
        jobId: 'waits',
        message: expect.stringContaining("'waits'"),
      })
      await expect(later.result()).rejects.toMatchObject({ code: 'JOB_CANCELLED' })
      expect(await scheduler.run.double(1)).toBe(2)
      expect(started).not.toContain('waits')
    })

    test.each(['yielding', 'polite', 'deaf', 'stubborn'] as const)(
      'a running job rejects at once: %s',
      async (name) => {
        const scheduler = start(place, 'unruly', { graceMs: 20 })
        const begun = heard(scheduler, 'progress')
        const job = await scheduler.add[name]()
        await begun
        expect(await job.cancel(new RangeError('enough'))).toBe(true)
        await expect(job.result()).rejects.toMatchObject({ code: 'JOB_CANCELLED', cause: new RangeError('enough') })
        expect(job.snapshot().state).toBe('cancelled')
        expect(await job.cancel()).toBe(false)
        expect(await scheduler.run.double(4)).toBe(8)
      },
    )

    test('a handler that honours its signal, or yields, keeps its thread', async () => {
      const scheduler = start(place, 'unruly')
      let exits = 0
      scheduler.on('worker:exit', () => exits++)
      for (const name of ['polite', 'yielding'] as const) {
        const begun = heard(scheduler, 'progress')
        const job = await scheduler.add[name]()
        await begun
        await job.cancel()
        await scheduler.run.double(1)
      }
      expect(exits).toBe(0)
    })

    test('a deaf handler loses its thread after `graceMs`, and not sooner', async () => {
      const clock = manualClock()
      const scheduler = start(place, 'unruly', { clock, graceMs: 500 })
      const begun = heard(scheduler, 'progress')
      const job = await scheduler.add.deaf()
      await begun
      const exits: unknown[] = []
      scheduler.on('worker:exit', ({ error }) => exits.push(error))
      await job.cancel()
      clock.advance(499)
      expect(exits).toEqual([])
      clock.advance(1)
      expect(exits).toMatchObject([{ code: 'WORKER_CRASHED', message: expect.stringContaining(job.id) }])
      expect(await scheduler.run.double(1)).toBe(2)
    })

    test('by id, which answers how many jobs it moved', async () => {
      const scheduler = start(place, 'jobs')
      scheduler.pause()
      const job = await scheduler.add.double(1, { id: 'one' })
      expect(await scheduler.cancel('one', 'why')).toBe(1)
      expect(await scheduler.cancel('one')).toBe(0)
      expect(await scheduler.cancel('no such job')).toBe(0)
      await expect(job.result()).rejects.toMatchObject({ code: 'JOB_CANCELLED', cause: 'why' })
    })

    test('by filter: name, queue, tag, state, all that fit', async () => {
      const scheduler = start(place, 'jobs')
      scheduler.pause()
      await scheduler.addMany([
        { name: 'double', input: 1, options: { tags: ['a'] } },
        { name: 'double', input: 2, options: { tags: ['a', 'b'], queue: 'slow' } },
        { name: 'noop', options: { tags: ['b'] } },
        { name: 'noop', options: { delayMs: 60_000 } },
        { name: 'later', input: 1 },
      ])
      expect(await scheduler.cancel({ name: 'double', tag: 'b' })).toBe(1)
      expect(await scheduler.cancel({ tag: 'a' })).toBe(1)
      expect(await scheduler.cancel({ queue: 'slow' })).toBe(0)
      expect(await scheduler.cancel({ name: 'noop', state: ['scheduled', 'queued'] })).toBe(2)
      expect(await scheduler.counts()).toMatchObject({ cancelled: 4, queued: 1 })
      expect(await scheduler.cancel({ all: true })).toBe(1)
    })

    test('by AbortSignal, whose reason is what the promise rejects with', async () => {
      const scheduler = start(place, 'unruly')
      const controller = new AbortController()
      const begun = heard(scheduler, 'progress')
      const running = scheduler.run.polite(undefined, { signal: controller.signal })
      const waiting = scheduler.run.double(1, { signal: controller.signal })
      await begun
      const reason = { mine: true }
      controller.abort(reason)
      await expect(running).rejects.toBe(reason)
      await expect(waiting).rejects.toBe(reason)
      expect(await scheduler.run.double(1)).toBe(2)
    })

    test('a signal that is aborted already adds nothing', async () => {
      const scheduler = start(place, 'jobs')
      const signal = AbortSignal.abort('too late')
      await expect(scheduler.run.double(1, { signal })).rejects.toBe('too late')
      await expect(scheduler.add.double(1, { signal })).rejects.toBe('too late')
      expect((await scheduler.find()).length).toBe(0)
    })

    test('a cancelled job can be retried', async () => {
      const scheduler = start(place, 'jobs')
      scheduler.pause()
      const job = await scheduler.add.double(21)
      await job.cancel()
      expect(await scheduler.retry({ state: 'cancelled' })).toBe(1)
      scheduler.resume()
      expect(await job.result()).toBe(42)
    })
  })

  describe('errors arrive as they were thrown', () => {
    const errorsOf = (place: Place) => {
      const scheduler = start(place, 'jobs', { errors: [PaymentError] })
      return (kind: string) =>
        scheduler.run.failWith(kind).then(
          () => expect.unreachable('it has to fail'),
          (error: unknown) => error,
        )
    }

    test('a built-in class, with message and the stack of the thread', async () => {
      const error = await start(place, 'jobs')
        .run.fail('bad')
        .catch((thrown: unknown) => thrown)
      expect(error).toBeInstanceOf(TypeError)
      expect(error).toMatchObject({ name: 'TypeError', message: 'bad' })
      expect((error as Error).stack).toMatch(/fail/)
    })

    test('a class of your own, given in `errors`, with its own fields', async () => {
      const error = await start(place, 'jobs', { errors: [PaymentError] })
        .run.failCustom()
        .catch((e: unknown) => e)
      expect(error).toBeInstanceOf(PaymentError)
      expect(error).toMatchObject({ name: 'PaymentError', message: 'no money', code: 'E_PAY' })
    })

    test('a class of your own that is not in `errors` is an Error with its name and fields', async () => {
      const error = await start(place, 'jobs')
        .run.failCustom()
        .catch((thrown: unknown) => thrown)
      expect(error).toBeInstanceOf(Error)
      expect(error).not.toBeInstanceOf(PaymentError)
      expect(error).toMatchObject({ name: 'PaymentError', message: 'no money', code: 'E_PAY' })
    })

    test('`cause`, all the way down', async () => {
      const error = (await errorsOf(place)('cause')) as Error
      expect(error.message).toBe('outer')
      expect(error.cause).toBeInstanceOf(SyntaxError)
      expect(error.cause).toMatchObject({ message: 'inner', cause: 'root' })
    })

    test('a cause that is the error itself', async () => {
      const error = (await errorsOf(place)('cyclic')) as Error
      expect(error.message).toBe('cyclic')
      expect(error.cause).toBe(error)
    })

    test('AggregateError with its `errors`', async () => {
      const error = (await errorsOf(place)('aggregate')) as AggregateError
      expect(error).toBeInstanceOf(AggregateError)
      expect(error.message).toBe('several')
      expect(error.errors[0]).toBeInstanceOf(RangeError)
      expect(error.errors).toMatchObject([{ message: 'one' }, 'two'])
    })

    test('DOMException with its name and code', async () => {
      const error = (await errorsOf(place)('dom')) as DOMException
      expect(error).toBeInstanceOf(DOMException)
      expect(error).toMatchObject({ name: 'NotFoundError', message: 'no such thing', code: 8 })
    })

    test.each([
      ['undefined', undefined],
      ['null', null],
      ['string', 'a string'],
      ['number', 42],
      ['object', { status: 404 }],
    ])('what is no error stays what it is: %s', async (kind, expected) => {
      expect(await errorsOf(place)(kind)).toEqual(expected)
    })
  })

  describe('transfer', () => {
    test('moves a buffer into the job and back', async () => {
      const scheduler = start(place, 'jobs')
      const bytes = new Uint8Array(1_000)
      expect(await scheduler.run.size(bytes, { transfer: [bytes.buffer] })).toBe(1_000)
      expect(bytes.byteLength).toBe(0)
      expect(await scheduler.run.transfer(8)).toEqual(new Uint8Array(8).fill(7))
    })

    test('every attempt gets the whole of it', async () => {
      const scheduler = start(place, 'unruly')
      const bytes = new Uint8Array(1_000)
      const options = { transfer: [bytes.buffer], attempts: 3 }
      expect(await scheduler.run.sizeOnAttempt({ bytes, attempt: 3 }, options)).toBe(1_000)
    })
  })

  describe('refusals', () => {
    test('expiresInMs: a job that has not started in time fails with JOB_EXPIRED', async () => {
      const clock = manualClock()
      const scheduler = start(place, 'jobs', { clock })
      scheduler.pause()
      const job = await scheduler.add.double(1, { id: 'milk', expiresInMs: 1_000 })
      const inTime = await scheduler.add.double(1, { expiresInMs: 2_000 })
      clock.advance(1_000)
      await expect(job.result()).rejects.toMatchObject({ code: 'JOB_EXPIRED', jobId: 'milk' })
      scheduler.resume()
      expect(await inTime.result()).toBe(2)
    })

    test('an id that is there already answers the job that is there', async () => {
      const scheduler = start(place, 'jobs')
      const first = await scheduler.add.double(1, { id: 'same' })
      const second = await scheduler.add.double(2, { id: 'same' })
      expect([first.disposition, second.disposition]).toEqual(['created', 'existing'])
      expect(second.input).toBe(1)
      expect(await second.result()).toBe(2)
      expect(await scheduler.run.double(3, { id: 'same' })).toBe(2)
    })

    test('ifExists: `replace` puts the new job in its place, unless it runs', async () => {
      const scheduler = start(place, 'unruly')
      scheduler.pause()
      const old = await scheduler.add.double(1, { id: 'same' })
      const settled = old.result().catch((error: unknown) => error)
      const replacing = await scheduler.add.yielding(undefined, { id: 'same', ifExists: 'replace' })
      expect(replacing.disposition).toBe('replaced')
      expect(await settled).toMatchObject({ code: 'JOB_CANCELLED', jobId: 'same' })
      const begun = heard(scheduler, 'progress')
      scheduler.resume()
      await begun
      const tooLate = scheduler.add.double(3, { id: 'same', ifExists: 'replace' })
      await expect(tooLate).rejects.toMatchObject({ code: 'DUPLICATE_ID', jobId: 'same' })
      await replacing.cancel()
      expect(await scheduler.run.double(4, { id: 'same', ifExists: 'replace' })).toBe(8)
    })

    test('DUPLICATE_ID: with ifExists `reject`, or when the job there is of another type', async () => {
      const scheduler = start(place, 'jobs')
      await scheduler.add.double(1, { id: 'same' })
      const rejected = { code: 'DUPLICATE_ID', jobId: 'same', message: expect.stringContaining("'same'") }
      await expect(scheduler.add.double(1, { id: 'same', ifExists: 'reject' })).rejects.toMatchObject(rejected)
      await expect(scheduler.add.noop(undefined, { id: 'same' })).rejects.toMatchObject(rejected)
    })

    describe('a large addMany, which takes several turns', () => {
      const many = (last: object) => [
        ...Array.from({ length: 2_000 }, () => ({ name: 'noop' }) as const),
        { name: 'noop', options: last } as const,
      ]

      /** Each job that is made looks at the clock: does something when half of them are. */
      function startMeanwhile(act: () => unknown) {
        const clock = manualClock()
        let looks = 0
        const now = () => {
          if (++looks === 1_000) act()
          return clock.now()
        }
        const scheduler = start(place, 'jobs', { clock: { ...clock, now } })
        scheduler.pause()
        return scheduler
      }

      test('adds none when one of them was added meanwhile, and must not be there', async () => {
        const scheduler = startMeanwhile(() => scheduler.add.noop(undefined, { id: 'taken' }))
        const adding = scheduler.addMany(many({ id: 'taken', ifExists: 'reject' }))
        await expect(adding).rejects.toMatchObject({ code: 'DUPLICATE_ID' })
        expect((await scheduler.counts()).queued).toBe(1)
      })

      test('finds what was added meanwhile', async () => {
        const scheduler = startMeanwhile(() => scheduler.add.noop(undefined, { id: 'taken' }))
        const added = await scheduler.addMany(many({ id: 'taken' }))
        expect(added.at(-1)).toMatchObject({ id: 'taken', disposition: 'existing' })
        expect((await scheduler.counts()).queued).toBe(2_001)
      })

      test('comes in one piece, whatever was added meanwhile', async () => {
        const scheduler = startMeanwhile(() => scheduler.add.noop(undefined, { id: 'meanwhile' }))
        const added = await scheduler.addMany(many({ id: 'last' }))
        const order = ['meanwhile', ...added.map(({ id }) => id)]
        const all = await scheduler.find({ limit: Number.POSITIVE_INFINITY })
        expect(all.map(({ id }) => id)).toEqual(order)
        expect(await scheduler.find({ after: order.at(-2) as string })).toMatchObject([{ id: 'last' }])
        const started: string[] = []
        scheduler.on('started', ({ jobId }) => started.push(jobId))
        scheduler.resume()
        await scheduler.onIdle()
        expect(started).toEqual(order)
      })

      test.each(['before', 'meanwhile'])('gives none an id that was taken %s', async (when) => {
        let taken = ''
        const take = () => scheduler.add.noop(undefined, { id: taken })
        const scheduler = startMeanwhile(() => when === 'meanwhile' && void take())
        // The ids that we make up end with a number; this is the first.
        const { id } = await scheduler.add.noop()
        expect(id).toMatch(/1$/)
        taken = id.slice(0, -1) + (1_500).toString(36)
        if (when === 'before') await take()
        const added = await scheduler.addMany(many({}))
        const ids = [id, taken, ...added.map((job) => job.id)]
        expect(new Set(ids).size).toBe(2_003)
        for (const each of ids) expect((await scheduler.get(each))?.id).toBe(each)
      })

      test('adds none when the scheduler is closed meanwhile', async () => {
        const scheduler = startMeanwhile(() => scheduler.close())
        await expect(scheduler.addMany(many({}))).rejects.toMatchObject({ code: 'SCHEDULER_CLOSED' })
      })
    })

    test('QUEUE_FULL: no more than `maxQueued` jobs wait; addMany adds all or none', async () => {
      const scheduler = start(place, 'jobs', { maxQueued: 2 })
      scheduler.pause()
      await scheduler.add.double(1)
      const two = [{ name: 'double', input: 2 } as const, { name: 'double', input: 3 } as const]
      await expect(scheduler.addMany(two)).rejects.toMatchObject({ code: 'QUEUE_FULL' })
      expect(await scheduler.counts()).toMatchObject({ queued: 1 })
      await scheduler.add.double(4, { delayMs: 60_000 })
      const refused = scheduler.run.double(5)
      await expect(refused).rejects.toMatchObject({
        code: 'QUEUE_FULL',
        message: expect.stringMatching(/maxQueued.*2/),
      })
      scheduler.resume()
      await scheduler.onIdle()
      expect(await scheduler.run.double(6)).toBe(12)
    })

    test('UNKNOWN_JOB: the worker module decides, once, and says what it has', async () => {
      const scheduler = start(place, 'jobs')
      const add = scheduler.add as unknown as Record<string, typeof scheduler.add.noop>
      const job = await add.countPrimes!(undefined, { attempts: 5 })
      await expect(job.result()).rejects.toMatchObject({
        code: 'UNKNOWN_JOB',
        jobId: job.id,
        attempt: 1,
        message: expect.stringMatching(/'countPrimes'.*double/),
      })
    })

    test('what offstage rejects with is an OffstageError', async () => {
      const scheduler = start(place, 'jobs')
      const error = await scheduler.run.double(1, { attempts: 0 }).catch((thrown: unknown) => thrown)
      expect(error).toBeInstanceOf(OffstageError)
      expect(error).toMatchObject({ name: 'OffstageError', code: 'INVALID_OPTION' })
    })
  })
})

describe('when a thread dies', () => {
  test('cancelling a busy loop ends its thread after `graceMs`; the next job has a new one', async () => {
    const scheduler = start('threads', 'unruly', { graceMs: 20 })
    const begun = heard(scheduler, 'progress')
    const job = await scheduler.add.deafLoop()
    await begun
    const exit = heard(scheduler, 'worker:exit')
    await job.cancel()
    await expect(job.result()).rejects.toMatchObject({ code: 'JOB_CANCELLED' })
    expect((await exit).error).toMatchObject({ code: 'WORKER_CRASHED' })
    expect(await scheduler.run.double(1)).toBe(2)
  })

  test('a busy loop runs into its time limit like everything else', async () => {
    const scheduler = start('threads', 'unruly', { graceMs: 20 })
    const timedOut = scheduler.run.deafLoop(undefined, { timeoutMs: 30, attempts: 2 })
    await expect(timedOut).rejects.toMatchObject({ code: 'JOB_TIMEOUT', attempt: 2 })
    expect(await scheduler.run.double(1)).toBe(2)
  })

  test('jobs that only waited on it are not harmed', async () => {
    const scheduler = start('threads', 'unruly', { graceMs: 20 })
    const interrupted: unknown[] = []
    scheduler.on('interrupted', (event) => interrupted.push(event))
    const overtake = async () => {
      await untilSentAhead(scheduler)
      const begun = heard(scheduler, 'progress')
      const jobs = await scheduler.addMany(
        Array.from({ length: 50 }, (_, index) => ({ name: 'tinyUnless', input: index === 0 }) as const),
      )
      await begun
      return jobs
    }
    let [endless, ...others] = await overtake()
    // A thread that was slow a moment ago is sent nothing ahead.
    while (!others.some((job) => job.snapshot().state === 'running')) {
      await endless?.cancel()
      ;[endless, ...others] = await overtake()
    }
    await endless?.cancel()
    expect(await Promise.all(others.map((job) => job.result()))).toEqual(others.map(() => 'tiny'))
    expect(interrupted).toEqual([])
    expect(new Set(others.map((job) => job.snapshot().attempt))).toEqual(new Set([1]))
  })

  test('no job waits behind a long one while another worker is idle', async ({ skip }) => {
    if (typeof SharedArrayBuffer !== 'function')
      skip('this page shares no memory: what was sent to a thread stays there')
    const scheduler = start('threads', 'unruly', { graceMs: 20, workers: 2 })
    const started = new Map<string, number>()
    scheduler.on('started', ({ jobId }) => started.set(jobId, (started.get(jobId) ?? 0) + 1))
    let wasSentTwice = false
    while (!wasSentTwice) {
      await untilSentAhead(scheduler)
      const begun = heard(scheduler, 'progress')
      const [endless, ...others] = await scheduler.addMany(
        Array.from({ length: 50 }, (_, index) => ({ name: 'tinyUnless', input: index === 0 }) as const),
      )
      await begun
      expect(await Promise.all(others.map((job) => job.result()))).toEqual(others.map(() => 'tiny'))
      expect(endless?.snapshot()).toMatchObject({ state: 'running', attempt: 1 })
      expect(new Set(others.map((job) => job.snapshot().attempt))).toEqual(new Set([1]))
      // A thread that was slow a moment ago is sent nothing ahead.
      wasSentTwice = others.some((job) => started.get(job.id) === 2)
      await endless?.cancel()
    }
  })

  test('jobs that ran beside the culprit start again without using up an attempt', async () => {
    const scheduler = start('threads', 'unruly', { graceMs: 20, concurrency: 2 })
    const beside = await scheduler.add.polite()
    const culprit = await scheduler.add.deafLoop()
    await new Promise((resolve) => culprit.once('progress', resolve))
    const interrupted = heard(scheduler, 'interrupted')
    await culprit.cancel()
    expect(await interrupted).toMatchObject({ jobId: beside.id, attempt: 1 })
    await new Promise((resolve) => beside.once('progress', resolve))
    expect(beside.snapshot()).toMatchObject({ state: 'running', attempt: 2 })
    await beside.cancel()
  })

  test('a job that ended its thread runs again without using up an attempt; while it rests, others may go first', async () => {
    const scheduler = start('threads', 'unruly')
    const started: string[] = []
    scheduler.on('started', ({ jobId, attempt }) => started.push(`${jobId} ${attempt}`))
    scheduler.pause()
    const first = await scheduler.add.crashUntil(2, { id: 'first' })
    const second = await scheduler.add.double(1, { id: 'second' })
    scheduler.resume()
    expect(await first.result()).toBe(2)
    await second.result()
    expect(started.filter((each) => each.startsWith('first'))).toEqual(['first 1', 'first 2'])
  })

  test('a checkpoint outlives the thread', async () => {
    const scheduler = start('threads', 'unruly')
    expect(await scheduler.run.checkpointThenCrash()).toBe('kept')
  })

  test('three deaths of its own making, and a job is poisoned', async () => {
    const scheduler = start('threads', 'unruly')
    let interrupted = 0
    scheduler.on('interrupted', () => interrupted++)
    const job = await scheduler.add.crashUntil(99, { attempts: 10 })
    await expect(job.result()).rejects.toMatchObject({
      code: 'JOB_POISONED',
      jobId: job.id,
      cause: { code: 'WORKER_CRASHED' },
    })
    expect(interrupted).toBe(2)
    expect(job.snapshot()).toMatchObject({ state: 'failed', attempt: 3 })
    expect(await scheduler.run.double(1)).toBe(2)
  })

  test('a poisoned job can be retried', async () => {
    const scheduler = start('threads', 'unruly')
    const job = await scheduler.add.crashUntil(4)
    await expect(job.result()).rejects.toMatchObject({ code: 'JOB_POISONED' })
    await job.retry()
    expect(await job.result()).toBe(4)
  })

  test('what was moved there is gone with it', async () => {
    const scheduler = start('threads', 'unruly')
    const bytes = new Uint8Array(8)
    const job = await scheduler.add.crashWith(bytes, { transfer: [bytes.buffer] })
    await expect(job.result()).rejects.toMatchObject({ code: 'WORKER_CRASHED', jobId: job.id })
    expect(await scheduler.run.double(1)).toBe(2)
  })
})

/** Runs tiny jobs until they are known to be tiny, so that many are sent ahead of time; a loaded machine takes longer. */
async function untilSentAhead(scheduler: ReturnType<typeof start<'unruly'>>): Promise<void> {
  let isAhead = false
  const stop = scheduler.on('started', () => {
    isAhead ||= scheduler.snapshot().counts.running > 1
  })
  while (!isAhead) await Promise.all(Array.from({ length: 50 }, () => scheduler.run.tinyUnless(false)))
  stop()
}
