import { byTerminal, finishedAt, type Terminal } from '../job/record.ts'
import { Fifo } from '../shared/fifo.ts'
import type { Timer, TimerQueue } from '../timers/timer-queue.ts'
import type { LiveJob } from './live-job.ts'

/** How long finished jobs are kept. Whichever limit is reached first counts. */
export interface Keep {
  /** How many finished jobs are kept. When there are more, the oldest are removed. */
  readonly count: number
  /** How long a finished job is kept, in milliseconds. */
  readonly ageMs: number
}

export type KeepByState = Readonly<Record<Terminal, Keep>>

const hourMs = 60 * 60 * 1000

export const keepDefault: KeepByState = {
  completed: { count: 1_000, ageMs: hourMs },
  failed: { count: 10_000, ageMs: 30 * 24 * hourMs },
  cancelled: { count: 10_000, ageMs: 30 * 24 * hourMs },
}

/**
 * The finished jobs of one state, in the order in which they finished. They use the heap index of the job, which is free
 * because a finished job waits in no line.
 */
interface Finished {
  readonly keep: Keep
  readonly jobs: Fifo<LiveJob>
  /** Fires when the oldest job has been kept long enough; the others are due later. */
  timer: Timer | undefined
}

/** Removes finished jobs: by count and age for each state, or by its own `keepMs` if the job has one. */
export class Retention {
  readonly #timers: TimerQueue
  readonly #remove: (job: LiveJob) => void
  readonly #finished: Readonly<Record<Terminal, Finished>>

  constructor(keep: KeepByState, timers: TimerQueue, remove: (job: LiveJob) => void) {
    this.#timers = timers
    this.#remove = remove
    this.#finished = byTerminal((state) => ({ keep: keep[state], jobs: new Fifo(), timer: undefined }))
  }

  /**
   * Adds a job that has finished. It must have finished after all that were added before it, because the order is not checked
   * again. `isNews`: it finished just now, so the time is measured as a span of this process.
   */
  add(job: LiveJob, isNews = false): void {
    const { keepMs } = job.record.rules
    if (keepMs === 0) return this.#remove(job)
    if (keepMs === Number.POSITIVE_INFINITY) return
    if (keepMs !== undefined) {
      const until = (finishedAt(job.record) as number) + keepMs
      const remove = () => this.#remove(job)
      job.timer = isNews ? this.#timers.within(keepMs, until, remove) : this.#timers.at(until, remove)
      return
    }
    const finished = this.#of(job)
    finished.jobs.add(job)
    if (finished.jobs.size > finished.keep.count) this.#remove(finished.jobs.peek() as LiveJob)
    if (!finished.timer) this.#watchAge(finished)
  }

  /** Call it before a finished job is moved or removed. */
  drop(job: LiveJob): void {
    this.#timers.cancel(job.timer)
    this.#of(job).jobs.remove(job)
  }

  /** Adds jobs that come from the store, or that the store refused to remove. Each goes to its place among the others. */
  putBack(returned: readonly LiveJob[]): void {
    for (const finished of Object.values(this.#finished)) {
      const back = returned.filter((job) => this.#of(job) === finished)
      if (back.length === 0) continue
      for (let job = finished.jobs.peek(); job; job = finished.jobs.peek()) {
        finished.jobs.remove(job)
        back.push(job)
      }
      this.#timers.cancel(finished.timer)
      finished.timer = undefined
      back.sort((a, b) => (finishedAt(a.record) as number) - (finishedAt(b.record) as number))
      for (const job of back) this.add(job)
    }
  }

  #of(job: LiveJob): Finished {
    return this.#finished[job.record.state as Terminal]
  }

  #watchAge(finished: Finished): void {
    const { jobs, keep } = finished
    const endOf = (job: LiveJob) => (finishedAt(job.record) as number) + keep.ageMs
    const oldest = jobs.peek()
    if (!oldest || keep.ageMs === Number.POSITIVE_INFINITY) return
    const dueAt = endOf(oldest)
    finished.timer = this.#timers.at(dueAt, () => {
      finished.timer = undefined
      for (let job = jobs.peek(); job && endOf(job) <= dueAt; job = jobs.peek()) this.#remove(job)
      this.#watchAge(finished)
    })
  }
}
