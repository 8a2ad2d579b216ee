// A scheduler from its first job to its last: order, pauses and limits; the events, streams and snapshots by which one
// watches it; and how it ends.
import {
  type AnyEvent,
  createScheduler,
  OffstageError,
  type QueueOptions,
  type Scheduler,
  type SchedulerOptions,
} from 'offstage'
import { manualClock } from 'offstage/testing'
import { describe, expect, test, vi } from 'vitest'
import { heard, places, start, turn } from '../support/testing.ts'

/** The ids of jobs in the order of their starts. */
function startsOf(scheduler: Pick<Scheduler<never>, 'on'>): string[] {
  const started: string[] = []
  scheduler.on('started', ({ jobId }) => started.push(jobId))
  return started
}

async function read<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const values: T[] = []
  for await (const value of stream) values.push(value)
  return values
}

const closed = { code: 'SCHEDULER_CLOSED' }

describe.each(places)('on %s', (place) => {
  const startJobs = (options?: SchedulerOptions<never>) => start(place, 'jobs', options)

  test('a worker module may be made of the jobs of others', async () => {
    const scheduler = start(place, 'composed')
    expect(await Promise.all([scheduler.run.triple(2), scheduler.run.double(2)])).toEqual([6, 4])
  })

  describe('order', () => {
    test('higher priority first; equals first in, first out', async () => {
      const scheduler = startJobs()
      const started = startsOf(scheduler)
      scheduler.pause()
      const priorities = { a: 0, b: 5, c: 0, d: -1, e: 5, f: 0.5, g: 0 }
      for (const [id, priority] of Object.entries(priorities)) await scheduler.add.double(1, { id, priority })
      scheduler.resume()
      await scheduler.onIdle()
      expect(started.join('')).toBe('befacgd')
    })

    test('the order is the same whichever jobs are observed', async () => {
      const scheduler = startJobs()
      await scheduler.run.double(0) // The thread is there.
      const order: number[] = []
      const ran = await Promise.all(
        Array.from({ length: 200 }, (_, index) => {
          const options = index % 3 === 0 ? { onStarted: () => order.push(index) } : undefined
          return scheduler.run.turn(undefined, options)
        }),
      )
      expect(ran).toEqual([...ran].sort((a, b) => a - b))
      expect(order).toEqual([...order].sort((a, b) => a - b))
      expect(order).toHaveLength(67)
    })

    test('a listener of one of many jobs that ended together may look up the others', async () => {
      const scheduler = startJobs()
      await scheduler.run.double(0) // The thread is there.
      scheduler.pause()
      const jobs = await Promise.all(Array.from({ length: 50 }, (_, n) => scheduler.add.double(n)))
      const told: string[] = []
      const looks: Promise<unknown>[] = []
      scheduler.once('completed', () => {
        for (const job of jobs) {
          job.on('completed', ({ jobId }) => told.push(jobId))
          looks.push(Promise.all([job.result(), read(job.events()).then((events) => events.at(-1))]))
        }
      })
      scheduler.resume()
      await scheduler.onIdle()
      expect(told).toEqual(jobs.map(({ id }) => id))
      expect(await Promise.all(looks)).toEqual(
        jobs.map(({ id }, n) => [n * 2, expect.objectContaining({ type: 'completed', jobId: id, result: n * 2 })]),
      )
    })

    test('a close by the first of many listeners leaves none of them waiting', async () => {
      const scheduler = startJobs()
      await scheduler.run.double(0)
      scheduler.pause()
      const ends = Promise.allSettled(Array.from({ length: 50 }, (_, n) => scheduler.run.double(n)))
      const told: unknown[] = []
      scheduler.on('completed', ({ result }) => {
        if (told.push(result) === 1) void scheduler.close({ mode: 'now' })
      })
      scheduler.resume()
      const results = (await ends).map((end) => (end.status === 'fulfilled' ? end.value : closed))
      expect(results).toEqual([...told, ...Array.from({ length: 50 - told.length }, () => closed)])
    })

    test('the order goes across queues', async () => {
      const scheduler = startJobs()
      const started = startsOf(scheduler)
      scheduler.pause()
      await scheduler.add.double(1, { id: 'a', queue: 'one' })
      await scheduler.add.double(1, { id: 'b', queue: 'two', priority: 1 })
      await scheduler.add.double(1, { id: 'c', queue: 'two' })
      await scheduler.add.double(1, { id: 'd', queue: 'one' })
      scheduler.resume()
      await scheduler.onIdle()
      expect(started.join('')).toBe('bacd')
    })

    test('setPriority moves a job in its line, by id or by handle', async () => {
      const scheduler = startJobs()
      const started = startsOf(scheduler)
      scheduler.pause()
      await scheduler.add.double(1, { id: 'a' })
      await scheduler.add.double(1, { id: 'b' })
      const last = await scheduler.add.double(1, { id: 'c' })
      expect(await scheduler.setPriority('b', 5)).toBe(true)
      expect(await last.setPriority(9)).toBe(true)
      expect(last.snapshot().priority).toBe(9)
      expect(await scheduler.setPriority('no such job', 1)).toBe(false)
      scheduler.resume()
      await scheduler.onIdle()
      expect(started.join('')).toBe('cba')
      expect(await last.setPriority(1)).toBe(false)
    })

    test('a retry keeps its place', async () => {
      const scheduler = startJobs()
      const started = startsOf(scheduler)
      scheduler.pause()
      await scheduler.add.failUntil(3, { id: 'a', attempts: 3 })
      await scheduler.add.double(1, { id: 'b' })
      scheduler.resume()
      await scheduler.onIdle()
      expect(started.join('')).toBe('aaab')
    })

    test('a thousand jobs of mixed priorities run in exactly the order that is promised', async () => {
      const scheduler = startJobs()
      const started = startsOf(scheduler)
      scheduler.pause()
      const jobs = Array.from({ length: 1_000 }, (_, index) => ({ id: `${index}`, priority: (index * 7) % 10 }))
      await scheduler.addMany(jobs.map((options) => ({ name: 'noop', options }) as const))
      scheduler.resume()
      await scheduler.onIdle()
      expect(started).toEqual([...jobs].sort((a, b) => b.priority - a.priority).map(({ id }) => id))
    })
  })

  describe('times', () => {
    test('delayMs and runAt: not before their time, then in the order of their times', async () => {
      const clock = manualClock()
      const scheduler = startJobs({ clock })
      const started = startsOf(scheduler)
      await scheduler.add.double(1, { id: 'c', delayMs: 3_000 })
      await scheduler.add.double(1, { id: 'b', runAt: new Date(clock.now() + 2_000) })
      await scheduler.add.double(1, { id: 'a', runAt: clock.now() + 1_000 })
      await scheduler.add.double(1, { id: 'now', runAt: 0 })
      await scheduler.onIdle()
      expect(started).toEqual(['now'])
      clock.advance(999)
      expect(await scheduler.counts()).toMatchObject({ scheduled: 3, queued: 0 })
      clock.advance(2_001)
      await scheduler.onIdle()
      expect(started).toEqual(['now', 'a', 'b', 'c'])
    })

    test('promote starts a scheduled job now', async () => {
      const scheduler = startJobs()
      const job = await scheduler.add.double(21, { delayMs: 3_600_000 })
      expect(job.snapshot()).toMatchObject({ state: 'scheduled', runAt: expect.any(Number) })
      expect(await scheduler.promote(job.id)).toBe(true)
      expect(await job.result()).toBe(42)
      expect(await scheduler.promote(job.id)).toBe(false)
    })
  })

  describe('pauses and limits', () => {
    test('pause and resume of the scheduler: nothing starts, what runs goes on', async () => {
      const scheduler = start(place, 'unruly')
      const begun = heard(scheduler, 'progress')
      const running = await scheduler.add.polite()
      await begun
      scheduler.pause()
      scheduler.pause()
      expect(scheduler.isPaused).toBe(true)
      const waiting = await scheduler.add.double(1)
      await running.cancel()
      expect(running.snapshot().state).toBe('cancelled')
      expect(waiting.snapshot().state).toBe('queued')
      scheduler.resume()
      expect(await waiting.result()).toBe(2)
    })

    test('pause and resume of a queue: the others go on', async () => {
      const scheduler = startJobs()
      const mails = scheduler.queue('mails')
      mails.pause()
      const mail = await scheduler.add.double(1, { queue: 'mails' })
      expect(await scheduler.run.double(2)).toBe(4)
      expect(mails).toMatchObject({ name: 'mails', isPaused: true, size: 1, running: 0 })
      mails.resume()
      expect(await mail.result()).toBe(2)
      expect(mails).toMatchObject({ isPaused: false, size: 0 })
    })

    test('paused and resumed are emitted, with the queue', () => {
      const scheduler = startJobs()
      const told: unknown[] = []
      scheduler.on('paused', ({ queue }) => told.push(['paused', queue]))
      scheduler.on('resumed', ({ queue }) => told.push(['resumed', queue]))
      scheduler.pause()
      scheduler.queue('mails').pause()
      scheduler.queue('mails').resume()
      scheduler.resume()
      scheduler.resume()
      expect(told).toEqual([
        ['paused', undefined],
        ['paused', 'mails'],
        ['resumed', 'mails'],
        ['resumed', undefined],
      ])
    })

    test('concurrency: so many async jobs on one thread at a time', async () => {
      const scheduler = startJobs({ concurrency: 4 })
      expect(await mostAtOnce(scheduler, 8)).toBe(4)
    })

    test('concurrency of a queue: no more of its jobs at a time, whatever the threads could', async () => {
      const scheduler = startJobs({ concurrency: 4, queues: { default: { concurrency: 2 } } })
      expect(await mostAtOnce(scheduler, 6)).toBe(2)
      scheduler.queue('default').setConcurrency(3)
      expect(await mostAtOnce(scheduler, 6)).toBe(3)
      scheduler.queue('default').setConcurrency(Number.POSITIVE_INFINITY)
      expect(await mostAtOnce(scheduler, 8)).toBe(4)
    })

    test('rateLimit: never more than `limit` starts in any span of `intervalMs`', async () => {
      const rateLimit = { limit: 3, intervalMs: 120 }
      const scheduler = startJobs({ queues: { api: { rateLimit } } })
      await scheduler.run.double(1)
      const starts: number[] = []
      scheduler.on('started', () => starts.push(performance.now()))
      await Promise.all(Array.from({ length: 8 }, () => scheduler.run.double(1, { queue: 'api' })))
      // The fourth after one starts no sooner than an interval later; what is measured here may be told a little late.
      const spans = starts.slice(3).map((at, index) => at - (starts[index] as number))
      expect(starts.length).toBe(8)
      expect(Math.min(...spans)).toBeGreaterThan(rateLimit.intervalMs - 25)
    })

    const openings: [string, QueueOptions, (queue: ReturnType<Scheduler<never>['queue']>) => void][] = [
      ['it is resumed', {}, (queue) => queue.resume()],
      ['more may run', { concurrency: 1 }, (queue) => queue.setConcurrency(2)],
      [
        'its limit is lifted',
        { rateLimit: { limit: 1, intervalMs: 3_600_000 } },
        (queue) => queue.setRateLimit(undefined),
      ],
      ['the time of its limit has passed', { rateLimit: { limit: 1, intervalMs: 50 } }, () => {}],
    ]

    test.each(openings)(
      'what waits in a queue starts when %s, though nothing else happens and nobody listens',
      async (_, options, open) => {
        const scheduler = startJobs({ concurrency: 2, queues: { api: options } })
        const queue = scheduler.queue('api')
        await scheduler.run.double(0)
        if (options.rateLimit) await scheduler.run.double(1, { queue: 'api' })
        else if (options.concurrency) await scheduler.add.hang(undefined, { queue: 'api' })
        else queue.pause()
        const waiting = scheduler.run.double(2, { queue: 'api' })
        // Nothing is on its way any more.
        await turn()
        await turn()
        open(queue)
        expect(await waiting).toBe(4)
      },
    )

    test('setRateLimit lifts a limit', async () => {
      const scheduler = startJobs({ queues: { api: { rateLimit: { limit: 1, intervalMs: 3_600_000 } } } })
      const results = [1, 2, 3].map((value) => scheduler.run.double(value, { queue: 'api' }))
      expect(await results[0]).toBe(2)
      scheduler.queue('api').setRateLimit(undefined)
      expect(await Promise.all(results)).toEqual([2, 4, 6])
    })
  })

  describe('onIdle', () => {
    test('resolves when nothing is queued, running or between two attempts; jobs for later do not count', async () => {
      const scheduler = startJobs()
      await scheduler.onIdle()
      await scheduler.add.double(1, { delayMs: 3_600_000 })
      const backoff = { type: 'fixed', delayMs: 20 } as const
      const job = await scheduler.add.failUntil(2, { attempts: 2, backoff })
      await scheduler.onIdle()
      expect(job.snapshot().state).toBe('completed')
    })

    test('the event tells of it once', async () => {
      const scheduler = startJobs()
      let idle = 0
      scheduler.on('idle', () => idle++)
      await Promise.all([1, 2, 3].map((value) => scheduler.run.double(value)))
      await scheduler.onIdle()
      expect(idle).toBe(1)
      await scheduler.run.double(1)
      await scheduler.onIdle()
      expect(idle).toBe(2)
    })
  })

  describe('events', () => {
    test('come in the order in which things happen: progress before the result', async () => {
      const scheduler = startJobs()
      const told: string[] = []
      const types = ['added', 'started', 'progress', 'value', 'log', 'completed', 'idle'] as const
      for (const type of types) scheduler.on(type, (event) => told.push(event.type))
      await scheduler.run.report([0.1, 0.2, 0.3])
      await scheduler.onIdle()
      expect(told.slice(0, 3)).toEqual(['added', 'started', 'progress'])
      expect(told.slice(-3)).toEqual(['progress', 'completed', 'idle'])
    })

    test('are plain numbered objects', async () => {
      const clock = manualClock()
      const scheduler = startJobs({ clock })
      const events = scheduler.events({ type: ['added', 'completed'] })
      await scheduler.run.double(21, { id: 'mine', queue: 'sums', priority: 3 })
      await scheduler.close()
      const told = await read(events)
      const job = { jobId: 'mine', name: 'double', queue: 'sums', at: clock.now() }
      expect(told).toEqual([
        { type: 'added', seq: expect.any(Number), ...job, attempt: 0, state: 'queued', priority: 3 },
        { type: 'completed', seq: expect.any(Number), ...job, attempt: 1, result: 42 },
      ])
      expect(told[1]!.seq).toBeGreaterThan(told[0]!.seq)
    })

    test('progress in quick succession: the last is never left out', async () => {
      const scheduler = startJobs()
      const seen: unknown[] = []
      await scheduler.run.flood(10_000, { onProgress: (n) => seen.push(n) })
      expect(seen.at(-1)).toBe(10_000)
      expect(seen.length).toBeLessThan(1_000)
      expect(seen).toEqual([...new Set(seen as number[])].sort((a, b) => a - b))
    })

    test('on returns a function that stops it; off stops a listener; once receives one event', async () => {
      const scheduler = startJobs()
      const [listener, stopped, once, onceStopped] = [vi.fn(), vi.fn(), vi.fn(), vi.fn()]
      scheduler.on('completed', listener)
      scheduler.on('completed', stopped)()
      scheduler.once('completed', once)
      scheduler.once('completed', onceStopped)()
      await scheduler.run.double(1)
      scheduler.off('completed', listener)
      await scheduler.run.double(2)
      for (const [heardBy, times] of [
        [listener, 1],
        [stopped, 0],
        [once, 1],
        [onceStopped, 0],
      ] as const)
        expect(heardBy).toHaveBeenCalledTimes(times)
    })

    test('off stops a listener of one event', async () => {
      const scheduler = startJobs()
      const listener = vi.fn()
      scheduler.once('completed', listener)
      scheduler.off('completed', listener)
      const job = await scheduler.add.double(1, { delayMs: 3_600_000 })
      job.once('completed', listener)
      job.off('completed', listener)
      await scheduler.promote(job.id)
      await job.result()
      expect(listener).not.toHaveBeenCalled()
    })

    test('a job has listeners of its own', async () => {
      const scheduler = startJobs()
      scheduler.pause()
      const job = await scheduler.add.double(21)
      const [completed, stopped] = [vi.fn(), vi.fn()]
      job.once('completed', completed)
      job.on('started', stopped)
      job.off('started', stopped)
      scheduler.resume()
      await scheduler.run.double(1)
      await job.result()
      expect(completed).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ jobId: job.id, result: 42 }))
      expect(stopped).not.toHaveBeenCalled()
    })

    test('job.events() ends with the event that ends the job, and gives it to those who come late', async () => {
      const scheduler = startJobs()
      scheduler.pause()
      const job = await scheduler.add.report([1])
      const events = job.events()
      scheduler.resume()
      expect((await read(events)).map(({ type }) => type)).toEqual(['started', 'progress', 'completed'])
      expect((await read(job.events())).map(({ type }) => type)).toEqual(['completed'])
    })

    test('scheduler.events() takes a filter', async () => {
      const scheduler = startJobs()
      const filtered = ([{ jobId: 'b' }, { name: 'noop' }, { queue: 'two' }] as const).map((filter) =>
        scheduler.events({ ...filter, type: 'completed' }),
      )
      await scheduler.run.double(1, { id: 'a', queue: 'two' })
      await scheduler.run.double(1, { id: 'b' })
      await scheduler.run.noop(undefined, { id: 'c' })
      await scheduler.close()
      const ids = await Promise.all(filtered.map(async (events) => (await read(events)).map(idOf)))
      expect(ids).toEqual([['b'], ['c'], ['a']])
    })

    test('a stream can be left: by `break`, and by cancelling the web stream made of it', async () => {
      const scheduler = startJobs()
      const events = scheduler.events({ type: 'completed' })
      const reader = scheduler.events({ type: 'completed' }).toReadableStream().getReader()
      await scheduler.run.double(1, { id: 'first' })
      for await (const event of events) {
        expect(idOf(event)).toBe('first')
        break
      }
      expect(idOf((await reader.read()).value as AnyEvent)).toBe('first')
      await reader.cancel()
      await scheduler.run.double(1)
      expect(await events.next()).toEqual({ done: true, value: undefined })
      expect(await reader.read()).toEqual({ done: true, value: undefined })
    })

    test('a reader that is too slow loses the oldest events, and can see how many', async () => {
      const scheduler = startJobs()
      const events = scheduler.events({ type: 'added' })
      scheduler.pause()
      const requests = Array.from({ length: 1_100 }, (_, n) => ({ name: 'noop', options: { id: `${n}` } }) as const)
      await scheduler.addMany(requests)
      await scheduler.close()
      const told = await read(events)
      expect(events.dropped).toBe(76)
      expect(told.map(idOf)).toEqual(requests.slice(76).map(({ options }) => options.id))
    })
  })

  describe('callbacks', () => {
    test('tell of a job from its start to its end', async () => {
      const scheduler = startJobs()
      const told: unknown[] = []
      const tell =
        (name: string) =>
        (...args: unknown[]) =>
          told.push([name, ...args])
      const callbacks = {
        onStarted: tell('started'),
        onProgress: tell('progress'),
        onLog: tell('log'),
        onValue: tell('value'),
        onCompleted: tell('completed'),
        onFailed: tell('failed'),
        onSettled: tell('settled'),
      }
      await scheduler.run.report([7], callbacks)
      await scheduler.run.log(undefined, callbacks)
      await scheduler.run.send(1, callbacks)
      await scheduler.run.failUntil(2, { ...callbacks, attempts: 2 })
      await scheduler.run.fail('no', callbacks).catch(() => {})
      expect(told).toEqual([
        ['started', 1],
        ['progress', 7],
        ['completed', undefined],
        ['settled', undefined, undefined],
        ['started', 1],
        ['log', 'hello', { from: 'thread' }, 'a function'],
        ['completed', undefined],
        ['settled', undefined, undefined],
        ['started', 1],
        ['value', 1],
        ['completed', 1],
        ['settled', undefined, 1],
        ['started', 1],
        ['started', 2],
        ['completed', 2],
        ['settled', undefined, 2],
        ['started', 1],
        ['failed', new TypeError('no')],
        ['settled', new TypeError('no'), undefined],
      ])
    })

    test('of an id that is taken: called for what still happens, or at once with how the job ended', async () => {
      const scheduler = startJobs()
      scheduler.pause()
      await scheduler.add.double(1, { id: 'same' })
      const first = new Promise((resolve) => scheduler.add.double(1, { id: 'same', onCompleted: resolve }))
      scheduler.resume()
      expect(await first).toBe(2)
      const late = new Promise((resolve) => scheduler.add.double(1, { id: 'same', onCompleted: resolve }))
      expect(await late).toBe(2)
    })
  })

  describe('values', () => {
    test('every one arrives, in order, and the stream ends with the job', async () => {
      const scheduler = startJobs()
      const job = await scheduler.add.send(500)
      expect(await read(job.values())).toEqual(Array.from({ length: 500 }, (_, index) => index + 1))
      expect(await job.result()).toBe(500)
    })

    test('a slow reader makes the handler wait', async () => {
      const scheduler = startJobs()
      scheduler.pause()
      const job = await scheduler.add.send(100)
      const values = job.values()
      let sent = 0
      job.on('value', () => sent++)
      scheduler.resume()
      for (let taken = 1; taken <= 100; taken++) {
        expect(await values.next()).toEqual({ done: false, value: taken })
        expect(sent - taken).toBeLessThanOrEqual(16)
      }
      expect(await job.result()).toBe(100)
    })

    test('a reader that leaves does not leave the handler waiting', async () => {
      const scheduler = startJobs()
      scheduler.pause()
      const job = await scheduler.add.send(100)
      scheduler.resume()
      const values = job.values()
      // Now the handler waits for the reader.
      await new Promise<void>((resolve) => job.on('value', ({ value }) => value === 16 && resolve()))
      await values.return()
      expect(await job.result()).toBe(100)
    })

    test('a reader that never reads is left behind by a cancel', async () => {
      const scheduler = startJobs()
      const job = await scheduler.add.send(100)
      const values = job.values()
      await job.cancel()
      await expect(job.result()).rejects.toMatchObject({ code: 'JOB_CANCELLED' })
      expect((await read(values)).length).toBeLessThanOrEqual(16)
      expect(await scheduler.run.double(1)).toBe(2)
    })

    test('no reader is needed; a late reader finds the newest 256', async () => {
      const scheduler = startJobs()
      const job = await scheduler.add.send(300)
      await job.result()
      const values = await read(job.values())
      expect([values.length, values[0], values.at(-1)]).toEqual([256, 45, 300])
    })

    test('one reader at a time', async () => {
      const scheduler = startJobs()
      scheduler.pause()
      const job = await scheduler.add.send(1)
      const first = job.values()
      expect(() => job.values()).toThrow(OffstageError)
      await first.return()
      const second = job.values()
      scheduler.resume()
      expect(await read(second)).toEqual([1])
    })
  })

  describe('snapshots', () => {
    test('of a job: frozen, the same object until something changes, with the newest progress', async () => {
      const scheduler = startJobs()
      scheduler.pause()
      const { snapshot, subscribe, ...job } = handle(await scheduler.add.report([0.5], { id: 'mine', tags: ['t'] }))
      const before = snapshot()
      expect(Object.isFrozen(before)).toBe(true)
      expect(snapshot()).toBe(before)
      expect(before).toMatchObject({ id: 'mine', name: 'report', state: 'queued', tags: ['t'], attempt: 0 })
      const seen: unknown[] = []
      const stop = subscribe(() => {
        expect(snapshot()).not.toBe(seen.at(-1))
        seen.push(snapshot())
      })
      scheduler.resume()
      await job.result()
      expect(before.state).toBe('queued')
      expect(seen).toMatchObject([{ state: 'running' }, { progress: 0.5 }, { state: 'completed', progress: 0.5 }])
      stop()
    })

    test('of the scheduler: frozen, the same object until something changes', async () => {
      const scheduler = startJobs()
      const { snapshot, subscribe } = scheduler
      const before = snapshot()
      expect(Object.isFrozen(before) && Object.isFrozen(before.counts)).toBe(true)
      expect(before).toMatchObject({ isIdle: true, isPaused: false, workers: 0 })
      const calls = vi.fn()
      const stop = subscribe(calls)
      await scheduler.run.double(1)
      await scheduler.onIdle()
      expect(calls).toHaveBeenCalled()
      const after = snapshot()
      expect(after).not.toBe(before)
      expect(after).toMatchObject({ isIdle: true, workers: 1, counts: { completed: 1 } })
      stop()
      calls.mockClear()
      await scheduler.run.double(1)
      expect(calls).not.toHaveBeenCalled()
    })

    test('of the scheduler: no listener is called, and the object stays, when nothing changed', async () => {
      const scheduler = startJobs()
      await scheduler.run.double(1)
      await scheduler.onIdle()
      const before = scheduler.snapshot()
      const calls = vi.fn()
      scheduler.subscribe(calls)
      await scheduler.onIdle()
      await scheduler.cancel('no such job')
      expect(scheduler.snapshot()).toBe(before)
      expect(calls).not.toHaveBeenCalled()
    })

    test('of the scheduler: finished jobs that go are a change, removed by hand or when their time is over', async () => {
      const clock = manualClock()
      const scheduler = startJobs({ clock })
      const seen: number[] = []
      await scheduler.run.double(1, { id: 'mine' })
      await scheduler.run.double(2, { keepMs: 1_000 })
      await turn()
      scheduler.subscribe(() => seen.push(scheduler.snapshot().counts.completed))
      await scheduler.remove('mine')
      await turn()
      expect(seen).toEqual([1])
      clock.advance(1_000)
      await turn()
      expect(seen).toEqual([1, 0])
    })

    test('every change is followed by a call', async () => {
      const scheduler = startJobs()
      let seen = scheduler.snapshot()
      scheduler.subscribe(() => {
        seen = scheduler.snapshot()
      })
      // A peek in between must not swallow the call.
      scheduler.on('completed', () => scheduler.snapshot())
      for (let n = 0; n < 5; n++) scheduler.run.double(n)
      await scheduler.onIdle()
      expect(seen).toBe(scheduler.snapshot())
      expect(seen.counts.completed).toBe(5)
    })
  })

  describe('looking things up', () => {
    test('get and find give handles of jobs that are there', async () => {
      const scheduler = startJobs()
      await scheduler.run.double(1, { id: 'a', tags: ['x'] })
      scheduler.pause()
      await scheduler.add.double(2, { id: 'b', tags: ['x'] })
      await scheduler.add.noop(undefined, { id: 'c' })
      expect((await scheduler.get('a'))?.snapshot().state).toBe('completed')
      expect((await scheduler.get('b'))?.disposition).toBe('existing')
      expect(await scheduler.get('z')).toBeUndefined()
      const idsOf = async (...filter: Parameters<typeof scheduler.find>) =>
        (await scheduler.find(...filter)).map(({ id }) => id).join('')
      expect(await idsOf()).toBe('abc')
      expect(await idsOf({ tag: 'x' })).toBe('ab')
      expect(await idsOf({ state: 'queued', name: 'double' })).toBe('b')
      expect(await idsOf({ limit: 1, after: 'a' })).toBe('b')
    })

    test('remove takes a record away; a job that has not ended is cancelled first', async () => {
      const scheduler = startJobs()
      scheduler.pause()
      const job = await scheduler.add.double(1, { id: 'a' })
      const settled = job.result().catch((error: unknown) => error)
      const events = job.events()
      expect(await scheduler.remove('a')).toBe(1)
      expect(await settled).toMatchObject({ code: 'JOB_CANCELLED' })
      expect((await read(events)).map(({ type }) => type)).toEqual(['cancelled'])
      expect(await scheduler.get('a')).toBeUndefined()
      expect(await job.retry()).toBe(false)
    })

    test('finished jobs are kept as `keep` and `keepMs` say', async () => {
      const clock = manualClock()
      const scheduler = startJobs({ clock, keep: { completed: { count: 2, ageMs: 1_000 } } })
      const idsLeft = async () => (await scheduler.find()).map(({ id }) => id).join('')
      await scheduler.run.double(1, { id: 'x', keepMs: 5_000 })
      await scheduler.run.double(1, { id: 'y', keepMs: 0 })
      for (const id of 'abc') await scheduler.run.double(1, { id })
      expect(await idsLeft()).toBe('xbc')
      clock.advance(1_000)
      expect(await idsLeft()).toBe('x')
      clock.advance(4_000)
      expect(await idsLeft()).toBe('')
    })

    test('stats: workers, depth, rates and latencies', async () => {
      const scheduler = startJobs()
      const none = { p50: 0, p95: 0, p99: 0 }
      expect(scheduler.stats()).toMatchObject({ workers: { online: 0, busy: 0 }, depth: 0, latencies: { run: none } })
      await Promise.all([scheduler.run.later(5), scheduler.run.double(1)])
      await scheduler.run.fail('no').catch(() => {})
      scheduler.pause()
      await scheduler.add.double(1)
      const { workers, depth, rates, latencies } = scheduler.stats()
      expect({ workers, depth }).toEqual({ workers: { online: 1, busy: 0, starting: 0 }, depth: 1 })
      expect(rates).toEqual({ added: 0.4, completed: 0.2, failed: 0.1 })
      expect(latencies.run.p99).toBeGreaterThan(3)
      expect(latencies.wait.p50).toBeGreaterThan(0)
    })
  })

  describe('close', () => {
    test('drain: everything queued is done first, even what was paused', async () => {
      const scheduler = startJobs()
      scheduler.pause()
      scheduler.queue('mails').pause()
      const jobs = await scheduler.addMany([1, 2, 3].map((input) => ({ name: 'double', input }) as const))
      const mail = await scheduler.add.failUntil(2, {
        queue: 'mails',
        attempts: 2,
        backoff: { type: 'fixed', delayMs: 5 },
      })
      await scheduler.close({ mode: 'drain' })
      expect(await Promise.all([...jobs, mail].map((job) => job.result()))).toEqual([2, 4, 6, 2])
    })

    test('drain: a job planned for later is not waited for', async () => {
      const scheduler = startJobs()
      const later = await scheduler.add.double(1, { delayMs: 3_600_000 })
      const settled = later.result().catch((error: unknown) => error)
      await scheduler.close({ mode: 'drain' })
      expect(await settled).toMatchObject(closed)
    })

    test('finish, the default: what runs is done, what waits is not', async () => {
      const scheduler = start(place, 'unruly')
      const begun = heard(scheduler, 'progress')
      const running = await scheduler.add.waitFor(20)
      const waiting = await scheduler.add.double(1)
      const settled = waiting.result().catch((error: unknown) => error)
      await begun
      await scheduler.close()
      expect(await running.result()).toBe(1)
      expect(await settled).toMatchObject(closed)
    })

    test('now: what runs is interrupted', async () => {
      const scheduler = start(place, 'unruly')
      const begun = heard(scheduler, 'progress')
      const running = await scheduler.add.deaf()
      const settled = running.result().catch((error: unknown) => error)
      await begun
      await scheduler.close({ mode: 'now' })
      expect(await settled).toMatchObject(closed)
      expect(running.snapshot().state).toBe('queued')
    })

    test('timeoutMs: after so long the rest is interrupted', async () => {
      const clock = manualClock()
      const scheduler = start(place, 'unruly', { clock })
      const begun = heard(scheduler, 'progress')
      const settled = scheduler.run.deaf().catch((error: unknown) => error)
      await begun
      const closing = scheduler.close({ mode: 'drain', timeoutMs: 1_000 })
      await turn()
      clock.advance(1_000)
      await closing
      expect(await settled).toMatchObject(closed)
    })

    test('a second close answers the same end; with `now` it hurries the first', async () => {
      const scheduler = start(place, 'unruly')
      const begun = heard(scheduler, 'progress')
      const settled = scheduler.run.deaf().catch((error: unknown) => error)
      await begun
      const first = scheduler.close()
      await Promise.all([first, scheduler.close({ mode: 'now' })])
      await scheduler.close()
      expect(await settled).toMatchObject(closed)
    })

    test('`await using` closes at the end of the block', async () => {
      let used: ReturnType<typeof startJobs>
      {
        await using scheduler = startJobs()
        used = scheduler
        expect(await scheduler.run.double(1)).toBe(2)
      }
      await expect(used.run.double(1)).rejects.toMatchObject(closed)
    })

    test('a scheduler that never did anything', async () => {
      const scheduler = startJobs()
      await scheduler.close({ mode: 'drain' })
      await expect(scheduler.run.double(1)).rejects.toMatchObject(closed)
    })

    test('while a thread is still starting', async () => {
      const scheduler = startJobs()
      const settled = scheduler.run.double(1).catch((error: unknown) => error)
      await scheduler.close({ mode: 'now' })
      expect(await settled).toMatchObject(closed)
    })

    test('while it closes nothing new is taken, but what is there can still be cancelled', async () => {
      const scheduler = start(place, 'unruly')
      const begun = heard(scheduler, 'progress')
      const job = await scheduler.add.polite()
      await begun
      const closing = scheduler.close()
      await expect(scheduler.run.double(1)).rejects.toMatchObject(closed)
      expect(await scheduler.cancel(job.id)).toBe(1)
      await closing
      await expect(job.result()).rejects.toMatchObject({ code: 'JOB_CANCELLED' })
    })

    test('streams end, and what is known of jobs stays readable', async () => {
      const scheduler = startJobs()
      const all = scheduler.events()
      const done = await scheduler.add.double(21)
      await done.result()
      const later = await scheduler.add.double(1, { delayMs: 3_600_000 })
      const [events, values] = [later.events(), later.values()]
      await scheduler.close()
      expect((await read(all)).length).toBeGreaterThan(3)
      expect([await read(events), await read(values)]).toEqual([[], []])
      expect([await read(later.events()), await read(later.values())]).toEqual([[], []])
      expect(await read(scheduler.events())).toEqual([])
      expect(await done.result()).toBe(42)
      expect(done.snapshot().state).toBe('completed')
      await expect(later.result()).rejects.toMatchObject(closed)
      expect(scheduler.stats().workers).toEqual({ online: 0, busy: 0, starting: 0 })
      expect(scheduler.snapshot().workers).toBe(0)
    })

    test('SCHEDULER_CLOSED is what every call answers afterwards', async () => {
      const scheduler = startJobs()
      const job = await scheduler.add.double(1, { id: 'a' })
      await scheduler.close({ mode: 'drain' })
      const calls: Record<string, () => unknown> = {
        run: () => scheduler.run.double(1),
        add: () => scheduler.add.double(1),
        addMany: () => scheduler.addMany([]),
        get: () => scheduler.get('a'),
        find: () => scheduler.find(),
        counts: () => scheduler.counts(),
        cancel: () => scheduler.cancel('a'),
        'cancel by filter': () => scheduler.cancel({ all: true }),
        retry: () => scheduler.retry('a'),
        remove: () => scheduler.remove('a'),
        setPriority: () => scheduler.setPriority('a', 1),
        promote: () => scheduler.promote('a'),
        queue: () => scheduler.queue('default'),
        pause: () => scheduler.pause(),
        resume: () => scheduler.resume(),
        onIdle: () => scheduler.onIdle(),
        'job.cancel': () => job.cancel(),
        'job.retry': () => job.retry(),
        'job.setPriority': () => job.setPriority(1),
      }
      for (const [name, call] of Object.entries(calls)) {
        const answer = new Promise((resolve) => resolve(call()))
        await expect(answer, name).rejects.toMatchObject(closed)
      }
    })

    test('callbacks of jobs that never ran are not called, and their signals are let go', async () => {
      const scheduler = startJobs()
      scheduler.pause()
      const controller = new AbortController()
      const removed = vi.spyOn(controller.signal, 'removeEventListener')
      const onSettled = vi.fn()
      await scheduler.add.double(1, { signal: controller.signal, onSettled })
      await scheduler.close()
      expect(removed).toHaveBeenCalled()
      controller.abort()
      expect(onSettled).not.toHaveBeenCalled()
    })

    test('no timer is left', async () => {
      const clock = manualClock()
      const scheduler = startJobs({ clock })
      await scheduler.add.double(1, { delayMs: 60_000 })
      await scheduler.add.double(1, { expiresInMs: 60_000, timeoutMs: 60_000 })
      await scheduler.onIdle()
      expect(clock.timers).toBeGreaterThan(0)
      await scheduler.close()
      expect(clock.timers).toBe(0)
    })
  })
})

