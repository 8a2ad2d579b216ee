import { byTerminal, finishedAt, type Terminal } from '../job/record.ts'
import { Fifo } from '../shared/fifo.ts'
import { IndexedHeap } from '../shared/indexed-heap.ts'
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
 * The finished jobs of one state. They use the heap index of the job, which is free because a finished job waits in no line.
 */
interface Finished {
  readonly keep: Keep
  /** In the order in which they finished. */
  readonly jobs: Fifo<LiveJob>
  /** Those that came after others that had finished later: jobs of a flow come when all of it is over. */
  readonly late: IndexedHeap<LiveJob>
  /** When the last of `jobs` finished. */
  lastAt: number
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
    this.#finished = byTerminal((state) => ({
      keep: keep[state],
      jobs: new Fifo(),
      late: new IndexedHeap(),
      lastAt: 0,
      timer: undefined,
    }))
  }

  /** Adds a job that has finished. `isNews`: it finished just now, so the time is measured as a span of this process. */
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
    const isLate = join(finished, job)
    const { jobs, late, keep } = finished
    if (jobs.size + late.size > keep.count) this.#remove(oldestOf(finished) as LiveJob)
    // It may have to go before all others.
    if (isLate) this.#unwatchAge(finished)
    if (!finished.timer) this.#watchAge(finished)
  }

  /** Call it before a finished job is moved or removed. */
  drop(job: LiveJob): void {
    this.#timers.cancel(job.timer)
    leave(this.#of(job), job)
  }

  /** Adds jobs that come from the store, or that the store refused to remove. Each goes to its place among the others. */
  putBack(returned: readonly LiveJob[]): void {
    for (const finished of Object.values(this.#finished)) {
      const back = returned.filter((job) => this.#of(job) === finished)
      if (back.length === 0) continue
      for (let job = oldestOf(finished); job; job = oldestOf(finished)) {
        leave(finished, job)
        back.push(job)
      }
      finished.lastAt = 0
      this.#unwatchAge(finished)
      back.sort((a, b) => (finishedAt(a.record) as number) - (finishedAt(b.record) as number))
      for (const job of back) this.add(job)
    }
  }

  #of(job: LiveJob): Finished {
    return this.#finished[job.record.state as Terminal]
  }

  #watchAge(finished: Finished): void {
    const { keep } = finished
    const endOf = (job: LiveJob) => (finishedAt(job.record) as number) + keep.ageMs
    const oldest = oldestOf(finished)
    if (!oldest || keep.ageMs === Number.POSITIVE_INFINITY) return
    const dueAt = endOf(oldest)
    finished.timer = this.#timers.at(dueAt, () => {
      finished.timer = undefined
      for (let job = oldestOf(finished); job && endOf(job) <= dueAt; job = oldestOf(finished)) this.#remove(job)
      this.#watchAge(finished)
    })
  }

  #unwatchAge(finished: Finished): void {
    this.#timers.cancel(finished.timer)
    finished.timer = undefined
  }
}

/** Returns whether the job is late. */
function join(finished: Finished, job: LiveJob): boolean {
  const at = finishedAt(job.record) as number
  const isLate = at < finished.lastAt
  if (isLate) finished.late.add(job, at, job.record.seq, 0)
  else finished.jobs.add(job)
  finished.lastAt = Math.max(finished.lastAt, at)
  return isLate
}

/** A job that has not joined, because it is kept for a time of its own, stays where it is. */
function leave({ jobs, late }: Finished, job: LiveJob): void {
  if (!jobs.remove(job)) late.remove(job)
}

function oldestOf({ jobs, late }: Finished): LiveJob | undefined {
  const first = jobs.peek()
  const other = late.peek()
  if (!first || !other) return first ?? other
  return (finishedAt(other.record) as number) < (finishedAt(first.record) as number) ? other : first
}
