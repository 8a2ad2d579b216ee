import { endMoves } from '../engine/end-moves.ts'
import type { Extension, ExtensionHost, Turn } from '../engine/extension.ts'
import { isTerminal } from '../job/record.ts'
import type { Schedule } from './schedule.ts'
import { advanced, type JobOfSchedule, later, recurrenceOf, rowAt, rowOf, type ScheduleRow } from './schedule-row.ts'
import type { StoredSpec } from './spec.ts'
import { advanceLine, insert, tick } from './tick.ts'

/** What a page asks the scheduler that runs the jobs. */
export interface ScheduleCommands {
  set(id: string, spec: StoredSpec, job: JobOfSchedule): Promise<Schedule>
  get(id: string): Promise<Schedule | undefined>
  list(): Promise<Schedule[]>
  remove(id: string): Promise<boolean>
  setPaused(id: string, isPaused: boolean): Promise<boolean>
  /** `key`: made by the caller, so that a trigger that is asked for again adds one job. */
  trigger(id: string, key: string): Promise<string | undefined>
}

export const schedulesExtension: Extension<ScheduleCommands> = {
  name: 'schedules',
  // Only jobs that wait for each other are marked.
  scope: 'marked',
  moves: new Set(endMoves),
  events: ['schedule:fired', 'schedule:skipped'],
  moved(turn, before, after) {
    if (after && !isTerminal(after.state)) return
    const { id = '' } = before ?? {}
    advanceLine(turn, id.slice(0, id.lastIndexOf('@')))
  },
  open: (host) => new ScheduleRunner(host).commands,
}

/** When the queue was full, or the scheduler was closing, occurrences are tried again after this time. */
const retryMs = 1_000

/** How often those that have passed over occurrences look whether the clock was ahead, and is right again. */
const lookMs = 60_000

/** Lets the schedules come. One timer is set, for the first of them. */
class ScheduleRunner {
  readonly #host: ExtensionHost
  /** When each schedule comes. */
  readonly #comesAt = new Map<string, number>()
  #stopTimer: (() => void) | undefined
  /** Schedules that have passed over occurrences. */
  readonly #passedOver = new Set<string>()
  #stopLook: (() => void) | undefined
  /** Schedules whose occurrence has come and found no room. One timer, which no wall clock moves, lets all try again. */
  readonly #held = new Set<string>()
  #stopRetry: (() => void) | undefined

