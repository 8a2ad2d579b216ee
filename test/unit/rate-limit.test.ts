// A rate limit: no span of its interval has more starts than it says, and nobody waits longer than that takes.
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { type RateLimit, RateWindow } from '../../src/queue/rate-limit.ts'

/** The most starts in any span of the interval. */
const mostIn = (starts: readonly number[], intervalMs: number): number =>
  Math.max(0, ...starts.map((from) => starts.filter((at) => at >= from && at < from + intervalMs).length))

const start = (window: RateWindow, now: number) => {
  window.entered()
  window.sent(now)
  window.began(now)
}

/** Starts as soon as it may, for somebody who asks at these moments. */
function startAt(moments: readonly number[], rateLimit: RateLimit): number[] {
  const window = new RateWindow(rateLimit)
  return moments.filter((now) => {
    if (!window.mayStart(now)) return false
    start(window, now)
    return true
  })
}

const rateLimits = fc.record({ limit: fc.integer({ min: 1, max: 8 }), intervalMs: fc.integer({ min: 1, max: 50 }) })
/** In eighths, so that sums are exact. */
const moments = fc.array(fc.integer({ min: 0, max: 400 }), { maxLength: 300 }).map((gaps) => {
  let now = 0
  return gaps.map((gap) => {
    now += gap / 8
    return now
  })
})

test('starts that are exactly an interval apart are fine, and less is not', () => {
  const window = new RateWindow({ limit: 2, intervalMs: 100 })
  for (const now of [0, 30]) start(window, now)
  expect(window.mayStart(99.9)).toBe(false)
  expect(window.nextStartAt(99.9)).toBe(100)
  expect(window.mayStart(100)).toBe(true)
  start(window, 100)
  expect(window.nextStartAt(100)).toBe(130)
})

test('an admitted job may start at any moment until its start is reported, and counts from then', () => {
  const window = new RateWindow({ limit: 2, intervalMs: 100 })
  for (let n = 0; n < 2; n++) window.entered()
  expect(window.nextStartAt(500)).toBe(Number.POSITIVE_INFINITY)
  for (let n = 0; n < 2; n++) window.sent(500)
  window.began(530)
  expect(window.nextStartAt(540)).toBe(600)
  window.began(550)
  expect(window.nextStartAt(600)).toBe(630)
})

test('a start that is never reported counts from when it was sent', () => {
  const window = new RateWindow({ limit: 1, intervalMs: 100 })
  window.entered()
  window.sent(10)
  expect(window.nextStartAt(50)).toBe(110)
  expect(window.mayStart(110)).toBe(true)
  // Heard of at last: it is the end of it, not its start.
  window.began(200)
  expect(window.mayStart(200)).toBe(true)
})

test('another limit counts what has started under the old one', () => {
  const first = new RateWindow({ limit: 2, intervalMs: 100 })
  for (const now of [0, 50]) start(first, now)
  const same = new RateWindow({ limit: 2, intervalMs: 100 }, first)
  expect(same.nextStartAt(60)).toBe(100)
  expect(new RateWindow({ limit: 3, intervalMs: 100 }, same).mayStart(60)).toBe(true)
  expect(new RateWindow({ limit: 1, intervalMs: 100 }, same).nextStartAt(60)).toBe(150)
  expect(new RateWindow({ limit: 1, intervalMs: 20 }, same).nextStartAt(60)).toBe(70)
})

test('never more than the limit, and never later than needed', () => {
  const property = fc.property(rateLimits, moments, (rateLimit, asked) => {
    const { limit, intervalMs } = rateLimit
    const starts = startAt(asked, rateLimit)
    expect(mostIn(starts, intervalMs)).toBeLessThanOrEqual(limit)
    // Whoever was refused would have been one too many.
    for (const now of asked.filter((moment) => !starts.includes(moment)))
      expect(starts.filter((at) => at <= now && at > now - intervalMs)).toHaveLength(limit)
  })
  fc.assert(property, { numRuns: 300 })
})

test('whenever a job starts between being sent and being reported: never more than the limit', () => {
  const delays = fc.array(fc.integer({ min: 0, max: 30 }), { minLength: 40, maxLength: 40 })
  const property = fc.property(rateLimits, moments, delays, delays, (rateLimit, asked, sendMs, hearMs) => {
    const { limit, intervalMs } = rateLimit
    const window = new RateWindow(rateLimit)
    const bounds: (readonly [sent: number, heard: number])[] = []
    const later: { at: number; call: (now: number) => void }[] = []
    const passUntil = (now: number) => {
      later.sort((a, b) => a.at - b.at)
      for (let next = later[0]; next && next.at <= now; next = later[0]) {
        later.shift()
        next.call(next.at)
        later.sort((a, b) => a.at - b.at)
      }
    }
    for (const now of asked) {
      passUntil(now)
      if (!window.mayStart(now)) continue
      const index = bounds.length % 40
      const sent = now + (sendMs[index] as number)
      // Heard of within an interval: what is not, nobody can tell.
      const heard = sent + Math.min(hearMs[index] as number, intervalMs - 1 / 8)
      bounds.push([sent, heard])
      window.entered()
      later.push({ at: sent, call: (at) => window.sent(at) }, { at: heard, call: (at) => window.began(at) })
    }
    for (const pick of [0, 1] as const) {
      const starts = bounds.map((bound) => bound[pick])
      expect(mostIn(starts, intervalMs)).toBeLessThanOrEqual(limit)
    }
    // The one whose span it is begins as late as can be, all behind it as early as can be.
    for (const [, from] of bounds)
      expect(
        bounds.filter(([sent, heard]) => heard >= from && sent < from + intervalMs && sent >= from).length,
      ).toBeLessThan(limit + 1)
  })
  fc.assert(property, { numRuns: 300 })
})

test('`nextStartAt` is the first moment at which one may start', () => {
  const property = fc.property(rateLimits, moments, (rateLimit, asked) => {
    const window = new RateWindow(rateLimit)
    for (const now of asked) {
      const next = window.nextStartAt(now)
      if (next > now) expect(window.mayStart(next - 1 / 8)).toBe(false)
      else start(window, now)
    }
  })
  fc.assert(property, { numRuns: 300 })
})