describe('threads', () => {
  test('are started when needed, no more than `workers`', async () => {
    const scheduler = start('threads', 'unruly', { workers: 3 })
    expect(scheduler.stats().workers.online).toBe(0)
    expect(await scheduler.run.double(1)).toBe(2)
    expect(scheduler.stats().workers.online).toBe(1)
    const begun = new Set<string>()
    const areThreeBusy = new Promise<void>((resolve) =>
      scheduler.on('progress', ({ jobId }) => begun.add(jobId).size === 3 && resolve()),
    )
    await scheduler.addMany(Array.from({ length: 9 }, () => ({ name: 'polite' }) as const))
    await areThreeBusy
    expect(scheduler.stats()).toMatchObject({ workers: { online: 3, busy: 3, starting: 0 }, depth: 6 })
    await scheduler.cancel({ all: true })
  })

  test('without work for `idleMs` they end, down to `min`', async () => {
    const clock = manualClock()
    const scheduler = start('threads', 'jobs', { clock, workers: { min: 0, max: 1, idleMs: 1_000 } })
    await scheduler.run.double(1)
    const exit = heard(scheduler, 'worker:exit')
    clock.advance(1_000)
    expect((await exit).error).toBeUndefined()
    expect(scheduler.stats().workers.online).toBe(0)
    expect(await scheduler.run.double(2)).toBe(4)
  })

  test('nothing waits behind a long job while another thread has room', async () => {
    const scheduler = start('threads', 'unruly', { workers: 2 })
    const begun = heard(scheduler, 'progress')
    const long = await scheduler.add.polite()
    await begun
    expect(await scheduler.run.double(1)).toBe(2)
    expect(long.snapshot().state).toBe('running')
    await long.cancel()
  })
})

