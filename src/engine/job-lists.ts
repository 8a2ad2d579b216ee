import type { EventBus } from '../events/event-bus.ts'
import type { TimerQueue } from '../timers/timer-queue.ts'
import type { FindOptions, JobList } from './engine.ts'
import { findLimitDefault, fits, type JobIndex } from './job-index.ts'
import { keepSame, ListView } from './job-list.ts'
import { type JobSnapshot, snapshotOf } from './job-observers.ts'
import type { LiveJob } from './live-job.ts'

/** A list of more jobs than this is long. */
const shortMax = 100
/**
 * After a pass over a long list, the list pauses for this many times as long as the pass took, so passes take a tenth of the
 * time.
 */
const pausesPerPass = 9

/** By job, whether it was removed. */
type Changed = ReadonlyMap<LiveJob, boolean>

/**
 * The lists that callers watch. Changes are collected and shown after each batch. So a burst costs each list one pass over what
 * it shows, and no search.
 */
export class JobLists {
  readonly #index: JobIndex
  readonly #bus: EventBus
  readonly #timers: TimerQueue
  readonly #lists = new Set<LiveList>()
  #changed = new Map<LiveJob, boolean>()

  constructor(index: JobIndex, bus: EventBus, timers: TimerQueue) {
    this.#index = index
    this.#bus = bus
    this.#timers = timers
  }

  get isWatched(): boolean {
    return this.#lists.size > 0
  }

  watch(filter: FindOptions): JobList {
    const view = new ListView(this.#bus, () => stop())
    const stop = this.showIn(view, filter)
    return view
  }

  /**
   * Shows the list in an existing view, and returns a function that stops this. Snapshots in the view that still apply stay the
   * same objects.
   */
  showIn(view: ListView, filter: FindOptions): () => void {
    const list = new LiveList(this.#index, filter, view)
    this.#lists.add(list)
    return () => this.#lists.delete(list)
  }

  /** Called when it is committed that a job was added, changed or removed. */
  changed(job: LiveJob, isGone: boolean): void {
    if (this.#lists.size > 0) this.#changed.set(job, isGone)
  }

  flush(): void {
    if (this.#changed.size === 0) return
    const changed = this.#changed
    this.#changed = new Map()
    for (const list of [...this.#lists]) this.#update(list, changed)
  }

  #update(list: LiveList, changed: Changed): void {
    if (list.waiting) {
      for (const [job, isGone] of changed) list.waiting.set(job, isGone)
      return
    }
    const { clock } = this.#timers
    const begin = clock.monotonic()
    list.update(changed)
    const tookMs = clock.monotonic() - begin
    if (!list.isLong || tookMs <= 0) return
    list.waiting = new Map()
    this.#timers.after(pausesPerPass * tookMs, () => {
      const waiting = list.waiting as Changed
      list.waiting = undefined
      if (this.#lists.has(list)) this.#update(list, waiting)
    })
  }

  /** Fills all lists anew, after changes that were not reported with `changed`. */
  refresh(): void {
    for (const list of [...this.#lists]) list.fill()
  }

  close(): void {
    this.flush()
    for (const list of this.#lists) if (list.waiting) list.update(list.waiting)
    this.#lists.clear()
    this.#changed.clear()
  }
}

/**
 * The first `limit` jobs that fit. It knows up to twice as many: all jobs that fit up to `#horizon`. So it searches again only
 * after `limit` of them have left.
 */
class LiveList {
  readonly #index: JobIndex
  readonly #filter: FindOptions
  readonly #limit: number
  readonly #view: ListView
  /** In the order of adding. */
  #jobs = new Set<LiveJob>()
  #snapshots: ReadonlyMap<LiveJob, JobSnapshot> = new Map()
  /** The changes since the pause began; `undefined` while there is no pause. */
  waiting: Map<LiveJob, boolean> | undefined
  /** The sequence number of the last job known, if more may follow; infinite if not. */
  #horizon = -1

  constructor(index: JobIndex, { limit = findLimitDefault, ...filter }: FindOptions, view: ListView) {
    this.#index = index
    this.#filter = filter
    this.#limit = limit
    this.#view = view
    this.fill()
  }

  get isLong(): boolean {
    return this.#snapshots.size > shortMax
  }

  fill(): void {
    this.#jobs = new Set()
    this.#horizon = -1
    this.#refill()
    this.#show(undefined, new Map(this.#view.snapshot().map((shown) => [shown.id, shown])))
  }

  update(changed: Changed): void {
    const coming: LiveJob[] = []
    let isTouched = false
    for (const [job, isGone] of changed) {
      const isIn = !isGone && job.record.seq <= this.#horizon && this.#fits(job)
      if (isIn) coming.push(job)
      isTouched ||= isIn || this.#jobs.has(job)
    }
    if (!isTouched) return
    const jobs = [...[...this.#jobs].filter((job) => !changed.has(job)), ...coming]
    if (coming.length > 0) jobs.sort((a, b) => a.record.seq - b.record.seq)
    if (jobs.length > 2 * this.#limit) {
      jobs.length = 2 * this.#limit
      this.#horizon = (jobs.at(-1) as LiveJob).record.seq
    }
    this.#jobs = new Set(jobs)
    if (jobs.length < this.#limit) this.#refill()
    this.#show(changed)
  }

  #fits({ committed }: LiveJob): boolean {
    return committed !== undefined && fits(committed, this.#filter)
  }

  /** Searches beyond the horizon, unless all jobs are known. */
  #refill(): void {
    if (this.#horizon === Number.POSITIVE_INFINITY) return
    const jobs = this.#jobs
    for (const job of this.#index.jobsFrom(this.#horizon + 1)) {
      if (!this.#fits(job)) continue
      jobs.add(job)
      if (jobs.size < 2 * this.#limit) continue
      this.#horizon = job.record.seq
      return
    }
    this.#horizon = Number.POSITIVE_INFINITY
  }

  /** `shown`: snapshots of another list, by id. They are kept where they are equal. */
  #show(changed: Changed | undefined, shown?: ReadonlyMap<string, JobSnapshot>): void {
    const snapshots = new Map<LiveJob, JobSnapshot>()
    for (const job of this.#jobs) {
      if (snapshots.size === this.#limit) break
      const before = this.#snapshots.get(job)
      const isAsBefore = before && changed && !changed.has(job)
      const again = () => keepSame(before ?? shown?.get(job.record.id), snapshotOf(job.visible, job.progress))
      snapshots.set(job, isAsBefore ? before : again())
    }
    this.#snapshots = snapshots
    this.#view.show([...snapshots.values()])
  }
}
