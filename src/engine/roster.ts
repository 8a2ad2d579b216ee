import { isRetrying, type JobRecord, type State } from '../job/record.ts'
import type { Counts, FindOptions, JobFilter } from './engine.ts'
import type { LiveJob } from './live-job.ts'

const findLimitDefault = 1_000

/** Every job there is, by id, and how many are in which state. */
export class Roster {
  readonly #jobs = new Map<string, LiveJob>()
  readonly #counts: Record<State, number> = {
    scheduled: 0,
    blocked: 0,
    queued: 0,
    running: 0,
    completed: 0,
    failed: 0,
    cancelled: 0,
  }
  /** Of the scheduled: those between two attempts. */
  #retrying = 0

  get(id: string): LiveJob | undefined {
    return this.#jobs.get(id)
  }

  /** In the order in which they were added. */
  get jobs(): Iterable<LiveJob> {
    return this.#jobs.values()
  }

  add(job: LiveJob): void {
    job.isListed = true
    this.#jobs.set(job.record.id, job)
    this.#enter(job.record)
  }

  /** Nothing happens when it is gone already. */
  remove(job: LiveJob): void {
    if (!job.isListed) return
    job.isListed = false
    this.#jobs.delete(job.record.id)
    this.#leave(job.record)
  }

  /** A job has moved on. */
  recount(before: JobRecord, after: JobRecord): void {
    this.#leave(before)
    this.#enter(after)
  }

  find({ limit = findLimitDefault, after, ...filter }: FindOptions): LiveJob[] {
    const found: LiveJob[] = []
    let isBehind = after === undefined
    for (const job of this.#jobs.values()) {
      if (found.length === limit) break
      if (isBehind && fits(job.record, filter)) found.push(job)
      if (job.record.id === after) isBehind = true
    }
    return found
  }

  get counts(): Counts {
    return this.#counts
  }

  /** Jobs that wait for a thread, a time or another job. */
  get waiting(): number {
    const { queued, scheduled, blocked } = this.#counts
    return queued + scheduled + blocked
  }

  /** Nothing is queued, running or between two attempts; jobs planned for later do not count. */
  get isIdle(): boolean {
    return this.#counts.queued + this.#counts.running + this.#retrying === 0
  }

  #enter(record: JobRecord): void {
    this.#counts[record.state]++
    if (isRetrying(record)) this.#retrying++
  }

  #leave(record: JobRecord): void {
    this.#counts[record.state]--
    if (isRetrying(record)) this.#retrying--
  }
}

function fits({ name, queue, state, rules }: JobRecord, filter: JobFilter): boolean {
  if (filter.name !== undefined && filter.name !== name) return false
  if (filter.queue !== undefined && filter.queue !== queue) return false
  if (filter.tag !== undefined && !rules.tags.includes(filter.tag)) return false
  if (filter.state === undefined) return true
  return typeof filter.state === 'string' ? filter.state === state : filter.state.includes(state)
}
