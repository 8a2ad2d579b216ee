import type { Backoff } from './record.ts'

/**
 * Returns how many milliseconds to wait after the `failures`th failed attempt. `random` is from 0 up to 1.
 *
 * @example
 * ```ts
 * backoffDelayMs({ type: 'exponential', delayMs: 100, maxMs: 1_000 }, 3, 0) // 400
 * ```
 */
export function backoffDelayMs(backoff: Backoff | undefined, failures: number, random: number): number {
  if (!backoff) return 0
  const { delayMs, maxMs = Number.POSITIVE_INFINITY, jitter = 0 } = backoff
  const factor = { fixed: 1, linear: failures, exponential: 2 ** (failures - 1) }[backoff.type]
  // Infinity × 0 is not a number. 2 ** 1023 attempts are never reached, but doubling a long delay soon exceeds what dates can
  // hold.
  const fullMs = Math.min(delayMs * factor || 0, maxMs, delayMsMax)
  return Math.round(fullMs * (1 - jitter * random)) || 0
}

const delayMsMax = 100 * 366 * 24 * 60 * 60 * 1000
