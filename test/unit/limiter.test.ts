// Who may start, and when: concurrency, rate limit and pause of one queue.
import { expect, test, vi } from 'vitest'
import { Limiter } from '../../src/queue/limiter.ts'
import type { RateLimit } from '../../src/queue/rate-limit.ts'
import { manualClock } from '../../src/shared/manual-clock.ts'
import { TimerQueue } from '../../src/timers/timer-queue.ts'
import { turn } from '../support/testing.ts'

/** A queue with endless work: starts whatever the limiter lets through. */
const busyQueue = (concurrency: number, rateLimit?: RateLimit) => {
  const clock = manualClock()
  const starts: number[] = []
  const limiter: Limiter = new Limiter(concurrency, rateLimit, new TimerQueue(clock), () => pump())
  const queue = { limiter, starts, clock, pump: () => pump(), hasThread: true }
  const pump = () => {
    while (queue.hasThread && limiter.hasRoom() && limiter.acquire()) {
      limiter.pace.sent()
      limiter.pace.began()
      starts.push(clock.monotonic())
    }
  }
  return queue
}

const expectWithin = (starts: readonly number[], { limit, intervalMs }: RateLimit) => {
  for (const from of starts)
    expect(starts.filter((at) => at >= from && at < from + intervalMs).length).toBeLessThanOrEqual(limit)
}

test('so many run at a time, and each that ends makes room for one', () => {
  const { limiter, starts, pump } = busyQueue(3)
  pump()
  expect(starts).toHaveLength(3)
  limiter.leave()
  pump()
  expect(starts).toHaveLength(4)
  expect(limiter.running).toBe(3)
})

test('more or less concurrency takes effect at once, and what runs goes on', async () => {
  const { limiter, starts } = busyQueue(2)
  limiter.setConcurrency(4)
  await turn()
  expect(starts).toHaveLength(4)
  limiter.setConcurrency(1)
  for (let n = 0; n < 3; n++) limiter.leave()
  await turn()
  expect([limiter.running, limiter.hasRoom()]).toEqual([1, false])
  limiter.leave()
  expect(limiter.hasRoom()).toBe(true)
})

test('a limit where there was none, and the other way round', async () => {
  const { limiter, starts, pump } = busyQueue(Number.POSITIVE_INFINITY)
  for (let n = 0; n < 5; n++) expect(limiter.hasRoom() && limiter.acquire()).toBe(true)
  limiter.setConcurrency(3)
  expect(limiter.hasRoom()).toBe(false)
  for (let n = 0; n < 3; n++) limiter.leave()
  pump()
  expect([starts.length, limiter.running]).toEqual([1, 3])
  limiter.leave()
  pump()
  expect([starts.length, limiter.running]).toEqual([2, 3])
  limiter.leave()
  // The one who starts whatever the limiter lets through would never end.
  limiter.pause()
  limiter.setConcurrency(Number.POSITIVE_INFINITY)
  limiter.setConcurrency(4)
  limiter.resume()
  await turn()
  expect(limiter.running).toBe(4)
})

test('a pause starts nothing, and a resume goes on', () => {
  const { limiter, starts, pump } = busyQueue(1)
  limiter.pause()
  pump()
  expect(starts).toHaveLength(0)
  limiter.resume()
  expect(starts).toHaveLength(1)
})

test('in no span of the interval do more start than the limit says, and as many do', () => {
  const rateLimit = { limit: 3, intervalMs: 1_000 }
  const { starts, clock, pump } = busyQueue(Number.POSITIVE_INFINITY, rateLimit)
  pump()
  clock.advance(5_000)
  expect(starts).toEqual([0, 1_000, 2_000, 3_000, 4_000, 5_000].flatMap((at) => [at, at, at]))
})

test('a wall clock that is set back or ahead changes nothing', () => {
  const { starts, clock, pump } = busyQueue(Number.POSITIVE_INFINITY, { limit: 1, intervalMs: 1_000 })
  pump()
  for (const jumpMs of [-3_600_000, 7_200_000]) {
    clock.setWall(clock.now() + jumpMs)
    pump()
    clock.advance(1_000)
  }
  expect(starts).toEqual([0, 1_000, 2_000])
})

