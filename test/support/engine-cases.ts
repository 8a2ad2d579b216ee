// What a scheduler does, whatever engine is behind it: one of its own, that of a tab that leads or follows, or a client of one that
// is elsewhere. Runs over things made up in one process, and over the real ones in browsers.
import type { AnyEvent, Scheduler, SchedulerOptions } from 'offstage'
import { grouped } from 'offstage/groups'
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

    test('with `keepValues` a reader that comes late, or again, goes on behind the value that it read last', async () => {
      const scheduler = await start()
      const job = await scheduler.add.send(30, { keepValues: 20 })
      await job.result()
      const early = job.values()
      expect(await read(early)).toEqual(Array.from({ length: 20 }, (_, n) => n + 11))
      expect(early.after).toBe(30)
      const again = job.values({ after: 27 })
      expect(again.after).toBe(27)
      for await (const value of again) {
        expect(again.after).toBe(value)
        if (value === 28) break
      }
      expect(again.after).toBe(28)
      expect(await read(job.values({ after: again.after }))).toEqual([29, 30])
      expect(await read(job.values({ after: 30 }))).toEqual([])
      expect(await read(job.values({ after: 10 }))).toHaveLength(20)
    })

    test('a reader is told that what it missed is not kept any more, or that its number is of no value yet', async () => {
      const scheduler = await start()
      const job = await scheduler.add.send(30, { keepValues: 20, id: 'thirty' })
      await job.result()
      for (const [after, text] of [
        [9, /'thirty' cannot be read from behind number 9: of those that follow, only numbers 11 to 30 are kept/],
        [31, /from behind number 31: the newest is number 30/],
      ] as const) {
        const values = job.values({ after })
        const error = await values.next().catch((thrown: unknown) => thrown)
        expect(error).toMatchObject({ code: 'VALUES_GONE', jobId: 'thirty', message: expect.stringMatching(text) })
        expect(await values.next()).toEqual({ done: true, value: undefined })
      }
      const plain = await scheduler.add.send(1)
      expect(() => plain.values({ after: 0 })).toThrow('no `keepValues`')
    })

    test('with `keepValues` there are several readers, and each receives every value', async () => {
      const scheduler = await start()
      scheduler.pause()
      const job = await scheduler.add.send(100, { keepValues: 3 })
      const readers = [job.values(), job.values({ after: 0 }), job.values()]
      scheduler.resume()
      const all = Array.from({ length: 100 }, (_, n) => n + 1)
      expect(await Promise.all(readers.map(read))).toEqual([all, all, all])
      expect(await read(job.values())).toEqual([98, 99, 100])
    })

    test('with `keepValues` a slow reader makes the handler wait before it would miss a value', async () => {
      const scheduler = await start()
      scheduler.pause()
      const job = await scheduler.add.send(200, { keepValues: 50 })
      const [values, other] = [job.values(), job.values()]
      const rest = read(other)
      scheduler.resume()
      await values.next()
      for (let n = 0; n < 50; n++) await turn()
      expect(job.snapshot().state).toBe('running')
      await values.return()
      expect(await job.result()).toBe(200)
      expect(await rest).toHaveLength(200)
    })

    test('the values of the next attempt go on with the numbers', async () => {
      const scheduler = await start()
      const job = await scheduler.add.sendTwice(3, { keepValues: 10, attempts: 2 })
      expect(await read(job.values())).toEqual(['1: 1', '1: 2', '1: 3', '2: 1', '2: 2', '2: 3'])
      expect(await read(job.values({ after: 4 }))).toEqual(['2: 2', '2: 3'])
    })

    test('kept values go when their job does', async () => {
      const scheduler = await start()
      const job = await scheduler.add.send(3, { keepValues: 10, id: 'sender' })
      await job.result()
      const unread = job.values()
      await scheduler.remove('sender')
      expect(await read(unread)).toEqual([1, 2, 3])
      const next = await scheduler.add.send(1, { keepValues: 10, id: 'sender' })
      await next.result()
      expect(await read(next.values())).toEqual([1])
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

    test('a handler waits for a time and for signals, of which each is received once', async () => {
      const scheduler = await start()
      const events = scheduler.events({ type: ['waiting', 'signal'] })
      const waiting = new Promise<void>((resolve) => {
        scheduler.on('waiting', ({ signals }) => signals.includes('b') && resolve())
      })
      const job = await scheduler.add.waitForAll(1)
      expect(await scheduler.signal(job.id, 'a', { n: 1 })).toBe(true)
      await waiting
      expect(await scheduler.whyWaiting(job.id)).toEqual([
        { reason: 'blocked', detail: "It is waiting for the signal 'b'." },
      ])
      expect(job.snapshot()).toMatchObject({ state: 'blocked' })
      expect(await scheduler.signal(job.id, 'b', new Date(0))).toBe(true)
      expect(await job.result()).toEqual([{ n: 1 }, new Date(0)])
      expect(await scheduler.signal(job.id, 'a')).toBe(false)
      expect(await scheduler.signal('nobody', 'a')).toBe(false)
      await scheduler.close()
      const types = typesOf(await read(events))
      expect(types.filter((type) => type === 'signal')).toHaveLength(2)
    })

    test('a handler runs other jobs, which are cancelled with it', async () => {
      const scheduler = await start()
      expect(await scheduler.run.sumOfDoubles([1, 2, 3], { id: 'p' })).toBe(12)
      const child = await scheduler.get('p/double 2')
      expect(child?.snapshot()).toMatchObject({ state: 'completed', parentId: 'p' })
      const waiting = heard(scheduler, 'waiting')
      const job = await scheduler.add.runsHang(undefined, { id: 'q' })
      const error = job.result().catch((thrown: unknown) => thrown)
      await waiting
      await job.cancel()
      expect(await error).toMatchObject({ code: 'JOB_CANCELLED' })
      expect((await scheduler.get('q/untilAborted'))?.snapshot()).toMatchObject({ state: 'cancelled' })
    })

    test('signals reach a handler that runs', async () => {
      const scheduler = await start()
      const listening = heard(scheduler, 'progress')
      const job = await scheduler.add.listen()
      await listening
      for (const n of [1, 2]) await scheduler.signal(job.id, 'note', n)
      await scheduler.signal(job.id, 'stop')
      expect(await job.result()).toEqual([1, 2])
    })

    test('`restart` runs a finished job again as a new one, and says by name what it cannot', async () => {
      const scheduler = await start()
      const tenant = crypto.randomUUID()
      const old = await scheduler.add.countSteps(3, { id: 'old', tags: ['t'], headers: { tenant } })
      expect(await old.result()).toEqual([1, 1, 1])
      const again = await scheduler.restart<'countSteps'>('old', { from: 'step 2' })
      expect(again).toMatchObject({ name: 'countSteps', input: 3, disposition: 'created', headers: { tenant } })
      expect(again.snapshot()).toMatchObject({ tags: ['t'] })
      expect(await again.result()).toEqual([1, 2, 2])
      expect(await scheduler.restart<'countSteps'>('old').then((job) => job.result())).toEqual([2, 3, 3])
      const refusal = (id: string, options?: object) => scheduler.restart(id, options).catch((error: unknown) => error)
      expect(await refusal('none')).toMatchObject({
        code: 'INVALID_OPTION',
        message: expect.stringContaining("no job 'none'"),
      })
      expect(await refusal('old', { from: 'step 4' })).toMatchObject({
        code: 'INVALID_OPTION',
        jobId: 'old',
        message: expect.stringMatching(
          /`from`.*'old' has recorded, got 'step 4'. It has recorded 'step 1', 'step 2', 'step 3'/,
        ),
      })
      scheduler.pause()
      await scheduler.add.noop(undefined, { id: 'new' })
      expect(await refusal('new')).toMatchObject({
        code: 'JOB_NOT_ENDED',
        jobId: 'new',
        message: expect.stringContaining("'new' is queued"),
      })
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

    test('what is set of a queue shows in `queues`, is told once it holds, and `reset` undoes all of it', async () => {
      const queues = { mails: { concurrency: 2 } }
      const scheduler = await start({ queues })
      const events: unknown[] = []
      for (const type of ['paused', 'resumed'] as const) scheduler.on(type, ({ queue }) => events.push([type, queue]))
      await scheduler.counts()
      const mails = scheduler.queue('mails')
      const now = async () => {
        const { isPaused, concurrency, rateLimit } =
          (await scheduler.queues()).find(({ name }) => name === 'mails') ?? {}
        return [isPaused, concurrency, rateLimit]
      }
      const limit = { limit: 1, intervalMs: 60_000 }
      await Promise.all([mails.pause(), mails.setConcurrency(5), mails.setRateLimit(limit)])
      await scheduler.pause()
      expect(await now()).toEqual([true, 5, limit])
      await Promise.all([mails.setConcurrency(Number.POSITIVE_INFINITY), mails.setRateLimit(null)])
      await scheduler.resume()
      expect(await now()).toEqual([true, Number.POSITIVE_INFINITY, undefined])
      await mails.reset()
      expect(await now()).toEqual([false, 2, undefined])
      expect(mails.isPaused).toBe(false)
      await vi.waitFor(() =>
        expect(events).toEqual([
          ['paused', 'mails'],
          ['paused', undefined],
          ['resumed', undefined],
          ['resumed', 'mails'],
        ]),
      )
    })

    test('groups of a queue take turns, and one of them can be paused and seen', async () => {
      const scheduler = await start({ queues: { mail: grouped({ concurrency: 1 }) } })
      const mail = scheduler.queue('mail')
      const [big, small] = [mail.group('big'), mail.group('small')]
      const told: unknown[] = []
      for (const type of ['paused', 'resumed'] as const)
        scheduler.on(type, ({ queue, group }) => told.push([type, queue, group]))
      await mail.pause()
      const order: string[] = []
      const add = (group: string | undefined, id: string) =>
        scheduler.run.double(1, { queue: 'mail', id, onStarted: () => order.push(id), ...(group && { group }) })
      const big5 = [1, 2, 3, 4, 5].map((n) => add('big', `big ${n}`))
      const others = [add('small', 'small 1'), add('small', 'small 2'), add(undefined, 'none')]
      await scheduler.counts()
      await vi.waitFor(() => expect([big.size, small.size, mail.size, big.running]).toEqual([5, 2, 8, 0]))
      await big.pause()
      expect([big.isPaused, small.isPaused]).toEqual([true, false])
      const why = await scheduler.whyWaiting('big 1')
      expect(why).toContainEqual({ reason: 'group', detail: "The group 'big' is paused." })
      await mail.resume()
      await Promise.all(others)
      expect(order).toEqual(['small 1', 'none', 'small 2'])
      await big.resume()
      await Promise.all(big5)
      expect(order.slice(3)).toEqual(['big 1', 'big 2', 'big 3', 'big 4', 'big 5'])
      await vi.waitFor(() => expect([big.size, big.isPaused, mail.size]).toEqual([0, false, 0]))
      await vi.waitFor(() =>
        expect(told).toEqual([
          ['paused', 'mail', undefined],
          ['paused', 'mail', 'big'],
          ['resumed', 'mail', undefined],
          ['resumed', 'mail', 'big'],
        ]),
      )
    })

    test('limits of a group are set before it has a job, and are its own; an event says when it is held back', async () => {
      const scheduler = await start({ queues: { mail: grouped() } })
      const mail = scheduler.queue('mail')
      const [slow, quick] = [mail.group('slow'), mail.group('quick')]
      const limited = heard(scheduler, 'rate-limited')
      await slow.setRateLimit({ type: 'token-bucket', limit: 1, intervalMs: 3_600_000, burst: 2 })
      await quick.setWeight(3)
      await mail.pause()
      const order: string[] = []
      const add = (group: string, id: string) =>
        scheduler.run.double(1, { queue: 'mail', id, group, onStarted: () => order.push(id) })
      const first = [1, 2].map((n) => add('slow', `slow ${n}`))
      const last = add('slow', 'slow 3')
      const others = [1, 2, 3, 4, 5].map((n) => add('quick', `quick ${n}`))
      await scheduler.counts()
      await mail.resume()
      await Promise.all([...first, ...others])
      expect(order.filter((id) => id.startsWith('slow') || id === 'quick 3')).toEqual(['slow 1', 'quick 3', 'slow 2'])
      const { queue, group, nextStartAt } = await limited
      expect([queue, group]).toEqual(['mail', 'slow'])
      await vi.waitFor(() => expect([slow.isRateLimited, quick.isRateLimited]).toEqual([true, false]))
      expect(Math.abs((slow.nextStartAt as number) - nextStartAt)).toBeLessThan(1_000)
      expect([mail.isRateLimited, slow.size]).toEqual([false, 1])
      await slow.reset()
      expect(await last).toBe(2)
      await vi.waitFor(() => expect([slow.isRateLimited, slow.size]).toEqual([false, 0]))
    })

    test('a group runs no more at a time than it was set to', async () => {
      const scheduler = await start({ queues: { mail: grouped() }, concurrency: 4, workers: 1 })
      const group = scheduler.queue('mail').group('a')
      await group.setConcurrency(2)
      const jobs = await Promise.all(
        [1, 2, 3].map((n) => scheduler.add.untilAborted(undefined, { queue: 'mail', group: 'a', id: `a ${n}` })),
      )
      await vi.waitFor(() => expect([group.running, group.size]).toEqual([2, 1]))
      const why = await scheduler.whyWaiting('a 3')
      expect(why).toContainEqual({ reason: 'group', detail: "The group 'a' runs 2 of at most 2 jobs at a time." })
      await group.setConcurrency(Number.POSITIVE_INFINITY)
      await vi.waitFor(() => expect(jobs[2]?.snapshot().state).toBe('running'))
      await scheduler.cancel({ all: true })
    })

    test('a job that the other side asks to come later rests its group alone', async () => {
      const scheduler = await start({ queues: { mail: grouped() } })
      const limited = await scheduler.add.limitOnce(3_600_000, { queue: 'mail', group: 'a' })
      await vi.waitFor(() => expect(limited.snapshot().state).not.toBe('running'))
      expect(await scheduler.run.double(1, { queue: 'mail', group: 'b' })).toBe(2)
      const why = await scheduler.whyWaiting(limited.id)
      expect(why.map(({ reason }) => reason)).toContain('group')
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

    test('`promote`, `update` and `setPriority` move a job to its right place, whatever it waits for', async () => {
      for (const options of [{}, { lifo: true }, { ageing: { everyMs: 3_600_000, by: 1 } }]) {
        const scheduler = await start({ queues: { moved: options } })
        const started: string[] = []
        scheduler.on('started', ({ jobId }) => started.push(jobId))
        await scheduler.pause()
        const add = (id: string, more: object = {}) => scheduler.add.double(1, { id, queue: 'moved', ...more })
        for (const id of ['a', 'b', 'c']) await add(id)
        for (const id of ['later', 'sooner']) await add(id, { delayMs: 3_600_000 })
        expect(await scheduler.update('c', { priority: 2 })).toBe(true)
        expect(await scheduler.setPriority('b', 1)).toBe(true)
        // Promoted, they come behind those that are there, in the order of the calls.
        expect(await scheduler.promote('later')).toBe(true)
        expect(await scheduler.update('sooner', { runAt: 0 })).toBe(true)
        expect([await scheduler.promote('a'), await scheduler.promote('nobody')]).toEqual([false, false])
        await scheduler.resume()
        await scheduler.onIdle()
        const rest = 'lifo' in options ? ['sooner', 'later', 'a'] : ['a', 'later', 'sooner']
        expect(started).toEqual(['c', 'b', ...rest])
        await scheduler.close()
      }
    })

    test('a queue waits for its condition, and says so', async () => {
      let isMet = false
      const listeners = new Set<() => void>()
      const subscribe = (onChange: () => void) => {
        listeners.add(onChange)
        return () => listeners.delete(onChange)
      }
      const condition = { name: 'wifi', isMet: () => isMet, subscribe }
      const scheduler = await start({ queues: { upload: { condition } } })
      const job = await scheduler.add.double(1, { queue: 'upload', priority: 9 })
      expect(await scheduler.run.double(2)).toBe(4)
      expect(await scheduler.whyWaiting(job.id)).toContainEqual({
        reason: 'condition',
        detail: "The queue 'upload' waits for a condition: 'wifi'.",
      })
      isMet = true
      for (const listener of listeners) listener()
      expect(await job.result()).toBe(2)
      isMet = false
      await scheduler.add.double(1, { queue: 'upload' })
      await vi.waitFor(() => expect(listeners.size).toBe(1))
      await scheduler.close({ mode: 'now' })
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

    test('the group of a job is kept and shown, in whatever queue', async () => {
      const scheduler = await start()
      const job = await scheduler.add.echo(1, { group: 'user:7', id: 'g' })
      await scheduler.add.echo(2, { id: 'none' })
      expect([job.snapshot().group, (await scheduler.get('g'))?.snapshot().group]).toEqual(['user:7', 'user:7'])
      expect((await scheduler.find({})).map((each) => each.snapshot().group)).toEqual(['user:7', undefined])
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

    test('`recorded` is what the handler has recorded, as a copy', async () => {
      const scheduler = await start()
      expect(await scheduler.recorded('nobody')).toBeUndefined()
      const resumed = await scheduler.add.resume(undefined, { attempts: 3 })
      expect(await resumed.result()).toBe(20)
      const stepped = await scheduler.add.steps(undefined, { attempts: 2 })
      const [first, second] = (await stepped.result()) as number[]
      const recorded = await scheduler.recorded(stepped.id)
      expect(recorded).toEqual({
        checkpoint: undefined,
        steps: new Map([
          ['first', first],
          ['second', second],
        ]),
      })
      expect(await scheduler.recorded(stepped.id)).not.toBe(recorded)
      const waiting = await scheduler.add.later(1, { delayMs: 1e6 })
      await scheduler.signal(waiting.id, 'approved')
      expect(await scheduler.recorded(waiting.id)).toEqual({ checkpoint: undefined, steps: new Map() })
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