  constructor(host: ExtensionHost) {
    this.#host = host
    const { rows } = host
    // Jobs may have ended while this extension was not attached.
    const withLines = [...rows].filter(([, row]) => (row as ScheduleRow).line.length > 0)
    if (withLines.length > 0) this.#turn((turn) => withLines.forEach(([id]) => void advanceLine(turn, id)))
    for (const id of rows.keys()) this.#note(id)
    if (this.#passedOver.size > 0) this.#onTime()
    else this.#arm()
  }

  readonly commands: ScheduleCommands = {
    set: (id, spec, job) =>
      this.#change(id, (turn) => {
        const row = rowOf(id, spec, job, turn.clock.now(), turn.rows.get(id) as ScheduleRow | undefined)
        turn.put(id, row)
        return scheduleOf(id, row)
      }),
    get: async (id) => this.#scheduleOf(id),
    list: async () => [...this.#host.rows.keys()].sort().map((id) => this.#scheduleOf(id) as Schedule),
    remove: (id) =>
      this.#change(id, (turn) => {
        const row = turn.rows.get(id) as ScheduleRow | undefined
        // Jobs that it has added stay.
        for (const jobId of row?.line ?? []) turn.move(jobId, { type: 'unblock' })
        turn.put(id, undefined)
        return row !== undefined
      }),
    setPaused: (id, isPaused) =>
      this.#change(id, (turn) => {
        const there = turn.rows.get(id) as ScheduleRow | undefined
        if (!there) return false
        const now = turn.clock.now()
        const row = rowAt(id, there, now)
        // What would have come during the pause does not come afterwards.
        if (row.isPaused !== isPaused)
          turn.put(id, { ...(isPaused ? row : advanced(id, row, later(now, row))), isPaused })
        return true
      }),
    trigger: (id, key) =>
      this.#change(id, (turn) => {
        const row = turn.rows.get(id) as ScheduleRow | undefined
        const jobId = `${id}@${key}`
        return row && (turn.job(jobId)?.id ?? insert(turn, row, jobId, turn.clock.now(), false))
      }),
  }

  /** Carries out what a caller asked for, as a whole or not at all. */
  async #change<Result>(id: string, write: (turn: Turn) => Result): Promise<Result> {
    try {
      const changing = this.#host.turn(write, { isRefusable: true })
      this.#follow([id])
      return await changing
    } finally {
      // It may have been refused.
      this.#follow([id])
    }
  }

  #turn(write: (turn: Turn) => void): void {
    // Only the end of the scheduler makes it fail for good.
    this.#host.turn(write).catch(() => {})
  }

  #scheduleOf(id: string): Schedule | undefined {
    const row = this.#host.rows.get(id) as ScheduleRow | undefined
    return row && scheduleOf(id, row)
  }

  // Time.

  #follow(ids: readonly string[]): void {
    for (const id of ids) this.#note(id)
    this.#arm()
  }

  #note(id: string): void {
    const row = this.#host.rows.get(id) as ScheduleRow | undefined
    this.#held.delete(id)
    if (row?.passedOver && row.passedOver.cameUntil === undefined && !row.isPaused) this.#passedOver.add(id)
    else this.#passedOver.delete(id)
    if (!row || row.isPaused || row.nextAt === undefined) this.#comesAt.delete(id)
    else this.#comesAt.set(id, recurrenceOf(id, row).comesAt(row.nextAt))
  }

  #arm(): void {
    this.#stopTimer?.()
    let first = Number.POSITIVE_INFINITY
    for (const [id, at] of this.#comesAt) if (at < first && !this.#held.has(id)) first = at
    this.#stopTimer =
      first < Number.POSITIVE_INFINITY
        ? this.#host.at(first, () => this.#onTime(), { keepsProcessAlive: true })
        : undefined
    if (this.#passedOver.size === 0) return
    this.#stopLook ??= this.#host.after(lookMs, () => {
      this.#stopLook = undefined
      this.#onTime()
    })
  }

  /** Whether its occurrences were passed over because the clock was ahead. */
  #isSetRight(id: string, now: number): boolean {
    const row = this.#host.rows.get(id) as ScheduleRow
    return rowAt(id, row, now) !== row
  }

  #onTime(): void {
    const now = this.#host.clock.now()
    const back = [...this.#passedOver].filter((id) => this.#isSetRight(id, now))
    const coming = [...this.#comesAt].flatMap(([id, at]) => (at <= now && !this.#held.has(id) ? id : []))
    // Called again if the store refuses what it is based on.
    this.#turn((turn) => {
      for (const id of new Set([...back, ...coming])) {
        const isHeld = tick(turn, id)
        this.#note(id)
        if (isHeld) this.#hold(id)
      }
    })
    this.#arm()
  }

  #hold(id: string): void {
    this.#held.add(id)
    this.#stopRetry ??= this.#host.after(retryMs, () => this.#retry(), { keepsProcessAlive: true })
  }

  #retry(): void {
    this.#stopRetry = undefined
    this.#held.clear()
    this.#onTime()
  }
}

const scheduleOf = (id: string, { spec, job, nextAt, lastAt, lastJobId, isPaused, count }: ScheduleRow): Schedule => ({
  id,
  spec,
  job,
  isPaused,
  nextAt: isPaused ? undefined : nextAt,
  lastAt,
  lastJobId,
  count,
})
