// Events for one reader: nothing is missed from the moment the stream is made, and a slow reader costs bounded memory.
import { expect, test } from 'vitest'
import { BufferedStream } from '../../src/events/stream.ts'
import { asyncDispose } from '../../src/shared/async-dispose.ts'

const read = async <T>(stream: AsyncIterable<T>): Promise<T[]> => {
  const values: T[] = []
  for await (const value of stream) values.push(value)
  return values
}

test('what came before the reader did is there', async () => {
  const stream = new BufferedStream<number>({ capacity: 10 })
  stream.push(1)
  const reading = read(stream)
  stream.push(2)
  stream.end()
  expect(await reading).toEqual([1, 2])
})

test('beyond its capacity the oldest is dropped, and counted', async () => {
  const stream = new BufferedStream<number>({ capacity: 3 })
  for (let n = 1; n <= 5; n++) stream.push(n)
  stream.end()
  expect(await read(stream)).toEqual([3, 4, 5])
  expect(stream.dropped).toBe(2)
})

test('thousands of values stay in order', async () => {
  const stream = new BufferedStream<number>({ capacity: Number.POSITIVE_INFINITY })
  const values = Array.from({ length: 5_000 }, (_, n) => n)
  for (const value of values) stream.push(value)
  stream.end()
  expect(await read(stream)).toEqual(values)
})

const waysOut: Record<string, (stream: BufferedStream<number>) => Promise<unknown>> = {
  break: async (stream) => {
    for await (const _ of stream) break
  },
  'return()': (stream) => stream.return(),
  'throw()': (stream) => stream.throw('enough').catch(() => {}),
  dispose: (stream) => stream[asyncDispose](),
  'a cancelled web stream': (stream) => stream.toReadableStream().cancel(),
  'the end of its source': (stream) => {
    stream.end()
    return read(stream)
  },
}

test.each(Object.entries(waysOut))('%s closes it once, and what was not read counts as taken', async (_, leave) => {
  const taken: number[] = []
  let closed = 0
  const stream = new BufferedStream<number>({ capacity: 10, onTake: (n) => taken.push(n), onClose: () => closed++ })
  for (const n of [1, 2, 3]) stream.push(n)
  await leave(stream)
  stream.push(4)
  stream.end()
  await stream.return()
  expect([taken, closed]).toEqual([[1, 2, 3], 1])
  expect(await stream.next()).toEqual({ done: true, value: undefined })
})

test('without anybody to tell of what was taken, it is left just the same', async () => {
  const stream = new BufferedStream<number>({ capacity: 10 })
  for (const n of [1, 2, 3]) stream.push(n)
  expect(await stream.return()).toEqual({ done: true, value: undefined })
})

test('several reads may wait at a time', async () => {
  const stream = new BufferedStream<number>({ capacity: 10 })
  const reads = [stream.next(), stream.next(), stream.next()]
  stream.push(1)
  stream.push(2)
  stream.end()
  expect((await Promise.all(reads)).map(({ value }) => value)).toEqual([1, 2, undefined])
})

test('it is a web stream on request', async () => {
  const stream = new BufferedStream<number>({ capacity: 10 })
  const reader = stream.toReadableStream().getReader()
  stream.push(1)
  expect(await reader.read()).toEqual({ done: false, value: 1 })
  await reader.cancel()
  expect(await stream.next()).toEqual({ done: true, value: undefined })
})
