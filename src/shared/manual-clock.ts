import type { Clock } from './clock.ts'

/** A clock that stands still until it is told to go on. */
export interface ManualClock extends Clock {
  /** Lets `ms` pass: every timer that falls due rings, in order, at its own moment. */
  advance(ms: number): void
  /** Moves the wall clock alone, as when somebody sets it. */
  setWall(ms: number): void
  /** Timers that are running. */
  readonly timers: number
}

interface Timer {
  readonly at: number
  readonly callback: () => void
}

/**
 * For tests of code with delays, time limits and back-off: none of them waits.
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
