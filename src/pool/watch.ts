import { hop } from '../platform/hop.ts'
import type { Timer, TimerQueue } from '../timers/timer-queue.ts'
import type { Attempt, PoolWorker } from './pool-worker.ts'

/** Receives what the watch finds; the pool. */
export interface WatchListener {
  /** These were taken back from a worker that has no time for them. */
  onTakenBack(attempts: readonly Attempt[]): void
  /** The worker has taken none of its attempts for as long as it may take. */
  onUnresponsive(worker: PoolWorker): void
  /** A worker may have room now. */
  onRoom(): void
}

/** How often the watch looks at workers on which an attempt waits behind another. */
const stuckLookMs = 4
/** How long a worker with several jobs at a time counts as stuck if it sends nothing. */
const stuckMsMax = 100
/** A worker is unresponsive when it was found so this many times in a row. */
const unresponsiveLooks = 4
/**
 * A worker has to take what is sent to it within this time. It is long because a machine with too few cores may let the thread
 * sleep for long.
 */
const unresponsiveMsMin = 1_000

interface WatchOptions {
  readonly max: number
  readonly concurrency: number
  readonly graceMs: number
}

/**
 * Watches whether the workers still respond.
 *
 *   a worker is  stuck          busy for long, and an attempt waits behind that: what it has not begun is taken back from it
 *                unresponsive   it has begun none of its attempts, for longer than a worker may take: the pool ends it
 *
 * A worker is judged only after the messages that have arrived are handled: its report may be among them, if this thread was
 * the busy one. Nor is it judged by the clock alone: a machine that slept, or a page whose timers are throttled, makes fewer
 * looks and not earlier ones.
 */
export class Watch {
  readonly #workers: readonly PoolWorker[]
  readonly #timers: TimerQueue
  readonly #options: WatchOptions
  readonly #listener: WatchListener
  readonly unresponsiveMs: number
  #stuckTimer: Timer | undefined
  /** Also set while the last look waits until messages are handled. */
  #unresponsiveTimer: Timer | undefined
  #isClosed = false

  constructor(workers: readonly PoolWorker[], timers: TimerQueue, options: WatchOptions, listener: WatchListener) {
    this.#workers = workers
    this.#timers = timers
    this.#options = options
    this.#listener = listener
    this.unresponsiveMs = Math.max(options.graceMs, unresponsiveMsMin)
  }

  /** An attempt was placed on a worker. */
  reserved(worker: PoolWorker): void {
    if (!this.#unresponsiveTimer)
      this.#unresponsiveTimer = this.#timers.after(this.unresponsiveMs / unresponsiveLooks, this.#lookForUnresponsive)
    if (!this.#stuckTimer && worker.size > 1 && this.#options.max > 1)
      this.#stuckTimer = this.#timers.after(stuckLookMs, this.#lookForStuck)
  }

  close(): void {
    this.#isClosed = true
    this.#timers.cancel(this.#stuckTimer)
    this.#timers.cancel(this.#unresponsiveTimer)
  }

  readonly #lookForStuck = (): void => {
    this.#stuckTimer = undefined
    let isMoreToSee = false
    for (const worker of this.#workers) {
      if (worker.isStuck || !worker.isAwaited) continue
      isMoreToSee = true
      if (worker.hasResponded) worker.hasResponded = false
      else hop(() => this.#judgeStuck(worker))
    }
    if (isMoreToSee) this.#stuckTimer = this.#timers.after(stuckLookMs, this.#lookForStuck)
  }

  #judgeStuck(worker: PoolWorker): void {
    if (!worker.hasResponded && !worker.isStuck && !worker.isClosing && worker.isAwaited) this.#relieve(worker)
  }

  /** Takes back what was sent to a worker that turns out to be busy for long, if another worker can take it. */
  #relieve(worker: PoolWorker): void {
    if (!this.#hasOtherThan(worker)) return
    worker.isStuck = true
    const { attempts } = worker
    // A worker that runs nothing may only be slow to wake up. Its first attempt stays: if the worker never takes it, it is unresponsive.
    const behind = attempts.some((attempt) => worker.hasTaken(attempt)) ? attempts : attempts.slice(1)
    // What was transferred to the worker exists nowhere else.
    this.#listener.onTakenBack(
      behind.filter((attempt) => !(attempt.isSent && attempt.transfer) && worker.recall(attempt)),
    )
    if (this.#options.concurrency > 1) this.#timers.after(stuckMsMax, () => this.#unstick(worker))
  }

  #hasOtherThan(worker: PoolWorker): boolean {
    return this.#workers.length < this.#options.max || this.#workers.some((other) => other !== worker && !other.isStuck)
  }

  /** A worker that runs several attempts may respond again and still have nothing to report for long. */
  #unstick(worker: PoolWorker): void {
    worker.isStuck = false
    this.#listener.onRoom()
  }

  readonly #lookForUnresponsive = (): void => hop(() => this.#countUnresponsive())

  #countUnresponsive(): void {
    this.#unresponsiveTimer = undefined
    if (this.#isClosed) return
    for (const worker of [...this.#workers])
      if (worker.countPassedOver() >= unresponsiveLooks) this.#judgeUnresponsive(worker)
    if (this.#workers.some((worker) => worker.mayBeUnresponsive))
      this.#unresponsiveTimer = this.#timers.after(this.unresponsiveMs / unresponsiveLooks, this.#lookForUnresponsive)
  }

  #judgeUnresponsive(worker: PoolWorker): void {
    const { attempts } = worker
    const untaken = worker.isShared ? attempts.filter((attempt) => worker.recall(attempt)) : attempts
    if (untaken.length === attempts.length) this.#listener.onUnresponsive(worker)
    // It has just woken up.
    else this.#listener.onTakenBack(untaken)
  }
}
