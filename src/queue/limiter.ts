import PQueue from 'p-queue'
import type { TimerQueue } from '../timers/timer-queue.ts'
import type { Gate } from './gate.ts'
import { Pace } from './pace.ts'
import type { RateLimit } from './rate-limit.ts'

/**
 * Decides when a job of one queue may start. It keeps the queue's concurrency, pace and pause.
 *
 * The concurrency and the pause are left to p-queue. Waiting jobs are not in its list but in our own heap, so that thousands
 * can wait in any order. p-queue only sees *permits*. A permit is a task in p-queue that ends when the permit is given back;
 * holding one is the right to run one job at a time. A permit passes from one job to the next without going through p-queue
 * again, which would cost 2 µs and a kilobyte of garbage per job. Without a concurrency limit every job may start, and there
 * are no permits.
 */
export class Limiter {
  readonly #onOpen: () => void
  #concurrency: number
  #isPaused = false
  /** Made when there is a limit. */
  #permits: PQueue | undefined
  readonly #releases: (() => void)[] = []
  #running = 0
  #isPermitRequested = false
  readonly pace: Pace
  /** The conditions of the queue, if it has any. */
  gate: Gate | undefined

  /**
   * `onOpen` is called when a job that was refused before may be tried again; `onLimited` when the pace begins to hold jobs
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
    this.#onOpen = onOpen
    this.pace = new Pace(rateLimit, timers, onOpen, onLimited)
  }

  get isPaused(): boolean {
    return this.#isPaused
  }

  /** Whether no job may start however many run: it is paused, or a condition is not met. */
  get isShut(): boolean {
    return this.#isPaused || (this.gate !== undefined && this.gate.unmet.length > 0)
  }

  get running(): number {
    return this.#running
  }

  get concurrency(): number {
    return this.#concurrency
  }

  /** Whether it differs from a limiter that was just made. */
  get hasSettings(): boolean {
    return this.#isPaused || !this.#isUnlimited || this.pace.hasSettings || this.gate !== undefined
  }

  pause(): void {
    this.#isPaused = true
    this.#permits?.pause()
    this.pace.drain()
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

  setRateLimit(rateLimit: RateLimit | undefined): void {
    this.pace.setRateLimit(rateLimit)
    this.#onOpen()
  }

  /** Whether one more job may run. If there is no permit for it, asks p-queue for one. */
  hasRoom(): boolean {
    if (this.isShut) return false
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
    this.gate?.ask()
    return this.hasRoom() && this.pace.isOpen()
  }

  /**
   * Lets one job in if its pace allows it. Call it only when `hasRoom()`. After each success the caller calls `leave` once, and
   * what the pace asks for.
   */
  acquire(): boolean {
    if (!this.pace.acquire()) return false
    this.#running++
    return true
  }

  /** A job has ended. */
  leave(): void {
    this.#running--
    this.#releaseSurplus()
  }

  /** To be called when no job waits any more. */
  drain(): void {
    this.pace.drain()
    this.gate?.rest()
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

  /** Gives back permits when there are fewer than before, or none. */
  #releaseSurplus(): void {
    const keep = this.#isUnlimited ? 0 : Math.max(this.#running, this.concurrency)
    while (this.#releases.length > keep) this.#releases.pop()?.()
  }
}