/** How many of so many jobs run at the same time at most. */
async function mostAtOnce(scheduler: ReturnType<typeof start<'jobs'>>, count: number): Promise<number> {
  let [running, most] = [0, 0]
  const stops = [
    scheduler.on('started', () => {
      running++
      most = Math.max(most, running)
    }),
    scheduler.on('completed', () => running--),
  ]
  await Promise.all(Array.from({ length: count }, () => scheduler.run.later(15)))
  for (const stop of stops) stop()
  return most
}

const idOf = (event: AnyEvent) => (event as { jobId?: string }).jobId

/** A handle taken apart, as UI libraries do. */
const handle = <Handle extends { snapshot(): unknown; subscribe(listener: () => void): () => void; result(): unknown }>(
  job: Handle,
) => ({
  snapshot: job.snapshot as Handle['snapshot'],
  subscribe: job.subscribe as Handle['subscribe'],
  result: () => job.result() as ReturnType<Handle['result']>,
})

test('close does not wait for a thread that is still loading', async () => {
  const silent = { serveInline: () => () => {} }
  const scheduler = createScheduler(silent)
  const result = scheduler.run.anything?.(1)
  const refused = expect(result).rejects.toMatchObject({ code: 'SCHEDULER_CLOSED' })
  await scheduler.close()
  await refused
})
