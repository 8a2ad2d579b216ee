import PQueue from 'p-queue'
import type { Alarm, Timetable } from '../schedule/timetable.ts'
import { type RateLimit, RateWindow } from './rate-limit.ts'

/**
 * Who may start, and when: the concurrency, rate limit and pause of one queue.
 *
 * The concurrency and the pause are kept by p-queue. What waits is not in its list but in our heap, so that thousands can
 * wait in any order; p-queue sees *tickets*. A ticket is a task that ends when it is given back, and holding one is the right
 * to run one job at a time. It passes from one job to the next without going through p-queue again, which is 2 µs and a
 * kilobyte of garbage a job. Without a limit everybody may start, and there are no tickets.
 *
 * The rate limit is kept by a window of ours: p-queue's runs by the wall clock, which people set, and counts a start when it is
 * decided, which may be long before the attempt is sent and begins.
 */
export class Gate {
  readonly #onOpen: () => void
  #concurrency: number
  #isPaused = false
  /** Made when there is a limit. */
  #tickets: PQueue | undefined
  readonly #releases: (() => void)[] = []
  #running = 0
  #isTicketAsked = false
  readonly #timetable: Timetable
  #window: RateWindow | undefined
  /** Somebody was refused by the rate limit. */
  #isAwaited = false
  #alarm: Alarm | undefined

  /** `onOpen` is told when what was refused before may be asked for again. */
  constructor(concurrency: number, rateLimit: RateLimit | undefined, timetable: Timetable, onOpen: () => void) {
    this.#concurrency = concurrency
    this.#timetable = timetable
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

  /** It is not like a gate that was just made. */
  get hasSettings(): boolean {
    return this.#isPaused || !this.#isUnlimited || this.#window !== undefined
  }

  pause(): void {
    this.#isPaused = true
    this.#tickets?.pause()
    this.drain()
  }

  resume(): void {
    this.#isPaused = false
    this.#tickets?.start()
    this.#onOpen()
  }

  setConcurrency(concurrency: number): void {
    this.#concurrency = concurrency
    if (this.#tickets) this.#tickets.concurrency = concurrency
    this.#releaseSurplus()
    this.#onOpen()
  }

  /** Takes effect at once. What has started under the old limit counts against the new one; where there was none, nothing does. */
  setRateLimit(rateLimit: RateLimit | undefined): void {
    this.#window = this.#windowOf(rateLimit)
    this.drain()
    this.#onOpen()
  }

  /** Whether one more job may run; asks p-queue for a ticket when there is none for it. */
  hasRoom(): boolean {
    if (this.isPaused) return false
    if (this.#isUnlimited) return true
    if (this.#running >= this.concurrency) return false
    // More than one where there was no limit before, and so no tickets.
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
  enter(): boolean {
    if (this.#window && !this.#mayStart(this.#window)) return false
    this.#window?.entered()
    this.#running++
    return true
  }

  sent(): void {
    if (!this.#window) return
    this.#window.sent(this.#timetable.clock.monotonic())
    if (this.#isAwaited) this.#await(this.#window)
  }

  began(): void {
    this.#window?.began(this.#timetable.clock.monotonic())
  }

  /** A job has ended. */
  leave(): void {
    this.#running--
    this.#releaseSurplus()
  }

  /** Nothing waits any more. */
  drain(): void {
    this.#isAwaited = false
    if (!this.#alarm) return
    this.#timetable.cancel(this.#alarm)
    this.#alarm = undefined
  }

  #askTicket(): void {
    this.#isTicketAsked = true
    let isAtOnce = true
    this.#tickets ??= new PQueue({ concurrency: this.#concurrency })
    // p-queue starts the task within `add` when it may. The promise settles with the release and never rejects.
    void this.#tickets.add(() => {
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
    const { resolutionMs = 0 } = this.#timetable.clock
    return new RateWindow({ limit, intervalMs: intervalMs + resolutionMs }, this.#window)
  }

  #mayStart(window: RateWindow): boolean {
    const mayStart = window.mayStart(this.#timetable.clock.monotonic())
    if (!mayStart) this.#await(window)
    return mayStart
  }

  /** Looks again when one more may start. While that depends on those who are to be sent, it is for them to look again. */
  #await(window: RateWindow): void {
    this.#isAwaited = true
    const now = this.#timetable.clock.monotonic()
    const waitMs = window.nextStartAt(now) - now
    if (this.#alarm || waitMs === Number.POSITIVE_INFINITY) return
    this.#alarm = this.#timetable.after(
      waitMs,
      () => {
        this.drain()
        this.#onOpen()
      },
      true,
    )
  }

  /** There are fewer tickets than there were, or none. */
  #releaseSurplus(): void {
    const keep = this.#isUnlimited ? 0 : Math.max(this.#running, this.concurrency)
    while (this.#releases.length > keep) this.#releases.pop()?.()
  }
}
