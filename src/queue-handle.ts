import type { QueueControl } from './engine/engine.ts'
import type { RateLimit } from './queue/rate-limit.ts'
import { checkConcurrency, checkRateLimit } from './scheduler-options.ts'
import * as check from './shared/check.ts'

/** A named line with its own concurrency, rate limit and pause. */
export interface Queue extends QueueControl {
  /** As jobs name it in their options. */
  readonly name: string
  /** At most so many jobs of this queue run at a time; `Infinity` for no limit but the threads. */
  setConcurrency(concurrency: number): void
  /** At most `limit` starts in any span of `intervalMs`; `undefined` for no limit. */
  setRateLimit(rateLimit: RateLimit | null | undefined): void
}

export const queueNameCheck = check.string(256)

/** Checks what comes in; the rest is up to the engine. */
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
