import type { Backoff, Rules } from './record.ts'

/** The wait before an attempt that does not follow. */
export const never = Number.POSITIVE_INFINITY

/** No longer wait is possible: a hundred years. */
export const delayMsMax = 100 * 366 * 24 * 60 * 60 * 1000

/** All that a back-off may consist of, and with decorrelated jitter the last wait, which is kept with the job. */
interface Parts {
  readonly type: 'fixed' | 'linear' | 'exponential' | 'sidekiq'
  readonly delayMs: number
  readonly maxMs?: number
  readonly jitter?: number | 'full' | 'decorrelated'
  readonly lastMs?: number
}

/**
 * Returns how many milliseconds to wait after the `failures`th failed attempt. `random` is from 0 up to 1.
 *
 * @example
 * ```ts
 * backoffDelayMs({ type: 'exponential', delayMs: 100, maxMs: 1_000 }, 3, 0) // 400
 * backoffDelayMs([1_000, 60_000], 3, 0) // 60_000
 * ```
 */
export function backoffDelayMs(backoff: Backoff | undefined, failures: number, random: number): number {
  if (!backoff) return 0
  if (Array.isArray(backoff)) return backoff[Math.min(failures, backoff.length) - 1] ?? 0
  const { type, delayMs, maxMs = delayMsMax, jitter = 0, lastMs = delayMs } = backoff as Parts
  const retries = failures - 1
  const fullMs =
    type === 'sidekiq'
      ? (retries ** 4 + 15 + Math.floor(random * 10) * failures) * 1_000
      : jitter === 'decorrelated'
        ? delayMs + random * (3 * (retries > 0 ? lastMs : delayMs) - delayMs)
        : delayMs * { fixed: 1, linear: failures, exponential: 2 ** retries }[type]
  const share = { full: 1, decorrelated: 0 }[jitter as 'full'] ?? jitter
  // Infinity × 0 is not a number. 2 ** 1023 attempts are never reached, but doubling a long delay soon exceeds what dates can
  // hold.
  return Math.round(Math.min(fullMs || 0, maxMs) * (1 - (share as number) * random)) || 0
}

/** Returns the rules after a wait: the same, unless the next wait follows from this one. */
export function afterWait(rules: Rules, lastMs: number): Rules {
  const backoff = rules.backoff as Parts | undefined
  return backoff?.jitter === 'decorrelated' ? { ...rules, backoff: { ...backoff, lastMs } as Backoff } : rules
}
