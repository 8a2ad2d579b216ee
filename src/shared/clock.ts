/**
 * Where offstage gets its time. The default is the system's; tests pass `manualClock()` from `offstage/testing`.
 *
 * Two clocks, two names: wall time is stored (it means something after a restart), monotonic time is subtracted (it
 * never jumps).
 */
export interface Clock {
  /** Wall time in milliseconds since 1970. */
  now(): number
  /** Milliseconds from an arbitrary start that never go back. */
  monotonic(): number
  /** By how much two of these may be nearer to each other than they say: rate limits wait so much longer. Default 0. */
  readonly resolutionMs?: number
  /** Calls back once, about `delayMs` from now (never over 2³¹−1). Returns a function that calls it off. */
  startTimer(callback: () => void, delayMs: number, keepsProcessAlive: boolean): () => void
}
