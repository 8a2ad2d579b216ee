import { interruptionsMax } from '../job/transition.ts'
import type { TimerQueue } from '../timers/timer-queue.ts'
import type { Attempt, PoolWorker } from './pool-worker.ts'

/** How long a worker has to live if the last one lived for this long, because no two take exactly the same time to fail. */
const enoughMs = (livedMs: number): number => 1.5 * livedMs + 100
/** For this long after a module was seen to load, it is assumed to load still: many jobs may end their workers. */
const trustMs = 60_000

/**
 * Browsers and Deno do not report when a worker module has finished its top-level `await`. There, jobs start as soon as the
 * module has called `defineJobs`. If the module fails after that, the worker ends during a job that did nothing wrong. To find
 * out which of the two it was, the next worker gets nothing to do for as long as the last one lived. If it ends all the same,
 * the module is to blame, and the start has failed.
 *
 * Most jobs that end their worker do so only once. So the probation begins with the second time, and ends before a third is
 * counted.
 */
export class Probation {
  readonly #timers: TimerQueue
  readonly #startTimeoutMs: number
  /** How long a new worker has to live before it gets any work, in milliseconds. */
  ms = 0
  #passedAt = -Number.POSITIVE_INFINITY

  constructor(timers: TimerQueue, startTimeoutMs: number) {
    this.#timers = timers
    this.#startTimeoutMs = startTimeoutMs
  }

  /** A worker has lived for that long. */
  pass(): void {
    this.ms = 0
    this.#passedAt = this.#timers.monotonic()
  }

  /**
   * Whether this attempt, the only one that may have ended its worker, is not to be blamed until the module has been tested.
   */
  shields({ worker, record }: Attempt, others: readonly PoolWorker[]): boolean {
    if (!worker.port.answersEarly) return false
    const now = this.#timers.monotonic()
    // When exactly the module called `defineJobs` is unknown: after the worker was made, and before it reported to be ready.
    const ms = Math.min(enoughMs(now - worker.madeAt), this.#startTimeoutMs)
    const isKnownToLoad =
      worker.readyAt - this.#passedAt <= trustMs ||
      now - worker.readyAt >= this.#startTimeoutMs ||
      others.some(({ readyAt }) => now - readyAt >= ms)
    if (isKnownToLoad) return false
    if (record.interruptions >= interruptionsMax - 2) this.ms = Math.max(this.ms, ms)
    return record.interruptions >= interruptionsMax - 1
  }
}
