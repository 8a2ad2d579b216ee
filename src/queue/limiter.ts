import PQueue from 'p-queue'
import type { Timer, TimerQueue } from '../timers/timer-queue.ts'
import { type RateLimit, RateWindow } from './rate-limit.ts'

/**
 * Who may start, and when: the concurrency, rate limit and pause of one queue.
 *
 * The concurrency and the pause are kept by p-queue. What waits is not in its list but in our heap, so that thousands can
 * wait in any order; p-queue sees *permits*. A permit is a task that ends when it is given back, and holding one is the right
 * to run one job at a time. It passes from one job to the next without going through p-queue again, which is 2 µs and a
 * kilobyte of garbage a job. Without a limit everybody may start, and there are no permits.
 *
 * The rate limit is kept by a window of ours: p-queue's runs by the wall clock, which people set, and counts a start when it is
 * decided, which may be long before the attempt is sent and begins.
 */
export class Limiter {
  readonly #onOpen: () => void
  #concurrency: number
  #isPaused = false
  /** Made when there is a limit. */
  #permits: PQueue | undefined
  readonly #releases: (() => void)[] = []
  #running = 0
  #isTicketAsked = false
  readonly #timers: TimerQueue
  #window: RateWindow | undefined
  /** Somebody was refused by the rate limit. */
  #isAwaited = false
  #timer: Timer | undefined

  /** `onOpen` is told when what was refused before may be asked for again. */
  constructor(concurrency: number, rateLimit: RateLimit | undefined, timers: TimerQueue, onOpen: () => void) {
    this.#concurrency = concurrency
    this.#timers = timers
    this.#window = this.#windowOf(rateLimit)
    this.#onOpen = onOpen
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

  /** It is not like a limiter that was just made. */
  get hasSettings(): boolean {
    return this.#isPaused || !this.#isUnlimited || this.#window !== undefined
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

  /** Takes effect at once. What has started under the old limit counts against the new one; where there was none, nothing does. */
  setRateLimit(rateLimit: RateLimit | undefined): void {
    this.#window = this.#windowOf(rateLimit)
    this.drain()
    this.#onOpen()
  }

  /** Whether one more job may run; asks p-queue for a permit when there is none for it. */
  hasRoom(): boolean {
    if (this.isPaused) return false
    if (this.#isUnlimited) return true
    if (this.#running >= this.concurrency) return false
    // More than one where there was no limit before, and so no permits.
    while (this.#releases.length <= this.#running && !this.#isTicketAsked) this.#askTicket()
    return this.#releases.length > this.#running
  }

  get #isUnlimited(): boolean {
    return this.concurrency === Number.POSITIVE_INFINITY
  }

  /** Whether one more job may start. If not, `onOpen` is told when it may. */
  isOpen(): boolean {
    return this.hasRoom() && (!this.#window || this.#mayStart(this.#window))
  }

  /**
   * Lets one job in if the rate limit does; to be called with room. Each success is followed by one `sent` (when it is sent,
   * or will not be), one `began` (when it is heard of) and one `leave`.
   */
  acquire(): boolean {
    if (this.#window && !this.#mayStart(this.#window)) return false
    this.#window?.entered()
    this.#running++
    return true
  }

  sent(): void {
    if (!this.#window) return
    this.#window.sent(this.#timers.clock.monotonic())
    if (this.#isAwaited) this.#await(this.#window)
  }

  began(): void {
    this.#window?.began(this.#timers.clock.monotonic())
  }

  /** A job has ended. */
  leave(): void {
    this.#running--
    this.#releaseSurplus()
  }

  /** Nothing waits any more. */
  drain(): void {
    this.#isAwaited = false
    if (!this.#timer) return
    this.#timers.cancel(this.#timer)
    this.#timer = undefined
  }

  #askTicket(): void {
    this.#isTicketAsked = true
    let isAtOnce = true
    this.#permits ??= new PQueue({ concurrency: this.#concurrency })
    // p-queue starts the task within `add` when it may. The promise settles with the release and never rejects.
    void this.#permits.add(() => {
      this.#isTicketAsked = false
      return new Promise<void>((release) => {
        this.#releases.push(release)
        if (!isAtOnce) this.#onOpen()
      })
    })
    isAtOnce = false
  }

  #windowOf(rateLimit: RateLimit | undefined): RateWindow | undefined {
    if (!rateLimit) return undefined
    const { limit, intervalMs } = rateLimit
    // Two moments that a clock tells apart by so much may be nearer to each other by what it rounds away.
    const { resolutionMs = 0 } = this.#timers.clock
    return new RateWindow({ limit, intervalMs: intervalMs + resolutionMs }, this.#window)
  }

  #mayStart(window: RateWindow): boolean {
    const mayStart = window.mayStart(this.#timers.clock.monotonic())
    if (!mayStart) this.#await(window)
    return mayStart
  }

  /** Looks again when one more may start. While that depends on those who are to be sent, it is for them to look again. */
  #await(window: RateWindow): void {
    this.#isAwaited = true
    const now = this.#timers.clock.monotonic()
    const waitMs = window.nextStartAt(now) - now
    if (this.#timer || waitMs === Number.POSITIVE_INFINITY) return
    this.#timer = this.#timers.after(
      waitMs,
      () => {
        this.drain()
        this.#onOpen()
      },
      true,
    )
  }

  /** There are fewer permits than there were, or none. */
  #releaseSurplus(): void {
    const keep = this.#isUnlimited ? 0 : Math.max(this.#running, this.concurrency)
    while (this.#releases.length > keep) this.#releases.pop()?.()
  }
}
