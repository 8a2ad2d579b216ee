// One protocol for `scheduler.events()`, `job.events()` and `job.values()`: that of async generators, and of web streams.
import type { EventStream, Scheduler } from 'offstage'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { jobs } from '../fixtures/jobs.ts'
import { isNode, type Place, places, start, turn, watchHost } from '../support/testing.ts'

type Jobs = Scheduler<typeof jobs>

interface Source {
  /** A stream on which nothing has come, and what makes something come. */
  quiet(scheduler: Jobs): Promise<{ readonly stream: EventStream<unknown>; readonly wake: () => void }>
  /** A stream on which several values wait, and what shows that its source is not held up by it. */
  full(scheduler: Jobs): Promise<{ readonly stream: EventStream<unknown>; readonly goesOn: () => Promise<unknown> }>
}

/** What a `send` job may have unread before it waits. */
const sentAhead = 16

/** A job that waits for the reader of its values, and has sent all that it may. */
async function sending(scheduler: Jobs) {
  scheduler.pause()
  const job = await scheduler.add.send(100)
  const streams = { values: job.values(), events: job.events() }
  const hasSentAll = new Promise<void>((resolve) => job.on('value', ({ value }) => value === sentAhead && resolve()))
  scheduler.resume()
  await hasSentAll
  return { job, ...streams }
}

async function waiting(scheduler: Jobs) {
  scheduler.pause()
  return { job: await scheduler.add.send(5), wake: () => scheduler.resume() }
}

const sources: Record<string, Source> = {
  'scheduler.events()': {
    async quiet(scheduler) {
      const { wake } = await waiting(scheduler)
      return { stream: scheduler.events({ type: 'value' }) as EventStream<unknown>, wake }
    },
    async full(scheduler) {
      const stream = scheduler.events() as EventStream<unknown>
      await scheduler.run.double(1)
      return { stream, goesOn: () => scheduler.run.double(2) }
    },
  },
  'job.events()': {
    async quiet(scheduler) {
      const { job, wake } = await waiting(scheduler)
      return { stream: job.events() as EventStream<unknown>, wake }
    },
    async full(scheduler) {
      const { job, events, values } = await sending(scheduler)
      const goesOn = async () => {
        await values.return()
        return job.result()
      }
      return { stream: events as EventStream<unknown>, goesOn }
    },
  },
  'job.values()': {
    async quiet(scheduler) {
      const { job, wake } = await waiting(scheduler)
      return { stream: job.values() as EventStream<unknown>, wake }
    },
    async full(scheduler) {
      const { job, values } = await sending(scheduler)
      return { stream: values as EventStream<unknown>, goesOn: () => job.result() }
    },
  },
}

const done = { done: true, value: undefined }

/** Compilers that know no `Symbol.asyncDispose` fall back on this one. */
const asyncDispose: typeof Symbol.asyncDispose = Symbol.asyncDispose ?? Symbol.for('Symbol.asyncDispose')

const waysOut: Readonly<Record<string, (stream: EventStream<unknown>) => Promise<unknown>>> = {
  break: async (stream) => {
    for await (const _ of stream) break
  },
  'return in the loop': async (stream) => {
    for await (const value of stream) return value
  },
  'throw in the loop': async (stream) => {
    const reading = (async () => {
      for await (const value of stream) throw value
    })()
    await reading.catch(() => {})
  },
  'return()': (stream) => stream.return(),
  'throw()': (stream) => stream.throw(new Error('enough')).catch(() => {}),
  asyncDispose: (stream) => stream[asyncDispose](),
  'cancel of its web stream': (stream) => stream.toReadableStream().cancel('enough'),
  'cancel of its web stream by a reader': async (stream) => {
    const reader = stream.toReadableStream().getReader()
    await reader.read()
    await reader.cancel()
  },
  ...(isNode && {
    'the end of its `Readable`': async (stream: EventStream<unknown>) => {
      const { Readable } = process.getBuiltinModule('node:stream')
      for await (const _ of Readable.fromWeb(stream.toReadableStream() as never, { objectMode: true })) break
    },
  }),
}

async function collect<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const values: T[] = []
  for await (const value of stream) values.push(value)
  return values
}

