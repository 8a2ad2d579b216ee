import { hop } from '../platform/hop.ts'
import type { Timer, TimerQueue } from '../timers/timer-queue.ts'
import type { PoolWorker } from './pool-worker.ts'

export interface WatchListener {
  /** It is busy for long, and something waits behind that. */
  onStuck(worker: PoolWorker): void
  /** It has not taken up anything of what is on it, for as long as it may take. */
  onDeaf(worker: PoolWorker): void
}

/** How often threads are looked at on which something waits behind another attempt. */
const stuckLookMs = 4
/** A thread is deaf that was found so this many times in a row. */
const deafLooks = 4
/** Within this time a thread has to take up what it is sent: a machine that is short of cores may let it sleep for long. */
const deafMsMin = 1_000

/**
 * Looks whether the threads still listen.
 *
 * None is judged before the messages that are here were heard: the answer may be among them, and it is we who were busy. Nor
 * by the clock alone: a machine that slept, or a page whose timers are slowed down, looks fewer times and not sooner.
 */
export class Watch {
  readonly #workers: readonly PoolWorker[]
  readonly #timers: TimerQueue
  readonly #listener: WatchListener
  readonly deafMs: number
  /** There is another thread, or can be, that what waits may go to. */
  readonly #hasOthers: boolean
  #stuckTimer: Timer | undefined
  /** Set as well while the last look waits for messages to be heard. */
  #deafTimer: Timer | undefined
  #isClosed = false

  constructor(
    workers: readonly PoolWorker[],
    timetable: TimerQueue,
    { max, graceMs }: { readonly max: number; readonly graceMs: number },
    listener: WatchListener,
  ) {
    this.#workers = workers
    this.#timers = timetable
    this.#listener = listener
    this.#hasOthers = max > 1
    this.deafMs = Math.max(graceMs, deafMsMin)
  }

  /** One more attempt is on a thread. */
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
