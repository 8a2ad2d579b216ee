import { hop } from '../platform/hop.ts'
import type { Timer, TimerQueue } from '../timers/timer-queue.ts'
import type { PoolWorker } from './pool-worker.ts'

export interface WatchListener {
  /** The worker is busy for long, and an attempt waits behind that. */
  onStuck(worker: PoolWorker): void
  /** The worker has taken none of its attempts for as long as it may take. */
  onDeaf(worker: PoolWorker): void
}

/** How often the watch looks at workers on which an attempt waits behind another. */
const stuckLookMs = 4
/** A worker is deaf when it was found so this many times in a row. */
const deafLooks = 4
/**
 * A worker has to take what is sent to it within this time. It is long because a machine with too few cores may let the thread
 * sleep for long.
 */
const deafMsMin = 1_000

/**
 * Watches whether the workers still respond.
 *
 * A worker is judged only after the messages that have arrived are handled: its report may be among them, if this thread was
 * the busy one. Nor is it judged by the clock alone: a machine that slept, or a page whose timers are throttled, makes fewer
 * looks and not earlier ones.
 */
export class Watch {
  readonly #workers: readonly PoolWorker[]
  readonly #timers: TimerQueue
  readonly #listener: WatchListener
  readonly deafMs: number
  /** Whether there is another worker, or can be, that could take what waits. */
  readonly #hasOthers: boolean
  #stuckTimer: Timer | undefined
  /** Also set while the last look waits until messages are handled. */
  #deafTimer: Timer | undefined
  #isClosed = false

  constructor(
    workers: readonly PoolWorker[],
    timers: TimerQueue,
    { max, graceMs }: { readonly max: number; readonly graceMs: number },
    listener: WatchListener,
  ) {
    this.#workers = workers
    this.#timers = timers
    this.#listener = listener
    this.#hasOthers = max > 1
    this.deafMs = Math.max(graceMs, deafMsMin)
  }

  /** An attempt was placed on a worker. */
  reserved(worker: PoolWorker): void {
    if (!this.#deafTimer) this.#deafTimer = this.#timers.after(this.deafMs / deafLooks, this.#lookForDeaf)
    if (!this.#stuckTimer && worker.size > 1 && this.#hasOthers)
      this.#stuckTimer = this.#timers.after(stuckLookMs, this.#lookForStuck)
  }

  close(): void {
    this.#isClosed = true
    this.#timers.cancel(this.#stuckTimer)
    this.#timers.cancel(this.#deafTimer)
  }

  readonly #lookForStuck = (): void => {
    this.#stuckTimer = undefined
    let isMoreToSee = false
    for (const worker of this.#workers) {
      if (worker.isStuck || !worker.isAwaited) continue
      isMoreToSee = true
      if (worker.wasHeard) worker.wasHeard = false
      else hop(() => this.#judge(worker))
    }
    if (isMoreToSee) this.#stuckTimer = this.#timers.after(stuckLookMs, this.#lookForStuck)
  }

  #judge(worker: PoolWorker): void {
    if (!worker.wasHeard && !worker.isStuck && !worker.isClosing && worker.isAwaited) this.#listener.onStuck(worker)
  }

  readonly #lookForDeaf = (): void => hop(() => this.#countDeaf())

  #countDeaf(): void {
    this.#deafTimer = undefined
    if (this.#isClosed) return
    for (const worker of [...this.#workers]) if (worker.countPassedOver() >= deafLooks) this.#listener.onDeaf(worker)
    if (this.#workers.some((worker) => worker.mayBeDeaf))
      this.#deafTimer = this.#timers.after(this.deafMs / deafLooks, this.#lookForDeaf)
  }
}