async function readAll<T>(stream: ReadableStream<T>): Promise<T[]> {
  const values: T[] = []
  await stream.pipeTo(new WritableStream({ write: (value) => void values.push(value) }))
  return values
}

/** Nobody is told by the host of a rejection that was caught. */
function quietHost(): void {
  const { uncaught, stop } = watchHost()
  onTestFinished(async () => {
    await turn()
    stop()
    expect(uncaught).toEqual([])
  })
}

describe.each(places)('%s:', (place: Place) => {
  const startJobs = (): Jobs => {
    quietHost()
    return start(place, 'jobs')
  }

  describe.each(Object.entries(sources))('%s', (_, { quiet, full }) => {
    test.each(Object.entries(waysOut))('is left at once, with values unread, by %s', async (_way, leave) => {
      const { stream, goesOn } = await full(startJobs())
      await leave(stream)
      expect(await stream.next()).toEqual(done)
      expect(await stream.next()).toEqual(done)
      await goesOn()
    })

    test('return() gives back what it is given, and awaits a promise of it', async () => {
      const { stream } = await full(startJobs())
      expect(await stream.return('mine')).toEqual({ done: true, value: 'mine' })
      expect(await stream.return(Promise.resolve('later'))).toEqual({ done: true, value: 'later' })
      expect(await stream.return()).toEqual(done)
      const error = new Error('no')
      await expect(stream.return(Promise.reject(error))).rejects.toBe(error)
      expect(await stream.next()).toEqual(done)
    })

    test('throw() ends it and rejects with what it is given, through `yield*` too', async () => {
      const { stream, goesOn } = await full(startJobs())
      async function* through() {
        yield* stream
      }
      const generator = through()
      expect(await generator.next()).toMatchObject({ done: false })
      const error = new Error('enough')
      await expect(generator.throw(error)).rejects.toBe(error)
      await expect(stream.throw(undefined)).rejects.toBeUndefined()
      expect(await stream.next()).toEqual(done)
      await goesOn()
    })

    test('has what every async iterator has', async () => {
      const { stream } = await quiet(startJobs())
      const { prototype } = Object.getPrototypeOf(async function* () {})
      const base = Object.getPrototypeOf(prototype)
      expect(Object.prototype.isPrototypeOf.call(base, stream)).toBe(true)
      expect(stream[Symbol.asyncIterator]()).toBe(stream)
      for (const member of Reflect.ownKeys(base)) expect(member in stream).toBe(true)
    })

    test('several reads may wait: they settle in order', async () => {
      const { stream, wake } = await quiet(startJobs())
      const order: number[] = []
      const reads = [0, 1, 2].map(async (index) => {
        const { value } = await stream.next()
        order.push(index)
        return value
      })
      wake()
      expect(new Set(await Promise.all(reads)).size).toBe(3)
      expect(order).toEqual([0, 1, 2])
      await stream.return()
    })

    test('leaving while reads wait ends them first, and later reads settle later', async () => {
      const { stream } = await quiet(startJobs())
      const order: string[] = []
      const note = async (name: string, asked: Promise<unknown>) => {
        const answer = await asked.catch((error: unknown) => error)
        order.push(name)
        return answer
      }
      let give = (_value: string) => {}
      const given = new Promise<string>((resolve) => {
        give = resolve
      })
      const asked = [
        note('first', stream.next()),
        note('second', stream.next()),
        note('return', stream.return(given)),
        note('next', stream.next()),
        note('throw', stream.throw('no')),
        note('again', stream.return('again')),
      ]
      await turn()
      expect(order).toEqual(['first', 'second'])
      give('mine')
      expect(await Promise.all(asked)).toEqual([
        done,
        done,
        { done: true, value: 'mine' },
        done,
        'no',
        { done: true, value: 'again' },
      ])
      expect(order).toEqual(['first', 'second', 'return', 'next', 'throw', 'again'])
    })

    test('after the end of its source what is unread can be read, or left', async () => {
      const scheduler = startJobs()
      const { stream, wake } = await quiet(scheduler)
      wake()
      await scheduler.onIdle()
      await scheduler.close()
      expect(await stream.next()).toMatchObject({ done: false })
      expect((await collect(stream)).length).toBeGreaterThanOrEqual(3)
      expect(await stream.next()).toEqual(done)
      expect(await stream.return(1)).toEqual({ done: true, value: 1 })
    })

    test('a web stream of it: locked by its reader, and closed at the end', async () => {
      const scheduler = startJobs()
      const { stream, wake } = await quiet(scheduler)
      const web = stream.toReadableStream()
      const reader = web.getReader()
      expect(() => web.getReader()).toThrow(TypeError)
      const reads = [reader.read(), reader.read()]
      wake()
      const [first, second] = await Promise.all(reads)
      expect([first?.done, second?.done]).toEqual([false, false])
      expect(first?.value).not.toBe(second?.value)
      await scheduler.onIdle()
      await scheduler.close()
      reader.releaseLock()
      expect((await readAll(web)).length).toBeGreaterThanOrEqual(2)
      await web.getReader().closed
    })

    test('a web stream of it can be cancelled while a read waits', async () => {
      const { stream } = await quiet(startJobs())
      const reader = stream.toReadableStream().getReader()
      const reading = reader.read()
      await turn()
      await reader.cancel(new Error('enough'))
      expect(await reading).toEqual(done)
      expect(await stream.next()).toEqual(done)
    })

    test('a web stream of it can be teed', async () => {
      const scheduler = startJobs()
      const { stream, wake } = await quiet(scheduler)
      const [one, other] = stream.toReadableStream().tee()
      wake()
      await scheduler.onIdle()
      await scheduler.close()
      const both = await Promise.all([readAll(one as ReadableStream), readAll(other as ReadableStream)])
      expect(both[0]).toEqual(both[1])
      expect(both[0]?.length).toBeGreaterThanOrEqual(4)
    })

    test('a pipe that breaks leaves it', async () => {
      const { stream, goesOn } = await full(startJobs())
      const broken = new Error('the pipe broke')
      const sink = new WritableStream({
        write() {
          throw broken
        },
      })
      await expect(stream.toReadableStream().pipeTo(sink)).rejects.toBe(broken)
      expect(await stream.next()).toEqual(done)
      await goesOn()
    })

    test('read both ways, each value goes to one of them', async () => {
      const scheduler = startJobs()
      const { stream, wake } = await quiet(scheduler)
      const reader = stream.toReadableStream().getReader()
      wake()
      const values = [(await stream.next()).value, (await reader.read()).value, (await stream.next()).value]
      expect(new Set(values).size).toBe(3)
      await reader.cancel()
      expect(await stream.next()).toEqual(done)
    })
  })

  test('job.values() as a web stream holds nothing in reserve: the handler waits for the reader', async () => {
    const scheduler = startJobs()
    scheduler.pause()
    const job = await scheduler.add.send(60)
    const reader = job.values().toReadableStream().getReader()
    let sent = 0
    job.on('value', () => sent++)
    scheduler.resume()
    for (let taken = 1; taken <= 60; taken++) {
      expect(await reader.read()).toEqual({ done: false, value: taken })
      expect(sent - taken).toBeLessThanOrEqual(sentAhead)
    }
    expect(await job.result()).toBe(60)
    expect(await reader.read()).toEqual(done)
  })

  test('after a reader of job.values() has left, another reads on to the end', async () => {
    const scheduler = startJobs()
    const { job, values } = await sending(scheduler)
    for await (const value of values) if (value === 3) break
    const rest = await collect(job.values())
    expect(rest.at(-1)).toBe(100)
    expect(rest).toEqual(rest.map((_, index) => (rest[0] as number) + index))
    expect(await job.result()).toBe(100)
    expect(await collect(job.values())).toEqual([])
  })

  test('when no events are read, the oldest are dropped and counted', async () => {
    const scheduler = startJobs()
    const events = scheduler.events({ type: ['added', 'completed'] })
    await scheduler.addMany(Array.from({ length: 600 }, (_, input) => ({ name: 'double', input }) as const))
    await scheduler.onIdle()
    await scheduler.close()
    expect(events.dropped).toBe(1_200 - 1_024)
    const rest = await collect(events)
    expect(rest).toHaveLength(1_024)
    expect(rest.at(-1)).toMatchObject({ type: 'completed', result: 1_198 })
  })
})
