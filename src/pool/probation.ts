import { interruptionsMax } from '../job/transition.ts'
import type { TimerQueue } from '../timers/timer-queue.ts'
import type { Attempt, PoolWorker } from './pool-worker.ts'

/** How long a thread has to live where another lived for so long: no two take the same time to fail. */
const enoughMs = (livedMs: number): number => 1.5 * livedMs + 100
/** So long a module that was seen to load is believed to do so still: many jobs may end their threads. */
const trustMs = 60_000

/**
 * Browsers and Deno do not say when a worker module is through with what it awaits, so jobs start there when it has called
 * `defineJobs`. Should it fail after that, it ends the thread under a job that has done nothing wrong. To find out which of
 * the two it was, the next thread gets nothing to do for as long as the last one lived. If it ends all the same, it was
 * the module, and the start has failed.
 *
 * Most jobs that end their thread do so once. So this begins with the second time, and ends before a third is counted.
 */
export class Probation {
  readonly #timers: TimerQueue
  readonly #startTimeoutMs: number
  /** How long a new thread has to live before it is given anything. */
  ms = 0
  #passedAt = Number.NEGATIVE_INFINITY

  constructor(timers: TimerQueue, startTimeoutMs: number) {
    this.#timers = timers
    this.#startTimeoutMs = startTimeoutMs
  }

  /** A thread has lived for that long. */
  pass(): void {
    this.ms = 0
    this.#passedAt = this.#timers.monotonic()
  }

  /** Whether this attempt, the only one that may have ended its thread, is not to be blamed before the module was looked at. */
  shields({ worker, record }: Attempt, others: readonly PoolWorker[]): boolean {
    if (!worker.port.answersEarly) return false
    const now = this.#timers.monotonic()
    // Nobody knows when it called `defineJobs`: after it was made, and before that was heard.
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