test('a rest: no job starts until it is over; a shorter one changes nothing', () => {
  const { limiter, starts, clock, pump } = busyQueue(1)
  limiter.pace.rest(1_000)
  limiter.pace.rest(10)
  clock.setWall(clock.now() + 3_600_000)
  pump()
  expect([limiter.pace.waitMs, limiter.hasSettings]).toEqual([1_000, true])
  clock.advance(999)
  expect(starts).toEqual([])
  clock.advance(1)
  expect([starts, limiter.pace.waitMs, limiter.hasSettings]).toEqual([[1_000], 0, true])
})

test('after a rest it differs from a new one until it has called back, which may be late; it calls back once', () => {
  const clock = manualClock()
  const onOpen = vi.fn()
  const limiter = new Limiter(Number.POSITIVE_INFINITY, undefined, new TimerQueue(clock), onOpen)
  const look = () => [limiter.pace.isFresh, limiter.hasSettings, onOpen.mock.calls.length]
  clock.advance(1)
  limiter.pace.rest(0)
  expect([limiter.isOpen(), limiter.acquire()]).toEqual([true, true])
  limiter.leave()
  expect(look()).toEqual([false, true, 0])
  limiter.pace.rest(10)
  limiter.pace.rest(20)
  clock.advance(10)
  expect(look()).toEqual([false, true, 0])
  clock.advance(10)
  expect(look()).toEqual([true, false, 1])
})

test('a start that could be, and for which there was no thread, is not kept for later', () => {
  const rateLimit = { limit: 1, intervalMs: 1_000 }
  const queue = busyQueue(Number.POSITIVE_INFINITY, rateLimit)
  queue.pump()
  queue.hasThread = false
  queue.clock.advance(1_500)
  queue.hasThread = true
  queue.pump()
  queue.clock.advance(3_000)
  expect(queue.starts).toEqual([0, 1_500, 2_500, 3_500, 4_500])
})

test('a start counts from when it is reported: the store and the worker may take their time', () => {
  const { limiter, clock, pump, starts } = busyQueue(Number.POSITIVE_INFINITY, { limit: 2, intervalMs: 1_000 })
  expect([limiter.acquire(), limiter.acquire(), limiter.acquire()]).toEqual([true, true, false])
  clock.advance(5_000)
  expect([limiter.acquire(), starts]).toEqual([false, []])
  for (let n = 0; n < 2; n++) limiter.pace.sent()
  clock.advance(900)
  for (let n = 0; n < 2; n++) limiter.pace.began()
  expect(limiter.acquire()).toBe(false)
  clock.advance(999)
  expect(starts).toEqual([])
  clock.advance(1)
  pump()
  expect(starts).toEqual([6_900, 6_900])
})

test('another limit takes effect at once, and counts what has started', () => {
  const { limiter, starts, clock, pump } = busyQueue(10, { limit: 2, intervalMs: 60_000 })
  pump()
  for (let n = 0; n < 5; n++) limiter.setRateLimit({ limit: 2, intervalMs: 60_000 })
  expect(starts).toHaveLength(2)
  limiter.setRateLimit({ limit: 3, intervalMs: 60_000 })
  expect(starts).toHaveLength(3)
  clock.advance(60_000)
  expectWithin(starts, { limit: 3, intervalMs: 60_000 })
  limiter.setRateLimit(undefined)
  expect(starts).toHaveLength(10)
})

test('one timer, however many jobs wait, and none when none waits or all are paused', () => {
  const { limiter, clock, pump } = busyQueue(Number.POSITIVE_INFINITY, { limit: 2, intervalMs: 1_000 })
  for (let n = 0; n < 5; n++) pump()
  expect(clock.timers).toBe(1)
  limiter.drain()
  expect(clock.timers).toBe(0)
  pump()
  limiter.pause()
  expect(clock.timers).toBe(0)
  limiter.resume()
  expect(clock.timers).toBe(1)
})

test('with a clock that rounds, every job waits that much longer', () => {
  const clock = manualClock()
  const timers = new TimerQueue({ ...clock, resolutionMs: 1 })
  const limiter = new Limiter(Number.POSITIVE_INFINITY, { limit: 1, intervalMs: 100 }, timers, () => {})
  limiter.acquire()
  limiter.pace.sent()
  limiter.pace.began()
  clock.advance(100)
  expect(limiter.acquire()).toBe(false)
  clock.advance(1)
  expect(limiter.acquire()).toBe(true)
})
