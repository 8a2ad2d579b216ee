import type { Clock } from '../shared/clock.ts'
import type { LiveJob } from './live-job.ts'

/** Jobs that wait while no thread can be started: when whoever waits for them hears of it. */
export class Stranded {
  readonly #clock: Clock
  readonly #timeoutMs: number
  /** Since when those wait of which somebody has heard before. */
  readonly #anew = new WeakMap<LiveJob, number>()

  constructor(clock: Clock, timeoutMs: number) {
    this.#clock = clock
    this.#timeoutMs = timeoutMs
  }

  /** Those that have waited for long enough. There has been no thread since `since`. What is paused may wait for a better day. */
  overdue(jobs: Iterable<LiveJob>, since: number): LiveJob[] {
    return [...jobs].filter(
      (job) => job.record.state === 'queued' && !job.line?.limiter.isPaused && this.#isOverdue(job, since),
    )
  }

  #isOverdue(job: LiveJob, since: number): boolean {
    const now = this.#clock.monotonic()
    const dueMs = this.#clock.now() - job.record.dueAt
    // What is due in the future says that the clock was set back, and nothing else.
    const waitsSince = Math.max(since, dueMs < 0 ? since : now - dueMs, this.#anew.get(job) ?? since)
    return now - waitsSince >= this.#timeoutMs
  }

  /** Somebody has heard; whoever asks again waits for as long again. */
  waitsAnew(job: LiveJob): void {
    this.#anew.set(job, this.#clock.monotonic())
  }
}
