/**
 * The source of time. The default is the system's clock; tests pass `manualClock()` from `offstage/testing`.
 *
 * There are two clocks with two names. Wall time is stored, because it still means something after a restart. Monotonic time is
 * subtracted, because it never jumps.
 */
export interface Clock {
  /** Wall time in milliseconds since 1970. */
  now(): number
  /** Milliseconds since an arbitrary start. They never go back. */
  monotonic(): number
  /**
   * How coarse `monotonic` is, in milliseconds: two times may be nearer to each other than they look by this much. Rate limits
   * wait longer by it. Default 0.
   */
  readonly resolutionMs?: number
  /**
   * Calls `callback` once, after about `delayMs` milliseconds (at most 2³¹−1). `keepsProcessAlive`: whether a Node process
   * stays alive for it. Returns a function that stops the timer.
   */
  startTimer(callback: () => void, delayMs: number, keepsProcessAlive: boolean): () => void
}
