import type { Clock } from '../shared/clock.ts'
import type { LiveJob } from './live-job.ts'

/** Jobs that wait while no worker can be started: decides when their callers are notified. */
export class Stranded {
  readonly #clock: Clock
  readonly #timeoutMs: number
  /** Since when a job waits again after its callers were notified. */
  readonly #waitsSince = new WeakMap<LiveJob, number>()

  constructor(clock: Clock, timeoutMs: number) {
    this.#clock = clock
    this.#timeoutMs = timeoutMs
  }

  /**
   * Returns the jobs that have waited long enough. There has been no worker since `since`. A job of a queue that
   * lets none start is not counted.
   */
  overdue(jobs: Iterable<LiveJob>, since: number): LiveJob[] {
    return [...jobs].filter(
      (job) => job.record.state === 'queued' && !job.line?.limiter.isShut && this.#isOverdue(job, since),
    )
  }

  #isOverdue(job: LiveJob, since: number): boolean {
    const now = this.#clock.monotonic()
    const dueMs = this.#clock.now() - job.record.dueAt
    // A due time in the future only means that the clock was set back.
    const waitsSince = Math.max(since, dueMs < 0 ? since : now - dueMs, this.#waitsSince.get(job) ?? since)
    return now - waitsSince >= this.#timeoutMs
  }

  /** The callers of this job were notified; the next notification comes after the same time again. */
  waitsAgain(job: LiveJob): void {
    this.#waitsSince.set(job, this.#clock.monotonic())
  }
}
