import type { QueueControl } from './engine/engine.ts'
import type { RateLimit } from './queue/rate-limit.ts'
import { checkConcurrency, checkRateLimit } from './scheduler-options.ts'
import * as check from './shared/check.ts'

/** A named queue with its own concurrency, rate limit and pause. */
export interface Queue extends QueueControl {
  /** The name, as jobs give it in their options. */
  readonly name: string
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
}

export const queueNameCheck = check.string(256)

/** Checks the arguments and calls the engine. */
export function queueHandle(name: string, control: QueueControl): Queue {
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
  }
}
