import type { JobRecord, State } from '../job/record.ts'
import { isRetrying } from '../job/waits.ts'
import type { Counts, FindOptions } from './engine.ts'
import { placeUnknown } from './job-errors.ts'
import type { LiveJob } from './live-job.ts'
import type { Step } from './steps.ts'

export const findLimitDefault = 1_000
/** For at least this many removed jobs, and at most twice as many, the index remembers where they stood. */
const goneMax = 10_000

/**
 * The length of the random part of the ids that offstage makes. It keeps them apart from the ids of users and of other lives;
 * the sequence number of the job follows it. With four digits of that number an id has twelve characters. V8 joins longer
 * strings only when they are read, and keeps the parts.
 */
const chanceLength = 8
const characters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'

/** Makes the random part of the ids of one life. A `random` that the user supplies may return anything. */
export const makeChance = (random: () => number): string =>
  Array.from({ length: chanceLength }, () => characters[Math.floor(random() * characters.length)] ?? 'A').join('')

const idOf = (chance: string, seq: number): string => chance + seq.toString(36)

/** Returns the sequence number in an id that offstage made. For any other id the result means nothing. */
const seqOf = (id: string): number => Number.parseInt(id.slice(chanceLength), 36)

/** Sequence numbers in a page. Small, because a single old job keeps its page alive. */
const pageSize = 64

interface Page {
  readonly number: number
  readonly jobs: (LiveJob | undefined)[]
  size: number
}

/** How many jobs are in which state. */
export interface Tally {
  readonly counts: Counts
  /** Nothing is queued, running or between two attempts. Jobs that are planned for later do not count. */
  readonly isIdle: boolean
}

/** All jobs, and how many are in which state. */
export class JobIndex implements Tally {
  readonly #chance: string
  /** Pages of jobs, by sequence number: a table by id costs five times as much time and memory. */
  #pages = new Map<number, Page>()
  /** The page that is being filled. */
  #lastPage: Page | undefined
  /** By id: the jobs whose id does not contain their sequence number. */
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
  /** How many of the scheduled jobs are between two attempts. */
  #retrying = 0
  /** The sequence numbers of removed jobs whose ids do not contain them: the newest, and those before them. */
  #gone = new Map<string, number>()
  #goneBefore: ReadonlyMap<string, number> = new Map()
  /**
   * The highest sequence number of an earlier life. An id with such a number proves nothing, because the number may have been
   * used twice.
   */
  lastRestored = 0

  /** `chance`: the random part of the ids of this life. */
  constructor(chance: string) {
    this.#chance = chance
  }

  get(id: string): LiveJob | undefined {
    const named = this.#named.get(id)
    if (named) return named
    const seq = seqOf(id)
    const numbered = this.#pages.get(pageOf(seq))?.jobs[seq % pageSize]
    return numbered?.record.id === id ? numbered : undefined
  }

  /** Makes the id for a new sequence number. */
  makeId(seq: number): string {
    return idOf(this.#chance, seq)
  }

  /** Whether a user has already given this id to a job. */
  isNamed(id: string): boolean {
    return this.#named.size > 0 && this.#named.has(id)
  }

  /** All jobs, in the order in which they were added. */
  get jobs(): Iterable<LiveJob> {
    return this.jobsFrom(0)
  }

  /** The jobs from this sequence number on, in the same order. */
  *jobsFrom(seq: number): Iterable<LiveJob> {
    for (const [number, { jobs }] of this.#pages) {
      if (number < pageOf(seq)) continue
      for (const job of jobs) if (job && job.record.seq >= seq) yield job
    }
  }

  /** Adds a job; sequence numbers only rise. `isNumbered`: the id contains the sequence number. */
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

  /** Adds a job again whose removal was refused. */
  putBack(job: LiveJob): void {
    const number = pageOf(job.record.seq)
    const last = this.#lastPage
    const page = this.#pages.get(number)
    this.#lastPage = page ?? this.#addPage(number)
    this.add(job)
    this.#lastPage = last
    if (page) return
    // Pages are kept in the order of their numbers, and the last of them is the one that is being filled.
    this.#pages = new Map([...this.#pages].sort(([a], [b]) => a - b))
    this.#lastPage = [...this.#pages.values()].at(-1)
  }

  #addPage(number: number): Page {
    const page = { number, jobs: new Array(pageSize).fill(undefined), size: 0 }
    this.#pages.set(number, page)
    this.#lastPage = page
    return page
  }

