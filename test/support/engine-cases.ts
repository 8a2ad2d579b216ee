// What a scheduler does, whatever engine is behind it: one of its own, that of a tab that leads or follows, or a client of one that
// is elsewhere. Runs over things made up in one process, and over the real ones in browsers.
import type { AnyEvent, Scheduler, SchedulerOptions } from 'offstage'
import { NonRetryableError } from 'offstage/worker'
import { describe, expect, test, vi } from 'vitest'
import type { jobs } from '../fixtures/jobs.ts'
import { heard, turn } from './testing.ts'

export type Jobs = typeof jobs

export async function read<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const values: T[] = []
  for await (const value of stream) values.push(value)
  return values
}

const typesOf = (events: readonly AnyEvent[]) => events.map(({ type }) => type)

export function engineCases(
  name: string,
  start: (options?: SchedulerOptions<never>) => Promise<Scheduler<Jobs>>,
): void {
  describe(name, () => {
    test('run, add and addMany', async () => {
      const scheduler = await start()
      expect(await scheduler.run.double(21)).toBe(42)
      const job = await scheduler.add.double(1)
      expect(job).toMatchObject({ name: 'double', input: 1, disposition: 'created' })
      expect(await job.result()).toBe(2)
      const many = await scheduler.addMany([1, 2, 3].map((input) => ({ name: 'double', input }) as const))
      expect(await Promise.all(many.map((each) => each.result()))).toEqual([2, 4, 6])
    })

    test('a thousand jobs at once', async () => {
      const scheduler = await start()
      const results = await Promise.all(Array.from({ length: 1_000 }, (_, n) => scheduler.run.double(n)))
      expect(results).toEqual(Array.from({ length: 1_000 }, (_, n) => n * 2))
    })

    test('the same id twice is one job; `reject` and `replace` do as they say', async () => {
      const scheduler = await start()
      scheduler.pause()
      const first = await scheduler.add.double(1, { id: 'a' })
      const second = await scheduler.add.double(2, { id: 'a' })
      expect([first.disposition, second.disposition, second.input]).toEqual(['created', 'existing', 1])
      await expect(scheduler.add.double(3, { id: 'a', ifExists: 'reject' })).rejects.toMatchObject({
        code: 'DUPLICATE_ID',
        jobId: 'a',
      })
      const settled = first.result().catch((error: unknown) => error)
      const third = await scheduler.add.double(4, { id: 'a', ifExists: 'replace' })
      expect(third).toMatchObject({ disposition: 'replaced', input: 4 })
      expect(await settled).toMatchObject({ code: 'JOB_CANCELLED' })
      scheduler.resume()
      expect(await third.result()).toBe(8)
      await expect(scheduler.add.echo(1, { id: 'a' })).rejects.toMatchObject({ code: 'DUPLICATE_ID' })
    })

    test('errors keep their class, message and own fields', async () => {
      class PaymentError extends Error {}
      const scheduler = await start({ errors: [PaymentError] })
      await expect(scheduler.run.fail('no')).rejects.toThrow(new TypeError('no'))
      const error = await scheduler.run.failCustom().catch((thrown: unknown) => thrown)
      expect(error).toBeInstanceOf(PaymentError)
      expect(error).toMatchObject({ message: 'no money', code: 'E_PAY' })
    })

    test('callbacks hear everything, in order, from the first moment', async () => {
      const scheduler = await start()
      const heardOf: unknown[] = []
      const hear = (type: string) => (value: unknown) => void heardOf.push([type, value])
      await scheduler.run.report([1, 2], {
        onStarted: hear('started'),
        onProgress: hear('progress'),
        onCompleted: hear('completed'),
        onSettled: hear('settled'),
      })
      expect(heardOf).toEqual([
        ['started', 1],
        ['progress', 1],
        ['progress', 2],
        ['completed', undefined],
        ['settled', undefined],
      ])
    })

    test('logs and values reach callbacks', async () => {
      const scheduler = await start()
      const onLog = vi.fn()
      await scheduler.run.log(undefined, { onLog })
      expect(onLog).toHaveBeenCalledWith('hello', { from: 'thread' }, expect.anything())
      const values: number[] = []
      expect(await scheduler.run.send(5, { onValue: (value) => values.push(value as number) })).toBe(5)
      expect(values).toEqual([1, 2, 3, 4, 5])
    })

    test('values() reads every value, even those of a job that has ended', async () => {
      const scheduler = await start()
      scheduler.pause()
      const job = await scheduler.add.send(100)
      const values = job.values()
      scheduler.resume()
      expect(await read(values)).toEqual(Array.from({ length: 100 }, (_, n) => n + 1))
      const second = await scheduler.add.send(3)
      await second.result()
      expect(await read(second.values())).toEqual([1, 2, 3])
    })

    test('values() makes the handler wait for its reader', async () => {
      const scheduler = await start()
      scheduler.pause()
      const job = await scheduler.add.send(100)
      const values = job.values()
      scheduler.resume()
      await values.next()
      for (let n = 0; n < 20; n++) await turn()
      expect(job.snapshot().state).toBe('running')
      await values.return()
      expect(await job.result()).toBe(100)
    })

    test('a value has one reader at a time', async () => {
      const scheduler = await start()
      scheduler.pause()
      const job = await scheduler.add.send(1)
      job.values()
      expect(() => job.values()).toThrow('one reader')
    })

    test('whoever leaves values() unread lets the handler go on, and another reads on to the end', async () => {
      const scheduler = await start()
      scheduler.pause()
      const job = await scheduler.add.send(200)
      const values = job.values()
      const hasSent = new Promise<void>((resolve) => job.on('value', ({ value }) => value === 16 && resolve()))
      scheduler.resume()
      await hasSent
      for await (const value of values) if (value === 3) break
      const second = job.values()
      // The end of the first is not that of the second.
      const rest = await read(second)
      expect(rest.at(-1)).toBe(200)
      expect(rest).toEqual(rest.map((_, index) => (rest[0] as number) + index))
      expect(await job.result()).toBe(200)
    })

    test('whoever leaves values() without having read any lets the handler go on', async () => {
      const scheduler = await start()
      scheduler.pause()
      const job = await scheduler.add.send(200)
      const values = job.values()
      const hasSent = new Promise<void>((resolve) => job.on('value', ({ value }) => value === 16 && resolve()))
      scheduler.resume()
      await hasSent
      await values.toReadableStream().cancel()
      expect(await job.result()).toBe(200)
    })

    test('values() ends with a job that is removed at once', async () => {
      const scheduler = await start()
      scheduler.pause()
      const brief = await scheduler.add.send(100, { keepMs: 0 })
      const removed = await scheduler.add.hang(undefined)
      const [all, none] = [brief.values(), removed.values()]
      const isRunning = new Promise((resolve) => removed.once('started', resolve))
      scheduler.resume()
      expect(await read(all)).toHaveLength(100)
      await isRunning
      await scheduler.remove(removed.id)
      expect(await read(none)).toEqual([])
    })

    test('whoever leaves events() unread leaves at once', async () => {
      const scheduler = await start()
      const [all, own] = [scheduler.events(), (await scheduler.add.double(1)).events()]
      await scheduler.onIdle()
      for await (const _ of all) break
      await own.toReadableStream().cancel()
      expect(await scheduler.run.double(21)).toBe(42)
    })

    test('events of a job, and its snapshot', async () => {
      const scheduler = await start()
      scheduler.pause()
      const job = await scheduler.add.count({ upTo: 3 })
      const events = job.events()
      const observer = vi.fn()
      job.subscribe(observer)
      expect(job.snapshot()).toMatchObject({ state: 'queued', attempt: 0 })
      expect(job.snapshot()).toBe(job.snapshot())
      scheduler.resume()
      expect([...new Set(typesOf(await read(events)))]).toEqual(['started', 'progress', 'completed'])
      expect(job.snapshot()).toMatchObject({ state: 'completed', attempt: 1, progress: 3 })
      expect(observer).toHaveBeenCalled()
      expect(typesOf(await read(job.events()))).toEqual(['completed'])
    })

    test('events of the scheduler, each once, with numbers of its own', async () => {
      const scheduler = await start()
      const events = scheduler.events({ name: 'double' })
      const completed: unknown[] = []
      scheduler.on('completed', ({ result }) => completed.push(result))
      for (let n = 0; n < 3; n++) await scheduler.run.double(n)
      expect(completed).toEqual([0, 2, 4])
      await scheduler.close()
      const all = await read(events)
      expect(typesOf(all)).toEqual(Array.from({ length: 3 }, () => ['added', 'started', 'completed']).flat())
      const numbers = all.map(({ seq }) => seq)
      expect([...numbers].sort((a, b) => a - b)).toEqual(numbers)
    })

    test('get, find and counts', async () => {
      const scheduler = await start()
      scheduler.pause()
      await scheduler.add.double(1, { id: 'a', tags: ['x'] })
      await scheduler.add.echo({ deep: [1] }, { id: 'b' })
      expect((await scheduler.get('b'))?.input).toEqual({ deep: [1] })
      expect(await scheduler.get('c')).toBeUndefined()
      expect((await scheduler.find({ tag: 'x' })).map(({ id }) => id)).toEqual(['a'])
      expect(await scheduler.counts()).toMatchObject({ queued: 2, completed: 0 })
    })

    test('cancel: by id, by filter and by handle, with the reason as cause', async () => {
      const scheduler = await start()
      scheduler.pause()
      const [a, b, c] = await scheduler.addMany([1, 2, 3].map((input) => ({ name: 'double', input }) as const))
      const settled = [a, b, c].map((job) => job?.result().catch((error: unknown) => error))
      expect(await scheduler.cancel(a?.id as string, { why: 'because' })).toBe(1)
      expect(await b?.cancel()).toBe(true)
      expect(await b?.cancel()).toBe(false)
      expect(await scheduler.cancel({ name: 'double' })).toBe(1)
      expect(await settled[0]).toMatchObject({ code: 'JOB_CANCELLED', cause: { why: 'because' } })
      expect(await settled[1]).toMatchObject({ code: 'JOB_CANCELLED' })
      expect(await settled[2]).toMatchObject({ code: 'JOB_CANCELLED' })
    })

    test('an aborted signal rejects with the very reason', async () => {
      const scheduler = await start()
      const controller = new AbortController()
      const reason = new Error('enough')
      const started = heard(scheduler, 'started')
      const settled = scheduler.run
        .untilAborted(undefined, { signal: controller.signal })
        .catch((error: unknown) => error)
      await started
      controller.abort(reason)
      expect(await settled).toBe(reason)
    })

    test('a handle of a job that was replaced never acts on the one that took its place', async () => {
      const scheduler = await start()
      scheduler.pause()
      const old = await scheduler.add.send(3, { id: 'a' })
      const settled = old.result().catch((error: unknown) => error)
      const now = await scheduler.add.send(3, { id: 'a', ifExists: 'replace' })
      expect(await settled).toMatchObject({ code: 'JOB_CANCELLED' })
      expect(await old.cancel()).toBe(false)
      expect(await old.setPriority(3)).toBe(false)
      const none = read(old.values())
      scheduler.resume()
      expect(await read(now.values())).toEqual([1, 2, 3])
      expect(await now.result()).toBe(3)
      expect(await none).toEqual([])
      expect(old.snapshot()).toMatchObject({ state: 'cancelled', priority: 0 })
      expect(now.snapshot()).toMatchObject({ state: 'completed', priority: 0 })
    })

    test('a call that is refused leaves no callbacks on the job that has its id', async () => {
      const scheduler = await start()
      scheduler.pause()
      const job = await scheduler.add.double(21, { id: 'a' })
      const onCompleted = vi.fn()
      const refused = [
        scheduler.add.double(1, { id: 'a', ifExists: 'reject', onCompleted }),
        scheduler.add.echo(1, { id: 'a', onCompleted }),
        scheduler.addMany([{ name: 'double', input: 1, options: { id: 'a', ifExists: 'reject', onCompleted } }]),
      ]
      for (const call of refused) await expect(call).rejects.toMatchObject({ code: 'DUPLICATE_ID' })
      scheduler.resume()
      expect(await job.result()).toBe(42)
      await scheduler.counts()
      expect(onCompleted).not.toHaveBeenCalled()
    })

    test('progress is that of the newest attempt', async () => {
      const scheduler = await start()
      const onProgress = vi.fn()
      const job = await scheduler.add.reportThenFail(undefined, { attempts: 2, onProgress })
      await job.result()
      expect(onProgress).toHaveBeenCalledWith(1)
      expect(job.snapshot()).toMatchObject({ attempt: 2, progress: undefined })
    })

    test('retry, remove, setPriority and promote', async () => {
      const scheduler = await start()
      const failing = await scheduler.add.failUntil(2, { id: 'f' })
      await failing.result().catch(() => {})
      expect(await failing.retry()).toBe(true)
      expect(await failing.result()).toBe(2)
      expect(await scheduler.remove('f')).toBe(1)
      expect(await scheduler.get('f')).toBeUndefined()
      const later = await scheduler.add.double(4, { delayMs: 3_600_000 })
      expect(later.snapshot().state).toBe('scheduled')
      expect(await later.setPriority(7)).toBe(true)
      expect(later.snapshot().priority).toBe(7)
      expect(await scheduler.promote(later.id)).toBe(true)
      expect(await later.result()).toBe(8)
      expect(await scheduler.setPriority('no such job', 1)).toBe(false)
    })

    test('what a handler says about another attempt: none, later, or that it is put off', async () => {
      const scheduler = await start()
      const events = scheduler.events({ type: ['snoozed', 'retrying'] })
      const error = await scheduler.run.failForGood('plain', { attempts: 3 }).catch((thrown: unknown) => thrown)
      expect(error).toBeInstanceOf(NonRetryableError)
      expect(error).toMatchObject({ name: 'NonRetryableError', message: 'for good', cause: new RangeError('inner') })
      expect(await scheduler.run.askAgain({ until: 2, ms: 1 }, { attempts: 2, backoff: [3_600_000] })).toBe(2)
      expect(await scheduler.run.snoozeLater(1)).toEqual({ from: 2, isSame: true, attempt: 3 })
      const options = { attempts: 9, backoff: { type: 'sidekiq' }, retryForMs: 14_000 } as const
      await expect(scheduler.run.fail('no', options)).rejects.toThrow(new TypeError('no'))
      await scheduler.close()
      expect(typesOf(await read(events))).toEqual(['retrying', 'snoozed', 'snoozed'])
    })

    test('`clean` removes what has ended', async () => {
      const scheduler = await start()
      await scheduler.run.double(1, { id: 'done' })
      await scheduler.run.fail('no', { id: 'failed' }).catch(() => {})
      await scheduler.add.double(1, { id: 'later', delayMs: 3_600_000 })
      expect(await scheduler.clean({ olderThanMs: 60_000 })).toBe(0)
      expect(await scheduler.clean({ state: 'failed', olderThanMs: 0 })).toBe(1)
      expect((await scheduler.find()).map(({ id }) => id)).toEqual(['done', 'later'])
      expect(await scheduler.clean({ olderThanMs: 0, name: 'double' })).toBe(1)
      expect((await scheduler.find()).map(({ id }) => id)).toEqual(['later'])
    })

    test('pause, resume and queues', async () => {
      const scheduler = await start()
      scheduler.pause()
      scheduler.queue('mails').pause()
      expect([scheduler.isPaused, scheduler.queue('mails').isPaused]).toEqual([true, true])
      expect(scheduler.snapshot().isPaused).toBe(true)
      const job = await scheduler.add.double(1)
      await scheduler.add.double(2, { queue: 'mails' })
      const mails = scheduler.queue('mails')
      await vi.waitFor(() => expect(mails.size).toBe(1))
      scheduler.resume()
      expect(await job.result()).toBe(2)
      mails.setConcurrency(3)
      mails.setRateLimit(null)
      mails.resume()
      await scheduler.onIdle()
      await vi.waitFor(() => expect(mails.size).toBe(0))
      expect([scheduler.isPaused, mails.isPaused]).toEqual([false, false])
    })

    test('a rate limit can be seen: when the next job may start, and an event when it begins to hold jobs back', async () => {
      const scheduler = await start()
      const limited = heard(scheduler, 'rate-limited')
      const mails = scheduler.queue('mails')
      await vi.waitFor(() => expect([mails.isRateLimited, mails.nextStartAt]).toEqual([false, undefined]))
      mails.setRateLimit({ type: 'token-bucket', limit: 1, intervalMs: 3_600_000, burst: 2 })
      await Promise.all([1, 2].map((n) => scheduler.run.double(n, { queue: 'mails' })))
      const job = await scheduler.add.double(3, { queue: 'mails' })
      const { queue, nextStartAt } = await limited
      expect(queue).toBe('mails')
      expect((await scheduler.whyWaiting(job.id)).map(({ reason }) => reason)).toContain('rate-limit')
      await vi.waitFor(() => expect(mails.isRateLimited).toBe(true))
      // Both moments are made of two clocks, each with a resolution of its own.
      expect(Math.abs((mails.nextStartAt as number) - nextStartAt)).toBeLessThan(1_000)
      mails.setRateLimit(undefined)
      expect(await job.result()).toBe(6)
      await vi.waitFor(() => expect(mails.isRateLimited).toBe(false))
    })

    test('a queue can be cleared, and says when it is empty or short', async () => {
      const scheduler = await start()
      const mails = scheduler.queue('mails')
      mails.pause()
      const codes = [1, 2, 3].map((n) =>
        scheduler.run.double(n, { queue: 'mails', id: `${n}` }).catch((error) => error.code),
      )
      void scheduler.run.double(4, { queue: 'mails', delayMs: 3_600_000 }).catch(() => {})
      const settled: string[] = []
      const note = (what: string) => () => void settled.push(what)
      const short = mails.onSizeLessThan(3).then(note('short'))
      const empty = mails.onEmpty().then(note('empty'))
      await mails.onSizeLessThan(4)
      await scheduler.cancel('2')
      await short
      expect(settled).toEqual(['short'])
      expect(await mails.clear()).toBe(3)
      await empty
      expect(await Promise.all(codes)).toEqual(Array(3).fill('JOB_CANCELLED'))
      expect(await scheduler.find({ queue: 'mails', state: ['queued', 'scheduled'] })).toEqual([])
      await scheduler.queue('nobody has used this one').onEmpty()
    })

    test('calls take effect in the order in which they are made', async () => {
      const scheduler = await start()
      const started: string[] = []
      scheduler.on('started', ({ jobId }) => started.push(jobId))
      await scheduler.run.noop(undefined, { id: 'warm' })
      scheduler.pause()
      const ran = ['a', 'b', 'c'].map((id) => scheduler.run.noop(undefined, { id }).catch((error) => error.code))
      void scheduler.setPriority('c', 9)
      const cancelled = scheduler.cancel({ state: 'queued', name: 'noop' })
      const retried = scheduler.retry('b')
      const found = scheduler.find({ state: 'queued' })
      ran.push(scheduler.run.noop(undefined, { id: 'd' }))
      const again = scheduler.retry('c')
      scheduler.resume()
      expect([await cancelled, await retried, await again]).toEqual([3, 1, 1])
      expect((await found).map(({ id }) => id)).toEqual(['b'])
      await scheduler.onIdle()
      await vi.waitFor(() => expect(started.join(' ')).toBe('warm c b d'))
      expect(scheduler.isPaused).toBe(false)
    })

    test('pauses and limits of a queue, too', async () => {
      const scheduler = await start()
      const started: string[] = []
      scheduler.on('started', ({ jobId }) => started.push(jobId))
      await scheduler.run.noop(undefined, { id: 'warm' })
      const mails = scheduler.queue('mails')
      mails.pause()
      const ran = ['a', 'b'].map((id) => scheduler.run.noop(undefined, { id, queue: 'mails' }))
      void scheduler.setPriority('b', 9)
      mails.resume()
      await Promise.all(ran)
      scheduler.pause()
      const last = [scheduler.run.noop(undefined, { id: 'c' }), scheduler.run.noop(undefined, { id: 'd' })]
      void scheduler.setPriority('d', 9)
      scheduler.resume()
      scheduler.pause()
      scheduler.resume()
      await Promise.all(last)
      await vi.waitFor(() => expect(started.join(' ')).toBe('warm b a d c'))
      expect([mails.isPaused, scheduler.isPaused]).toEqual([false, false])
    })

    test('`cancel` and an abort: the first one counts, with its own reason', async () => {
      const scheduler = await start()
      scheduler.pause()
      const [one, two] = [new AbortController(), new AbortController()]
      const first = await scheduler.add.noop(undefined, { signal: one.signal })
      const second = await scheduler.add.noop(undefined, { signal: two.signal })
      const errors = [first, second].map((job) => job.result().catch((error: unknown) => error))
      const reason = new RangeError('first')
      const cancelled = first.cancel('mine')
      one.abort('late')
      two.abort(reason)
      const tooLate = second.cancel('late')
      expect([await cancelled, await tooLate]).toEqual([true, false])
      expect(await errors[0]).toMatchObject({ code: 'JOB_CANCELLED', cause: 'mine' })
      expect(await errors[1]).toBe(reason)
    })

    test('`find` goes on behind the place of a job that is gone, and says so when it does not know it', async () => {
      const scheduler = await start()
      scheduler.pause()
      const jobs = [await scheduler.add.noop(), await scheduler.add.noop(undefined, { id: 'own' })]
      const last = await scheduler.add.noop()
      for (const { id } of jobs) await scheduler.remove(id)
      for (const { id } of jobs) expect(await scheduler.find({ after: id })).toMatchObject([{ id: last.id }])
      await expect(scheduler.find({ after: 'nobody' })).rejects.toMatchObject({
        code: 'INVALID_OPTION',
        jobId: 'nobody',
      })
    })

    test('`stats().totals` are those of the tab that leads', async () => {
      const scheduler = await start({ keep: { completed: { count: 0 } } })
      await scheduler.run.double(1)
      await scheduler.run.double(2)
      await scheduler.run.fail('no').catch(() => {})
      const totals = { added: 3, completed: 2, failed: 1, cancelled: 0 }
      await vi.waitFor(() => expect(scheduler.stats().totals).toEqual(totals))
    })

    test('snapshot, subscribe and stats', async () => {
      const scheduler = await start()
      const observer = vi.fn()
      const stop = scheduler.subscribe(observer)
      expect(scheduler.snapshot()).toBe(scheduler.snapshot())
      await scheduler.run.double(1)
      await vi.waitFor(() => expect(scheduler.snapshot().counts.completed).toBe(1))
      expect(observer).toHaveBeenCalled()
      stop()
      await vi.waitFor(() => expect(scheduler.stats().workers.online).toBe(1))
    })

    test('headers reach the handler, the handle and the snapshot', async () => {
      const scheduler = await start()
      const headers = { trace: '7', tenant: 'a' }
      const job = await scheduler.add.headersOf(1, { headers, id: 'h', attempts: 2 })
      expect([await job.result(), job.headers, job.snapshot().headers]).toEqual([headers, headers, headers])
      expect((await scheduler.get('h'))?.headers).toEqual(headers)
    })

    test('`update` changes the input, the tags and the priority of a job that waits', async () => {
      const scheduler = await start()
      scheduler.pause()
      const job = await scheduler.add.echo(1, { id: 'u', tags: ['old'] })
      expect(await scheduler.update('u', { input: { n: 2 }, tags: ['new'], priority: 3 })).toBe(true)
      await vi.waitFor(() => expect(job.snapshot()).toMatchObject({ tags: ['new'], priority: 3 }))
      expect(job.input).toEqual({ n: 2 })
      expect(await scheduler.update('nobody', { priority: 1 })).toBe(false)
      await expect(scheduler.update('u', { input: () => {} })).rejects.toMatchObject({ code: 'DATA_CLONE' })
      scheduler.resume()
      expect(await job.result()).toEqual({ n: 2 })
      expect(await scheduler.update('u', { priority: 1 })).toBe(false)
    })

    test('`queues` and `whyWaiting` are of the engine that runs the jobs', async () => {
      const scheduler = await start({ queues: { mail: { concurrency: 2 } } })
      scheduler.queue('mail').pause()
      const job = await scheduler.add.noop(undefined, { queue: 'mail' })
      const [mail] = (await scheduler.queues()).filter(({ name }) => name === 'mail')
      expect(mail).toEqual({ name: 'mail', isPaused: true, size: 1, running: 0, concurrency: 2, rateLimit: undefined })
      expect(await scheduler.whyWaiting(job.id)).toContainEqual({
        reason: 'queue-paused',
        detail: "The queue 'mail' is paused.",
      })
      await expect(scheduler.whyWaiting('nobody')).rejects.toMatchObject({ code: 'INVALID_OPTION', jobId: 'nobody' })
    })

    test('`watch` says what `find` says, with the same objects for what did not change', async () => {
      const scheduler = await start()
      scheduler.pause()
      const list = scheduler.watch({ state: ['queued', 'cancelled'], limit: 3 })
      const observer = vi.fn()
      list.subscribe(observer)
      const show = (expected: string) =>
        vi.waitFor(() =>
          expect(
            list
              .snapshot()
              .map(({ id, state }) => `${id} ${state}`)
              .join(),
          ).toBe(expected),
        )
      for (const id of ['a', 'b', 'c', 'd']) await scheduler.add.noop(undefined, { id })
      await show('a queued,b queued,c queued')
      expect(observer).toHaveBeenCalled()
      expect(Object.isFrozen(list.snapshot())).toBe(true)
      const before = list.snapshot()
      await scheduler.cancel('b')
      await show('a queued,b cancelled,c queued')
      const after = list.snapshot()
      expect([after[0] === before[0], after[1] === before[1], after[2] === before[2]]).toEqual([true, false, true])
      expect(after[1]?.error).toMatchObject({ code: 'JOB_CANCELLED' })
      await scheduler.remove('a')
      await show('b cancelled,c queued,d queued')
      expect(list.snapshot()[1]).toBe(before[2])
      list.close()
      await scheduler.remove('c')
      await scheduler.counts()
      expect(list.snapshot().map(({ id }) => id)).toEqual(['b', 'c', 'd'])
    })

    test('bad inputs are refused here, and harm nobody', async () => {
      const scheduler = await start()
      const good = scheduler.run.double(1)
      await expect(scheduler.run.echo(() => {})).rejects.toMatchObject({ code: 'DATA_CLONE' })
      await expect(scheduler.find({ state: 'no' as never })).rejects.toMatchObject({ code: 'INVALID_OPTION' })
      expect(await good).toBe(2)
    })

    test('an input that no message can carry fails its own job alone', async () => {
      const scheduler = await start()
      const { port1, port2 } = new MessageChannel()
      const bad = scheduler.run.echo({ port1 }, { transfer: [port1] })
      const good = scheduler.run.double(1)
      await expect(bad).rejects.toMatchObject({ code: 'DATA_CLONE' })
      expect(await good).toBe(2)
      port2.close()
    })
  })
}
