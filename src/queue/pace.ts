import type { Timer, TimerQueue } from '../timers/timer-queue.ts'
import { type RateLimit, RateLimiter } from './rate-limit.ts'

/**
 * When the next of some jobs may start, however many of them run: a rate limit, and rests.
 *
 * p-queue has a rate limit, too. It goes by the wall clock, which users set, and counts a start when it is decided, which may be
 * long before the attempt is sent and begins.
 */
export class Pace {
  readonly #timers: TimerQueue
  readonly #onOpen: () => void
  readonly #onLimited: (waitMs: number) => void
  #rate: RateLimiter | undefined
  #rateLimit: RateLimit | undefined
  /** In monotonic time. */
  #restsUntil = 0
  /** Fires when the rest is over. */
  #restTimer: Timer | undefined
  /** Whether a job was refused since the last look. */
  #isAwaited = false
  #timer: Timer | undefined
  /** For when the timer is set. */
  #opensAt = 0

  /**
   * `onOpen` is called when a job that was refused before may be tried again; `onLimited` when jobs begin to be held back, with
   * the time until one is let in.
   */
  constructor(
    rateLimit: RateLimit | undefined,
    timers: TimerQueue,
    onOpen: () => void,
    onLimited: (waitMs: number) => void,
  ) {
    this.#timers = timers
    this.#rate = this.#rateOf(rateLimit)
    this.#onOpen = onOpen
    this.#onLimited = onLimited
  }

  get rateLimit(): RateLimit | undefined {
    return this.#rateLimit
  }

  /** For how long no job may start. `Infinity` until a job that was let in is sent. */
  get waitMs(): number {
    const now = this.#timers.clock.monotonic()
    return this.#nextStartAt(now) - now
  }

  /** Says what may start, and when the next; `undefined` if that is now. */
  get text(): string | undefined {
    const { waitMs } = this
    if (waitMs <= 0) return undefined
    const next = Number.isFinite(waitMs) ? `in ${Math.ceil(waitMs)} ms` : 'when the last one is sent'
    const { limit, intervalMs, minGapMs } = this.#rateLimit ?? {}
    const gap = minGapMs ? `, ${minGapMs} ms apart` : ''
    const does = limit === undefined ? 'rests' : `starts at most ${limit} jobs in ${intervalMs} ms${gap}`
    return `${does}; the next ${next}.`
  }

  /** Whether it differs from one that was just made without a rate limit. */
  get hasSettings(): boolean {
    return this.#rate !== undefined || this.#isResting
  }

  /** Whether it has nothing to remember: it lets through what one would that was just made with the same rate limit. */
  get isFresh(): boolean {
    return !this.#isResting && (this.#rate?.isFresh(this.#timers.clock.monotonic()) ?? true)
  }

  /** Until its timers have fired, which may be late: whoever is dropped before would still be called back. */
  get #isResting(): boolean {
    return this.#restTimer !== undefined || this.#timer !== undefined
  }

  /**
   * Takes effect at once: more may start, or less. Jobs that started under the old limit count against the new one. If there was
   * no limit, no earlier job counts.
   */
  setRateLimit(rateLimit: RateLimit | undefined): void {
    this.#rate = this.#rateOf(rateLimit)
    this.drain()
  }

  /** Lets no job start for so many milliseconds. A longer rest that has begun goes on. */
  rest(ms: number): void {
    const until = this.#timers.clock.monotonic() + ms
    if (until <= this.#restsUntil) return
    this.#restsUntil = until
    this.#timers.cancel(this.#restTimer)
    this.#restTimer = this.#timers.after(ms, () => {
      this.#restTimer = undefined
      this.#onOpen()
    })
  }

  /** Whether nothing depends on the time. Then the clock is not read for each job. */
  get #isTimeless(): boolean {
    return !this.#rate && this.#restsUntil === 0
  }

  /** Whether one more job may start. If not, `onOpen` is called when it may. */
  isOpen(): boolean {
    return this.#isTimeless || this.#mayStart(this.#timers.clock.monotonic())
  }

  /**
   * Lets one job in if it may start. After each success the caller calls `sent` once (when the attempt is sent, or will not be)
   * and `began` once (when the thread has reported its begin).
   */
  acquire(): boolean {
    if (this.#isTimeless) return true
    const now = this.#timers.clock.monotonic()
    if (!this.#mayStart(now)) return false
    // Over, so that without a rate limit the clock is not read for each job any more.
    this.#restsUntil = 0
    this.#rate?.entered(now)
    return true
  }

  sent(): void {
    if (!this.#rate) return
    const now = this.#timers.clock.monotonic()
    this.#rate.sent(now)
    if (this.#isAwaited) this.#await(now)
  }

  began(): void {
    if (!this.#rate) return
    const now = this.#timers.clock.monotonic()
    this.#rate.began(now)
    if (this.#isAwaited) this.#await(now)
  }

  /** To be called when no job waits any more, or none may start. */
  drain(): void {
    this.#isAwaited = false
    if (!this.#timer) return
    this.#timers.cancel(this.#timer)
    this.#timer = undefined
  }

  #rateOf(rateLimit: RateLimit | undefined): RateLimiter | undefined {
    this.#rateLimit = rateLimit
    if (!rateLimit) return undefined
    const { clock } = this.#timers
    return new RateLimiter(rateLimit, clock.monotonic(), this.#rate, clock.resolutionMs)
  }

  #nextStartAt(now: number): number {
    return Math.max(this.#restsUntil, this.#rate ? this.#rate.nextStartAt(now) : now)
  }

  #mayStart(now: number): boolean {
    const mayStart = this.#nextStartAt(now) <= now
    if (!mayStart) this.#await(now)
    return mayStart
  }

  /**
   * Sets a timer for the moment when one more job may start. While that depends on jobs that were let in and have not begun,
   * there may be no such moment, or a later one than it turns out: `sent` and `began` call this again.
   */
  #await(now: number): void {
    this.#isAwaited = true
    const at = this.#nextStartAt(now)
    if (this.#timer && at === this.#opensAt) return
    const isFirst = !this.#timer
    this.#timers.cancel(this.#timer)
    this.#timer = undefined
    this.#opensAt = at
    if (at === Number.POSITIVE_INFINITY) return
    this.#timer = this.#timers.after(
      at - now,
      () => {
        this.drain()
        this.#onOpen()
      },
      true,
    )
    if (isFirst) this.#onLimited(at - now)
  }
}
