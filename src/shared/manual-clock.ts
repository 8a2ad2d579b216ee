import type { Clock } from './clock.ts'

/** A clock for tests that stands still until the test moves it. */
export interface ManualClock extends Clock {
  /** Lets `ms` milliseconds pass. Every timer that falls due fires at its own time, in order. */
  advance(ms: number): void
  /** Sets the wall clock to `ms` milliseconds since 1970, and nothing else, as a user does who sets the clock. */
  setWall(ms: number): void
  /** How many timers are running. */
  readonly timers: number
}

interface Timer {
  readonly at: number
  readonly callback: () => void
}

/**
 * Makes a clock for tests of code with delays, time limits and back-off, so that no test has to wait. `startMs`: its wall time
 * at first, in milliseconds since 1970. Default: the start of 2026 (UTC).
 *
 * @example
 * ```ts
 * const clock = manualClock()
 * const scheduler = createScheduler(inline(jobs), { clock })
 * const job = await scheduler.add.mail(letter, { delayMs: 60_000 })
 * clock.advance(60_000)
 * await job.result()
 * ```
 */
export function manualClock(startMs = Date.UTC(2026, 0, 1)): ManualClock {
  let monotonic = 0
  let wallOffset = startMs
  const timers = new Set<Timer>()

  const next = (until: number): Timer | undefined => {
    let earliest: Timer | undefined
    for (const timer of timers) if (timer.at <= until && (!earliest || timer.at < earliest.at)) earliest = timer
    return earliest
  }

  return {
    now: () => wallOffset + monotonic,
    monotonic: () => monotonic,
    startTimer(callback, delayMs) {
      const timer = { at: monotonic + delayMs, callback }
      timers.add(timer)
      return () => timers.delete(timer)
    },
    advance(ms) {
      const until = monotonic + ms
      for (let timer = next(until); timer; timer = next(until)) {
        timers.delete(timer)
        monotonic = Math.max(monotonic, timer.at)
        timer.callback()
      }
      monotonic = until
    },
    setWall(ms) {
      wallOffset = ms - monotonic
    },
    get timers() {
      return timers.size
    },
  }
}
