// A rate limit: no span of its interval has more starts than it says, and nobody waits longer than that takes.
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { type RateLimit, RateLimiter, rateLimitTypes } from '../../src/queue/rate-limit.ts'

/** The most starts in any span of the interval. */
const mostIn = (starts: readonly number[], intervalMs: number): number =>
  Math.max(0, ...starts.map((from) => starts.filter((at) => at >= from && at < from + intervalMs).length))

const mayStart = (rate: RateLimiter, now: number): boolean => rate.nextStartAt(now) <= now

const start = (rate: RateLimiter, now: number) => {
  rate.entered(now)
  rate.sent(now)
  rate.began(now)
}

/** Starts as soon as it may, for somebody who asks at these moments. */
function startAt(moments: readonly number[], rateLimit: RateLimit): number[] {
  const rate = new RateLimiter(rateLimit, 0)
  return moments.filter((now) => {
    if (!mayStart(rate, now)) return false
    start(rate, now)
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
  const rate = new RateLimiter({ limit: 2, intervalMs: 100 }, 0)
  for (const now of [0, 30]) start(rate, now)
  expect(mayStart(rate, 99.9)).toBe(false)
  expect(rate.nextStartAt(99.9)).toBe(100)
  expect(mayStart(rate, 100)).toBe(true)
  start(rate, 100)
  expect(rate.nextStartAt(100)).toBe(130)
})

test('an admitted job may start at any moment until its start is reported, and counts from then', () => {
  const rate = new RateLimiter({ limit: 2, intervalMs: 100 }, 0)
  for (let n = 0; n < 2; n++) rate.entered(0)
  expect(rate.nextStartAt(500)).toBe(Number.POSITIVE_INFINITY)
  for (let n = 0; n < 2; n++) rate.sent(500)
  rate.began(530)
  expect(rate.nextStartAt(540)).toBe(600)
  rate.began(550)
  expect(rate.nextStartAt(600)).toBe(630)
})

test('a start that is never reported counts from when it was sent', () => {
  const rate = new RateLimiter({ limit: 1, intervalMs: 100 }, 0)
  rate.entered(0)
  rate.sent(10)
  expect(rate.nextStartAt(50)).toBe(110)
  expect(mayStart(rate, 110)).toBe(true)
  // Heard of at last: it is the end of it, not its start.
  rate.began(200)
  expect(mayStart(rate, 200)).toBe(true)
})

test('another limit counts what has started under the old one', () => {
  const first = new RateLimiter({ limit: 2, intervalMs: 100 }, 0)
  for (const now of [0, 50]) start(first, now)
  const same = new RateLimiter({ limit: 2, intervalMs: 100 }, 60, first)
  expect(same.nextStartAt(60)).toBe(100)
  expect(mayStart(new RateLimiter({ limit: 3, intervalMs: 100 }, 60, same), 60)).toBe(true)
  expect(new RateLimiter({ limit: 1, intervalMs: 100 }, 60, same).nextStartAt(60)).toBe(150)
  expect(new RateLimiter({ limit: 1, intervalMs: 20 }, 60, same).nextStartAt(60)).toBe(70)
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

/** When a job was let in, sent, and when its start was reported. */
interface Start {
  readonly entered: number
  readonly sent: number
  readonly heard: number
}

/** Lets in whoever asks as soon as it may; each start is sent and reported so much later. */
function startsOf(rateLimit: RateLimit, asked: readonly number[], sendMs: number[], hearMs: number[]): Start[] {
  const rate = new RateLimiter(rateLimit, 0)
  const starts: Start[] = []
  const later: { at: number; call: (now: number) => void }[] = []
  const passUntil = (now: number) => {
    for (;;) {
      later.sort((a, b) => a.at - b.at)
      if (!later[0] || later[0].at > now) return
      const { at, call } = later.shift()!
      call(at)
    }
  }
  for (const entered of asked) {
    passUntil(entered)
    if (!mayStart(rate, entered)) continue
    const index = starts.length % 40
    const sent = entered + sendMs[index]!
    // Heard of within each span of the limit: what is not, nobody can tell.
    const heard = sent + Math.min(hearMs[index]!, Math.min(rateLimit.intervalMs, rateLimit.minGapMs ?? 50) - 1 / 8)
    starts.push({ entered, sent, heard })
    rate.entered(entered)
    later.push({ at: sent, call: (at) => rate.sent(at) }, { at: heard, call: (at) => rate.began(at) })
  }
  return starts
}

const delays = fc.array(fc.integer({ min: 0, max: 30 }), { minLength: 40, maxLength: 40 })

/** `check` holds whenever the jobs start between being sent and being reported. */
function holds<Limit extends RateLimit>(limits: fc.Arbitrary<Limit>, check: (starts: Start[], limit: Limit) => void) {
  const property = fc.property(limits, moments, delays, delays, (limit, asked, sendMs, hearMs) =>
    check(startsOf(limit, asked, sendMs, hearMs), limit),
  )
  fc.assert(property, { numRuns: 300 })
}

const picks = ['sent', 'heard'] as const
const sorted = (moments: readonly number[]) => [...moments].sort((a, b) => a - b)

test('sliding window: whenever a job starts between being sent and being reported, never more than the limit', () => {
  holds(rateLimits, (starts, { limit, intervalMs }) => {
    for (const pick of picks)
      expect(
        mostIn(
          starts.map((start) => start[pick]),
          intervalMs,
        ),
      ).toBeLessThanOrEqual(limit)
    // The one whose span it is begins as late as can be, all behind it as early as can be.
    for (const { heard: from } of starts)
      expect(
        starts.filter(({ sent, heard }) => heard >= from && sent < from + intervalMs && sent >= from).length,
      ).toBeLessThan(limit + 1)
  })
})

test('fixed window: never more than the limit in a window', () => {
  const limits = rateLimits.map((limit) => ({ ...limit, type: 'fixed-window' as const }))
  holds(limits, (starts, { limit, intervalMs }) => {
    const windows: number[] = []
    for (const { entered } of starts)
      if (entered >= (windows.at(-1) ?? Number.NEGATIVE_INFINITY) + intervalMs) windows.push(entered)
    // What is heard of at the moment when a window begins has begun before.
    const isIn = { sent: (at: number, from: number) => at >= from, heard: (at: number, from: number) => at > from }
    for (const pick of picks)
      for (const from of windows)
        expect(
          starts.filter((start) => isIn[pick](start[pick], from) && start[pick] < from + intervalMs).length,
        ).toBeLessThanOrEqual(limit)
  })
})

test('token bucket: in no span more than the burst and what has come meanwhile', () => {
  const limits = fc
    .tuple(rateLimits, fc.integer({ min: 1, max: 12 }))
    .map(([limit, burst]) => ({ ...limit, burst, type: 'token-bucket' as const }))
  holds(limits, (starts, { limit, intervalMs, burst }) => {
    for (const pick of picks) {
      const at = sorted(starts.map((start) => start[pick]))
      for (let from = 0; from < at.length; from++)
        for (let to = from; to < at.length; to++)
          expect(to - from + 1).toBeLessThanOrEqual(burst + ((at[to]! - at[from]!) * limit) / intervalMs + 1e-6)
    }
  })
})

test('a shortest time between two starts, beside each kind of limit', () => {
  const limits = fc
    .tuple(rateLimits, fc.integer({ min: 1, max: 40 }), fc.constantFrom(...rateLimitTypes))
    .map(([limit, minGapMs, type]) => ({ ...limit, type, minGapMs }))
  holds(limits, (starts, { minGapMs }) => {
    for (let index = 1; index < starts.length; index++)
      expect(starts[index]!.sent - starts[index - 1]!.heard).toBeGreaterThanOrEqual(minGapMs)
  })
})

test('fixed window: all at once as soon as the next begins', () => {
  const rate = new RateLimiter({ type: 'fixed-window', limit: 2, intervalMs: 100 }, 0)
  for (const now of [500, 590]) start(rate, now)
  expect(rate.nextStartAt(595)).toBe(600)
  for (const now of [600, 600]) start(rate, now)
  expect(rate.nextStartAt(600)).toBe(700)
  // The next begins with its first start.
  start(rate, 950)
  start(rate, 1_049)
  expect(rate.nextStartAt(1_049)).toBe(1_050)
})

test('token bucket: after a pause a burst, then one whenever a token comes', () => {
  const rate = new RateLimiter({ type: 'token-bucket', limit: 2, intervalMs: 100, burst: 4 }, 0)
  for (let n = 0; n < 4; n++) start(rate, 1_000)
  expect(rate.nextStartAt(1_000)).toBe(1_050)
  start(rate, 1_050)
  expect(rate.nextStartAt(1_075)).toBe(1_100)
  expect(mayStart(rate, 1_099)).toBe(false)
  // By default it holds as many as come in one interval.
  const plain = new RateLimiter({ type: 'token-bucket', limit: 3, intervalMs: 100 }, 0)
  for (let n = 0; n < 3; n++) start(plain, 0)
  expect(mayStart(plain, 1)).toBe(false)
})

test('token bucket: no token comes for a start that is still to come', () => {
  const rate = new RateLimiter({ type: 'token-bucket', limit: 1, intervalMs: 100 }, 0)
  rate.entered(0)
  expect(rate.nextStartAt(1_000)).toBe(Number.POSITIVE_INFINITY)
  rate.sent(1_000)
  rate.began(1_010)
  expect(rate.nextStartAt(1_010)).toBe(1_110)
})

test('token bucket: a start that is never reported is over one interval after it was sent', () => {
  const rate = new RateLimiter({ type: 'token-bucket', limit: 2, intervalMs: 100 }, 0)
  for (const now of [0, 10]) {
    rate.entered(now)
    rate.sent(now)
  }
  expect(rate.nextStartAt(20)).toBe(100)
  expect(rate.nextStartAt(100)).toBe(150)
  expect(rate.nextStartAt(150)).toBe(150)
})

test('another kind of limit counts what has started, too', () => {
  const sliding = new RateLimiter({ limit: 3, intervalMs: 100 }, 0)
  for (const now of [0, 40]) start(sliding, now)
  const bucket = new RateLimiter({ type: 'token-bucket', limit: 2, intervalMs: 100 }, 50, sliding)
  expect(bucket.nextStartAt(50)).toBe(100)
  const fixed = new RateLimiter({ type: 'fixed-window', limit: 2, intervalMs: 100 }, 60, bucket)
  expect(fixed.nextStartAt(60)).toBe(160)
})

test('`nextStartAt` is the first moment at which one may start', () => {
  const property = fc.property(rateLimits, moments, (rateLimit, asked) => {
    const rate = new RateLimiter(rateLimit, 0)
    for (const now of asked) {
      const next = rate.nextStartAt(now)
      if (next > now) expect(mayStart(rate, next - 1 / 8)).toBe(false)
      else start(rate, now)
    }
  })
  fc.assert(property, { numRuns: 300 })
})
