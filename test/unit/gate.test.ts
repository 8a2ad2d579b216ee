// Who may start, and when: concurrency, rate limit and pause of one queue.
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Gate, type RateLimit } from '../../src/queue/gate.ts'

// p-queue keeps its windows with the global timers and clock.
beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** A queue with endless work: starts whatever the gate lets through. */
const busyQueue = (concurrency: number, rateLimit?: RateLimit) => {
  const starts: number[] = []
  const gate: Gate = new Gate(concurrency, rateLimit, () => pump())
  const pump = () => {
    while (gate.hasRoom() && gate.enter()) starts.push(Date.now())
  }
  return { gate, starts, pump }
}

test('so many run at a time, and each that ends makes room for one', () => {
  const { gate, starts, pump } = busyQueue(3)
  pump()
  expect(starts).toHaveLength(3)
  gate.leave()
  pump()
  expect(starts).toHaveLength(4)
  expect(gate.running).toBe(3)
})

test('more or less concurrency takes effect at once, and what runs goes on', async () => {
  const { gate, starts } = busyQueue(2)
  gate.setConcurrency(4)
  await vi.advanceTimersByTimeAsync(0)
  expect(starts).toHaveLength(4)
  gate.setConcurrency(1)
  for (let n = 0; n < 3; n++) gate.leave()
  await vi.advanceTimersByTimeAsync(0)
  expect([gate.running, gate.hasRoom()]).toEqual([1, false])
  gate.leave()
  expect(gate.hasRoom()).toBe(true)
})

test('a limit where there was none, and the other way round', async () => {
  const { gate, starts, pump } = busyQueue(Number.POSITIVE_INFINITY)
  for (let n = 0; n < 5; n++) expect(gate.hasRoom() && gate.enter()).toBe(true)
  gate.setConcurrency(3)
  expect(gate.hasRoom()).toBe(false)
  for (let n = 0; n < 3; n++) gate.leave()
  pump()
  expect([starts.length, gate.running]).toEqual([1, 3])
  gate.leave()
  pump()
  expect([starts.length, gate.running]).toEqual([2, 3])
  gate.leave()
  // The one who starts whatever the gate lets through would never end.
  gate.pause()
  gate.setConcurrency(Number.POSITIVE_INFINITY)
  gate.setConcurrency(4)
  gate.resume()
  await vi.advanceTimersByTimeAsync(0)
  expect(gate.running).toBe(4)
})

test('a pause starts nothing, and a resume goes on', () => {
  const { gate, starts, pump } = busyQueue(1)
  gate.pause()
  pump()
  expect(starts).toHaveLength(0)
  gate.resume()
  expect(starts).toHaveLength(1)
})

test('in no span of the interval do more start than the limit says', async () => {
  const limit = 3
  const intervalMs = 1_000
  const { gate, starts, pump } = busyQueue(Number.POSITIVE_INFINITY, { limit, intervalMs })
  for (let ms = 0; ms < 5_000; ms += 70) {
    pump()
    while (gate.running > 0) gate.leave()
    await vi.advanceTimersByTimeAsync(70)
  }
  expect(starts.length).toBeGreaterThanOrEqual(limit * 4)
  for (const from of starts) {
    expect(starts.filter((at) => at >= from && at < from + intervalMs).length).toBeLessThanOrEqual(limit)
  }
})

test('a start that was granted while there was no room is not kept for later', async () => {
  let hasThread = true
  const starts: number[] = []
  const gate: Gate = new Gate(Number.POSITIVE_INFINITY, { limit: 1, intervalMs: 1_000 }, () => pump())
  const pump = () => {
    while (hasThread && gate.hasRoom() && gate.enter()) starts.push(Date.now())
  }
  pump()
  hasThread = false
  await vi.advanceTimersByTimeAsync(1_500) // A start is granted here, and nobody can use it.
  hasThread = true
  pump()
  await vi.advanceTimersByTimeAsync(3_000)
  for (const [index, at] of starts.entries())
    if (index > 0) expect(at - (starts[index - 1] as number)).toBeGreaterThanOrEqual(1_000)
  expect(starts.length).toBeGreaterThan(2)
})

test('another limit takes effect at once, and none lets all start', async () => {
  const { gate, starts, pump } = busyQueue(10, { limit: 1, intervalMs: 60_000 })
  pump()
  expect(starts).toHaveLength(1)
  gate.setRateLimit(undefined)
  expect(starts).toHaveLength(10)
})

test('nothing is left behind when nothing waits', async () => {
  const { gate, pump } = busyQueue(2, { limit: 2, intervalMs: 1_000 })
  pump()
  gate.leave()
  gate.leave()
  gate.drain()
  await vi.advanceTimersByTimeAsync(2_000)
  expect(vi.getTimerCount()).toBe(0)
})