  /** Removes a job; does nothing if it is already removed. */
  remove(job: LiveJob): void {
    if (!job.isListed) return
    const { id, seq } = job.record
    const page = this.#pages.get(pageOf(seq)) as Page
    page.jobs[seq % pageSize] = undefined
    if (--page.size === 0) this.#removePage(page)
    const isNamed = this.#named.size > 0 && this.#named.delete(id)
    if (isNamed || seq <= this.lastRestored) this.#remember(id, seq)
    job.isListed = false
    this.leave(job.record)
  }

  #removePage(page: Page): void {
    this.#pages.delete(page.number)
    if (this.#lastPage === page) this.#lastPage = undefined
  }

  #remember(id: string, seq: number): void {
    if (this.#gone.size === goneMax) {
      this.#goneBefore = this.#gone
      this.#gone = new Map()
    }
    this.#gone.set(id, seq)
  }

  /** Returns the sequence number of a job, even if the job is removed. */
  #placeOf(id: string): number {
    const known = this.get(id)?.record.seq ?? this.#gone.get(id) ?? this.#goneBefore.get(id)
    if (known !== undefined) return known
    const seq = seqOf(id)
    if (seq > this.lastRestored && id === idOf(this.#chance, seq)) return seq
    throw placeUnknown(id)
  }

  /** Finds jobs as decided. With `leaving`, the jobs whose removal is not committed, it finds them as committed. */
  find({ limit = findLimitDefault, after, ...filter }: FindOptions, leaving?: readonly LiveJob[]): LiveJob[] {
    const found: LiveJob[] = []
    const left = leaving?.find(({ record }) => record.id === after)
    const from = after === undefined ? 0 : 1 + (left?.record.seq ?? this.#placeOf(after))
    const jobs = this.jobsFrom(from)
    for (const job of leaving?.length ? merge(jobs, leaving, from) : jobs) {
      if (found.length === limit) break
      const record = leaving ? job.committed : job.record
      if (record && fits(record, filter)) found.push(job)
    }
    return found
  }

  get counts(): Counts {
    return this.#counts
  }

  /** How many jobs wait for a worker, a time or another job. */
  get waiting(): number {
    const { queued, scheduled, blocked } = this.#counts
    return queued + scheduled + blocked
  }

  get isIdle(): boolean {
    return this.#counts.queued + this.#counts.running + this.#retrying === 0
  }

  /** Returns the counts as they were before these steps. */
  before(steps: readonly Step[]): Tally {
    const counts = { ...this.#counts }
    let retrying = this.#retrying
    const enter = (record: JobRecord, by: number) => {
      count(counts, record.state, by)
      if (isRetrying(record)) retrying += by
    }
    for (const { before, after } of steps) {
      if (after) enter(after, -1)
      if (before) enter(before, 1)
    }
    return { counts, isIdle: counts.queued + counts.running + retrying === 0 }
  }

  /** Counts a job in its new state. */
  enter(record: JobRecord): void {
    count(this.#counts, record.state, 1)
    if (isRetrying(record)) this.#retrying++
  }

  /** Call it before a job changes its state or is removed. */
  leave(record: JobRecord): void {
    count(this.#counts, record.state, -1)
    if (isRetrying(record)) this.#retrying--
  }
}

const merge = (jobs: Iterable<LiveJob>, others: readonly LiveJob[], from: number): readonly LiveJob[] =>
  [...jobs, ...others.filter(({ record }) => record.seq >= from)].sort((a, b) => a.record.seq - b.record.seq)

const pageOf = (seq: number): number => Math.floor(seq / pageSize)

/** A switch, because `counts[state]` is a dictionary lookup, and this is done eight times per job. */
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

export function fits({ name, queue, state, rules }: JobRecord, filter: FindOptions): boolean {
  if (filter.name !== undefined && filter.name !== name) return false
  if (filter.queue !== undefined && filter.queue !== queue) return false
  if (filter.tag !== undefined && !rules.tags.includes(filter.tag)) return false
  if (filter.state === undefined) return true
  return typeof filter.state === 'string' ? filter.state === state : filter.state.includes(state)
}
