import type { EventBus } from '../events/event-bus.ts'
import { type State, states } from '../job/record.ts'
import type { SchedulerSnapshot, Stats } from './engine.ts'
import type { Tally } from './job-index.ts'
import { Histogram, Rate } from './meter.ts'

export interface Threads {
  readonly online: number
  readonly busy: number
  readonly starting: number
}

/** What the dashboard shows. */
interface Shown {
  readonly bus: EventBus
  readonly committed: Tally
  readonly starter: { readonly pool: Threads }
}

/** The view of the whole scheduler: its snapshot, the observers of it, and its figures. */
export class Dashboard {
  readonly #shown: Shown
  readonly #observers = new Set<() => void>()
  #snapshot: SchedulerSnapshot | undefined
  /** The snapshot of which the observers were last notified. A caller may have read a newer one since. */
  #observed: SchedulerSnapshot | undefined
  #isPaused = false
  readonly added = new Rate()
  readonly completed = new Rate()
  readonly failed = new Rate()
  readonly waitMs = new Histogram()
  readonly runMs = new Histogram()
  /** How many of the added jobs the store refused. */
  refused = 0
  readonly #ended = { completed: 0, failed: 0, cancelled: 0 }

  constructor(shown: Shown) {
    this.#shown = shown
  }

  get isPaused(): boolean {
    return this.#isPaused
  }

  set isPaused(isPaused: boolean) {
    this.#isPaused = isPaused
    this.changed()
  }

  /** Returns the same object as long as nothing has changed. */
  snapshot(): SchedulerSnapshot {
    const { counts, isIdle } = this.#shown.committed
    const isPaused = this.#isPaused
    const workers = this.#shown.starter.pool.online
    const last = this.#snapshot
    const isSame =
      last?.isPaused === isPaused &&
      last.isIdle === isIdle &&
      last.workers === workers &&
      states.every((state) => last.counts[state] === counts[state])
    if (last && isSame) return last
    this.#snapshot = Object.freeze({ counts: Object.freeze({ ...counts }), isPaused, isIdle, workers })
    return this.#snapshot
  }

  observe(observer: () => void): () => void {
    if (this.#observers.size === 0) this.#observed = this.snapshot()
    this.#observers.add(observer)
    return () => this.#observers.delete(observer)
  }

  /** Call it when something may have changed. Notifies the observers if the snapshot is a new one. */
  changed(): void {
    if (this.#observers.size === 0) return
    const snapshot = this.snapshot()
    if (snapshot === this.#observed) return
    this.#observed = snapshot
    for (const observer of [...this.#observers]) this.#shown.bus.call(observer)
  }

  /** Counts a job whose end is committed. */
  ended(state: State): void {
    if (state === 'completed') this.#ended.completed++
    else this.#ended[state as 'failed' | 'cancelled']++
  }

  stats(now: number): Stats {
    const { online, busy, starting } = this.#shown.starter.pool
    return {
      workers: { online, busy, starting },
      depth: this.#shown.committed.counts.queued,
      rates: {
        added: this.added.perSecond(now),
        completed: this.completed.perSecond(now),
        failed: this.failed.perSecond(now),
      },
      latencies: { wait: this.waitMs.percentiles(), run: this.runMs.percentiles() },
      totals: { added: this.added.total - this.refused, ...this.#ended },
    }
  }
}
