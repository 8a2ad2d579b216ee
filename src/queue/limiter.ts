import PQueue from 'p-queue'
import type { Timer, TimerQueue } from '../timers/timer-queue.ts'
import { type RateLimit, RateLimiter } from './rate-limit.ts'

/**
 * Decides when a job of one queue may start. It keeps the queue's concurrency, rate limit and pause.
 *
 * The concurrency and the pause are left to p-queue. Waiting jobs are not in its list but in our own heap, so that thousands
 * can wait in any order. p-queue only sees *permits*. A permit is a task in p-queue that ends when the permit is given back;
 * holding one is the right to run one job at a time. A permit passes from one job to the next without going through p-queue
 * again, which would cost 2 µs and a kilobyte of garbage per job. Without a concurrency limit every job may start, and there
 * are no permits.
 *
 * The rate limit is ours. p-queue's runs by the wall clock, which users set, and counts a start when it is decided, which may be
 * long before the attempt is sent and begins.
 */
export class Limiter {
  readonly #onOpen: () => void
  readonly #onLimited: (waitMs: number) => void
  #concurrency: number
  #isPaused = false
  /** Made when there is a limit. */
  #permits: PQueue | undefined
  readonly #releases: (() => void)[] = []
  #running = 0
  #isPermitRequested = false
  readonly #timers: TimerQueue
  #rate: RateLimiter | undefined
  #rateLimit: RateLimit | undefined
  /** In monotonic time. */
  #restsUntil = 0
  /** Whether the rate limit, or a rest, has refused a job since the last look. */
  #isAwaited = false
  #timer: Timer | undefined
  /** For when the timer is set. */
  #opensAt = 0

  /**
   * `onOpen` is called when a job that was refused before may be tried again; `onLimited` when the rate limit begins to hold jobs
   * back, with the time until it lets one in.
   */
  constructor(
    concurrency: number,
    rateLimit: RateLimit | undefined,
    timers: TimerQueue,
    onOpen: () => void,
    onLimited: (waitMs: number) => void = () => {},
  ) {
    this.#concurrency = concurrency
    this.#timers = timers
    this.#rate = this.#rateOf(rateLimit)
    this.#onOpen = onOpen
    this.#onLimited = onLimited
  }

  get isPaused(): boolean {
    return this.#isPaused
  }

  get running(): number {
    return this.#running
  }

  get concurrency(): number {
    return this.#concurrency
  }

  get rateLimit(): RateLimit | undefined {
    return this.#rateLimit
  }

  /** For how long the rate limit, or a rest, lets no job start. `Infinity` until a job that was let in is sent. */
  get waitMs(): number {
    const now = this.#timers.clock.monotonic()
    return this.#nextStartAt(now) - now
  }

  /** Whether it differs from a limiter that was just made. */
  get hasSettings(): boolean {
    return this.#isPaused || !this.#isUnlimited || this.#rate !== undefined || this.#isResting
  }

  get #isResting(): boolean {
    return this.#restsUntil > this.#timers.clock.monotonic()
  }

  pause(): void {
    this.#isPaused = true
    this.#permits?.pause()
    this.drain()
  }

  resume(): void {
    this.#isPaused = false
    this.#permits?.start()
    this.#onOpen()
  }

  setConcurrency(concurrency: number): void {
    this.#concurrency = concurrency
    if (this.#permits) this.#permits.concurrency = concurrency
    this.#releaseSurplus()
    this.#onOpen()
  }

  /**
   * Takes effect at once. Jobs that started under the old limit count against the new one. If there was no limit, no earlier
   * job counts.
   */
  setRateLimit(rateLimit: RateLimit | undefined): void {
    this.#rate = this.#rateOf(rateLimit)
    this.drain()
    this.#onOpen()
  }

  /** Lets no job start for so many milliseconds. A longer rest that has begun goes on. */
  rest(ms: number): void {
    const until = this.#timers.clock.monotonic() + ms
    if (until <= this.#restsUntil) return
    this.#restsUntil = until
    this.#timers.after(ms, this.#onOpen)
  }

  /** Whether one more job may run. If there is no permit for it, asks p-queue for one. */
  hasRoom(): boolean {
    if (this.isPaused) return false
    if (this.#isUnlimited) return true
    if (this.#running >= this.concurrency) return false
    // It asks for more than one if there was no limit before, and so no permits.
    while (this.#releases.length <= this.#running && !this.#isPermitRequested) this.#requestPermit()
    return this.#releases.length > this.#running
  }

  get #isUnlimited(): boolean {
    return this.concurrency === Number.POSITIVE_INFINITY
  }

  /** Whether one more job may start. If not, `onOpen` is called when it may. */
  isOpen(): boolean {
    return this.hasRoom() && this.#mayStart(this.#timers.clock.monotonic())
  }

  /**
   * Lets one job in if the rate limit allows it. Call it only when `hasRoom()`. After each success the caller calls `sent` once
   * (when the attempt is sent, or will not be), `began` once (when the thread has reported its begin) and `leave` once.
   */
  acquire(): boolean {
    const rate = this.#rate
    if (rate || this.#restsUntil > 0) {
      const now = this.#timers.clock.monotonic()
      if (!this.#mayStart(now)) return false
      // Over, so that without a rate limit the clock is not read for each job any more.
      this.#restsUntil = 0
      rate?.entered(now)
    }
    this.#running++
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

  /** A job has ended. */
  leave(): void {
    this.#running--
    this.#releaseSurplus()
  }

  /** To be called when no job waits any more. */
  drain(): void {
    this.#isAwaited = false
    if (!this.#timer) return
    this.#timers.cancel(this.#timer)
    this.#timer = undefined
  }

  #requestPermit(): void {
    this.#isPermitRequested = true
    let isAtOnce = true
    this.#permits ??= new PQueue({ concurrency: this.#concurrency })
    // If it may start, p-queue starts the task within `add`. The promise settles with the release and never rejects.
    void this.#permits.add(() => {
      this.#isPermitRequested = false
      return new Promise<void>((release) => {
        this.#releases.push(release)
        if (!isAtOnce) this.#onOpen()
      })
    })
    isAtOnce = false
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

  /** Gives back permits when there are fewer than before, or none. */
  #releaseSurplus(): void {
    const keep = this.#isUnlimited ? 0 : Math.max(this.#running, this.concurrency)
    while (this.#releases.length > keep) this.#releases.pop()?.()
  }
}
