import type { JobFilter, QueueControl } from './engine/engine.ts'
import type { RateLimit } from './queue/rate-limit.ts'
import { checkConcurrency, checkRateLimit } from './scheduler-options.ts'
import * as check from './shared/check.ts'

/** A named queue with its own concurrency, rate limit and pause. */
export interface Queue extends QueueControl {
  /** The name, as jobs give it in their options. */
  readonly name: string
  /** Whether its rate limit lets no job start now; `nextStartAt` says until when. */
  readonly isRateLimited: boolean
  /**
   * Runs at most this many jobs of this queue at a time; `Infinity` if only the number of workers limits it. Throws
   * `INVALID_OPTION`, `SCHEDULER_CLOSED`.
   */
  setConcurrency(concurrency: number): void
  /**
   * Starts at most `limit` jobs in any span of `intervalMs`; `undefined` for no limit. Throws `INVALID_OPTION`,
   * `SCHEDULER_CLOSED`.
   */
  setRateLimit(rateLimit: RateLimit | null | undefined): void
  /**
   * Removes all its jobs that wait: for a worker, a time or other jobs. Their promises reject with `JOB_CANCELLED`. Resolves with
   * how many there were. Rejects with `STORE_WRITE_FAILED`, `SCHEDULER_CLOSED`.
   */
  clear(): Promise<number>
  /** Resolves when none of its jobs waits to be started; some may run. Rejects with `SCHEDULER_CLOSED`. */
  onEmpty(): Promise<void>
  /**
   * Resolves when fewer than `limit` of its jobs wait to be started: for a caller that adds more only then. Rejects with
   * `INVALID_OPTION`, `SCHEDULER_CLOSED`.
   *
   * @example
   * ```ts
   * for (const url of urls) {
   *   await queue.onSizeLessThan(100)
   *   await scheduler.add.download(url, { queue: queue.name })
   * }
   * ```
   */
  onSizeLessThan(limit: number): Promise<void>
}

/** What a queue asks of its scheduler. */
interface QueueOwner {
  remove(filter: JobFilter): Promise<number>
  /** Resolves when fewer than `limit` of its jobs wait. */
  whenShorter(limit: number): Promise<void>
}

const sizeCheck = check.integer(1)

export const queueNameCheck = check.string(256)

/** Checks the arguments and calls the engine. */
export function queueHandle(name: string, control: QueueControl, owner: QueueOwner): Queue {
  return {
    name,
    get isPaused() {
      return control.isPaused
    },
    get size() {
      return control.size
    },
    get running() {
      return control.running
    },
    get nextStartAt() {
      return control.nextStartAt
    },
    get isRateLimited() {
      return control.nextStartAt !== undefined
    },
    pause: () => control.pause(),
    resume: () => control.resume(),
    setConcurrency(concurrency) {
      checkConcurrency(concurrency)
      control.setConcurrency(concurrency)
    },
    setRateLimit(rateLimit) {
      checkRateLimit(rateLimit)
      control.setRateLimit(rateLimit ?? undefined)
    },
    clear: () => owner.remove({ queue: name, state: ['queued', 'scheduled', 'blocked'] }),
    onEmpty: () => owner.whenShorter(1),
    async onSizeLessThan(limit) {
      check.checkArgument('limit', sizeCheck, limit)
      return owner.whenShorter(limit)
    },
  }
}
