import { isRetrying, type JobRecord, type State } from '../job/record.ts'
import type { Counts, FindOptions, JobFilter } from './engine.ts'
import type { LiveJob } from './live-job.ts'

const findLimitDefault = 1_000

/**
 * Ids that we make up: so many characters of chance keep them apart from the user's and from those of other lives, and then
 * comes the job's sequence number. With four digits of it an id has twelve characters: V8 joins longer strings only when
 * they are read, and keeps the parts.
 */
const chanceLength = 8
const characters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'

/** What the ids of one life begin with. A `random` of the user's may answer anything. */
export const makeChance = (random: () => number): string =>
  Array.from({ length: chanceLength }, () => characters[Math.floor(random() * characters.length)] ?? 'A').join('')

export const makeId = (chance: string, seq: number): string => chance + seq.toString(36)

/** Of an id that we made up; any number, or none, of another. */
const seqOf = (id: string): number => Number.parseInt(id.slice(chanceLength), 36)

/** Numbers in a page. Small, because a single old job keeps its page. */
const pageSize = 64

interface Page {
  readonly number: number
  readonly jobs: (LiveJob | undefined)[]
  size: number
}

/** Every job there is, and how many are in which state. */
export class Roster {
  /** By sequence number, a stretch of it on each page: a table by id costs five times as much time and memory. */
  readonly #pages = new Map<number, Page>()
  /** The one that is being filled. */
  #lastPage: Page | undefined
  /** By id: those that cannot be found by the number in it. */
  readonly #named = new Map<string, LiveJob>()
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
    const named = this.#named.get(id)
    if (named) return named
    const seq = seqOf(id)
    const numbered = this.#pages.get(pageOf(seq))?.jobs[seq % pageSize]
    return numbered?.record.id === id ? numbered : undefined
  }

  /** Whether an id that we would make up for a new number is somebody's own. */
  isNamed(id: string): boolean {
    return this.#named.size > 0 && this.#named.has(id)
  }

  /** In the order in which they were added. */
  get jobs(): Iterable<LiveJob> {
    return this.#jobsFrom(0)
  }

  *#jobsFrom(seq: number): Iterable<LiveJob> {
    for (const [number, { jobs }] of this.#pages) {
      if (number < pageOf(seq)) continue
      for (const job of jobs) if (job && job.record.seq >= seq) yield job
    }
  }

  /** Sequence numbers only rise. `isNumbered`: its id says the number. */
  add(job: LiveJob, isNumbered = seqOf(job.record.id) === job.record.seq): void {
    const { id, seq } = job.record
    const number = pageOf(seq)
    const page = this.#lastPage?.number === number ? this.#lastPage : this.#addPage(number)
    page.jobs[seq % pageSize] = job
    page.size++
    if (!isNumbered) this.#named.set(id, job)
    job.isListed = true
    this.enter(job.record)
  }

  #addPage(number: number): Page {
    const page = { number, jobs: new Array(pageSize).fill(undefined), size: 0 }
    this.#pages.set(number, page)
    this.#lastPage = page
    return page
  }

  /** Nothing happens when it is gone already. */
  remove(job: LiveJob): void {
    if (!job.isListed) return
    const { id, seq } = job.record
    const page = this.#pages.get(pageOf(seq)) as Page
    page.jobs[seq % pageSize] = undefined
    if (--page.size === 0) this.#removePage(page)
    if (this.#named.size > 0) this.#named.delete(id)
    job.isListed = false
    this.leave(job.record)
  }

  #removePage(page: Page): void {
    this.#pages.delete(page.number)
    if (this.#lastPage === page) this.#lastPage = undefined
  }

  find({ limit = findLimitDefault, after, ...filter }: FindOptions): LiveJob[] {
    const found: LiveJob[] = []
    const before = after === undefined ? undefined : this.get(after)
    if (after !== undefined && !before) return found
    for (const job of this.#jobsFrom(before ? before.record.seq + 1 : 0)) {
      if (found.length === limit) break
      if (fits(job.record, filter)) found.push(job)
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

  /** A job is in this state from now on. */
  enter(record: JobRecord): void {
    count(this.#counts, record.state, 1)
    if (isRetrying(record)) this.#retrying++
  }

  /** A job is about to be in another state, or to be gone. */
  leave(record: JobRecord): void {
    count(this.#counts, record.state, -1)
    if (isRetrying(record)) this.#retrying--
  }
}

const pageOf = (seq: number): number => Math.floor(seq / pageSize)

/** A switch, because `counts[state]` is looked up as in any object, and this is done eight times a job. */
function count(counts: Record<State, number>, state: State, by: number): void {
  switch (state) {
    case 'queued':
      counts.queued += by
      break
    case 'running':
      counts.running += by
      break
    case 'completed':
      counts.completed += by
      break
    default:
      counts[state] += by
  }
}

function fits({ name, queue, state, rules }: JobRecord, filter: JobFilter): boolean {
  if (filter.name !== undefined && filter.name !== name) return false
  if (filter.queue !== undefined && filter.queue !== queue) return false
  if (filter.tag !== undefined && !rules.tags.includes(filter.tag)) return false
  if (filter.state === undefined) return true
  return typeof filter.state === 'string' ? filter.state === state : filter.state.includes(state)
}
