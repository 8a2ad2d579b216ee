import type { State } from '../job/record.ts'
import type { Alarm, Timetable } from '../schedule/timetable.ts'
import type { LiveJob } from './live-job.ts'

export interface Keep {
  /** Beyond so many the oldest go. */
  readonly count: number
  readonly ageMs: number
}

type Terminal = Extract<State, 'completed' | 'failed' | 'cancelled'>
export type KeepByState = Readonly<Record<Terminal, Keep>>

const hourMs = 60 * 60 * 1000

export const keepDefault: KeepByState = {
  completed: { count: 1_000, ageMs: hourMs },
  failed: { count: 10_000, ageMs: 30 * 24 * hourMs },
  cancelled: { count: 10_000, ageMs: 30 * 24 * hourMs },
}

/** Lets go of finished jobs: by count and age for each state, by its own `keepMs` for a job that has one. */
export class Retention {
  readonly #keep: KeepByState
  readonly #timetable: Timetable
  readonly #remove: (job: LiveJob) => void
  /** In the order in which they finished. */
  readonly #finished: Readonly<Record<Terminal, Set<LiveJob>>> = {
    completed: new Set(),
    failed: new Set(),
    cancelled: new Set(),
  }
  readonly #alarms = new Map<Terminal, Alarm>()

  constructor(keep: KeepByState, timetable: Timetable, remove: (job: LiveJob) => void) {
    this.#keep = keep
    this.#timetable = timetable
    this.#remove = remove
  }

  add(job: LiveJob): void {
    const { state, rules, finishedAt } = job.record
    const { keepMs } = rules
    if (keepMs === undefined) return this.#line(state as Terminal, job)
    if (keepMs === 0) return this.#remove(job)
    if (keepMs !== Number.POSITIVE_INFINITY)
      job.alarm = this.#timetable.at((finishedAt as number) + keepMs, () => this.#remove(job))
  }

  /** The job is finished no longer, or gone. */
  drop(job: LiveJob): void {
    for (const finished of Object.values(this.#finished)) finished.delete(job)
  }

  #line(state: Terminal, job: LiveJob): void {
    const finished = this.#finished[state]
    finished.add(job)
    if (finished.size > this.#keep[state].count) {
      const [oldest] = finished
      if (oldest) this.#remove(oldest)
    }
    this.#watchAge(state)
  }

  /** One alarm for each state, for its oldest: the others are due later. */
  #watchAge(state: Terminal): void {
    const { ageMs } = this.#keep[state]
    const [oldest] = this.#finished[state]
    if (!oldest || ageMs === Number.POSITIVE_INFINITY || this.#alarms.has(state)) return
    const alarm = this.#timetable.at((oldest.record.finishedAt as number) + ageMs, () => {
      this.#alarms.delete(state)
      const now = (oldest.record.finishedAt as number) + ageMs
      for (const job of this.#finished[state]) {
        if ((job.record.finishedAt as number) + ageMs > now) break
        this.#remove(job)
      }
      this.#watchAge(state)
    })
    this.#alarms.set(state, alarm)
  }
}
