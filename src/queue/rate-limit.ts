import { Starts } from './starts.ts'

export const rateLimitTypes = ['sliding-window', 'fixed-window', 'token-bucket'] as const

/**
 * How many jobs of a queue may start in a span of time.
 *
 * @example
 * ```ts
 * const polite: RateLimit = { limit: 100, intervalMs: 60_000, minGapMs: 200 }
 * const bursts: RateLimit = { type: 'token-bucket', limit: 10, intervalMs: 1_000, burst: 50 }
 * ```
 */
export interface RateLimit {
  /** At most this many starts … */
  readonly limit: number
  /** … in a span of this length, in milliseconds. At most 2³¹−1. */
  readonly intervalMs: number
  /**
   * `sliding-window` (default): at most `limit` in any span of `intervalMs`. `fixed-window`: at most `limit` in each window of
   * `intervalMs`; a window begins with the first start after the end of the last one. `token-bucket`: one token comes every
   * `intervalMs / limit`, each start takes one, and up to `burst` of them are kept.
   */
  readonly type?: (typeof rateLimitTypes)[number] | undefined
  /** How many tokens a bucket holds, and so how many jobs may start at once after a pause. Default: `limit`. */
  readonly burst?: number | undefined
  /** The shortest time between two starts, in milliseconds, beside the limit. Default: none. At most 2³¹−1. */
  readonly minGapMs?: number | undefined
}

/**
 * A rate limit, and what counts for it. No rule is ever broken, whenever within its bounds a job starts (see `Starts`): a job
 * counts for the fixed window in which it was let in, and for the next one if it may start in that; a token that was taken does
 * not come again before the job has started.
 */
export class RateLimiter {
  readonly #limit: number
  readonly #intervalMs: number
  readonly #gapMs: number
  readonly #starts: Starts
  /** Of `fixed-window`. */
  readonly #isFixed: boolean
  #windowEndsAt: number
  #inWindow: number
  /** How many tokens a bucket holds; 0 if there is none. */
  readonly #burst: number
  #tokens: number
  #filledAt: number

  /** `before`: the limit before this one. The jobs that it has counted still count, as if they had started just now. */
  constructor(
    { type, limit, intervalMs, burst, minGapMs }: RateLimit,
    now: number,
    before?: RateLimiter,
    resolutionMs = 0,
  ) {
    this.#limit = limit
    // The clock rounds by up to `resolutionMs`, so two times may be nearer to each other than they look by that much.
    this.#intervalMs = intervalMs + resolutionMs
    this.#gapMs = minGapMs === undefined ? 0 : minGapMs + resolutionMs
    this.#starts = before ? before.#starts : new Starts()
    this.#starts.drop(now, this.#keptMs)
    this.#isFixed = type === 'fixed-window'
    this.#inWindow = this.#starts.size
    this.#windowEndsAt = this.#inWindow > 0 ? now + this.#intervalMs : now
    this.#burst = type === 'token-bucket' ? (burst ?? limit) : 0
    this.#tokens = Math.max(0, this.#burst - this.#starts.size)
    this.#filledAt = now
  }

  get #keptMs(): number {
    return Math.max(this.#intervalMs, this.#gapMs)
  }

  /** Returns the first moment at which one more job may start if no report arrives until then; `Infinity` if there is none. */
  nextStartAt(now: number): number {
    this.#passUntil(now)
    const at = this.#burst > 0 ? this.#nextToken(now) : this.#isFixed ? this.#nextInWindow(now) : this.#nextInSpan(now)
    return this.#gapMs > 0 ? Math.max(at, this.#starts.last + this.#gapMs) : at
  }

  /**
   * Tokens come, in the room that jobs which may start at any moment leave. When a window is over, these count for the next one.
   * What is too old is forgotten.
   */
  #passUntil(now: number): void {
    const room = Math.max(0, this.#burst - this.#starts.open)
    this.#tokens = Math.min(room, this.#tokens + (now - this.#filledAt) * this.#perMs)
    this.#filledAt = now
    this.#starts.drop(now, this.#keptMs)
    if (now >= this.#windowEndsAt) this.#inWindow = this.#starts.open
  }

  /** Whether it lets through what one would that was just made. */
  isFresh(now: number): boolean {
    this.#passUntil(now)
    return this.#starts.size === 0 && now >= this.#windowEndsAt && this.#tokens > this.#burst - 1e-9
  }

  get #perMs(): number {
    return this.#limit / this.#intervalMs
  }

  #nextInSpan(now: number): number {
    return this.#starts.nextAt(now, this.#limit, this.#intervalMs)
  }

  #nextInWindow(now: number): number {
    if (this.#inWindow < this.#limit) return now
    return now < this.#windowEndsAt ? this.#windowEndsAt : this.#nextInSpan(now)
  }

  #nextToken(now: number): number {
    // What is missing to a whole one may be the rounding of sums.
    if (this.#tokens > 1 - 1e-9) return now
    return Math.max(now + (1 - this.#tokens) / this.#perMs, this.#starts.closesAt(this.#burst, this.#keptMs))
  }

  entered(now: number): void {
    this.#passUntil(now)
    if (now >= this.#windowEndsAt) this.#windowEndsAt = now + this.#intervalMs
    this.#inWindow++
    this.#tokens--
    this.#starts.entered()
  }

  sent(now: number): void {
    this.#starts.sent(now)
  }

  began(now: number): void {
    this.#passUntil(now)
    this.#starts.began(now)
  }
}
