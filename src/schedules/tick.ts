/** What happens when an occurrence comes. The jobs that it adds and the next occurrence are one commit. */
import type { Turn } from '../engine/extension.ts'
import { isTerminal } from '../job/record.ts'
import type { OffstageError } from '../shared/errors.ts'
import { hasCome, passOver } from './passed-over.ts'
import { occurrenceId } from './recurrence.ts'
import { advanced, recurrenceOf, rowAt, type ScheduleRow } from './schedule-row.ts'
import { missedMaxDefault } from './spec.ts'

/** An occurrence that is noticed later than this was missed. Timers of hidden pages are up to a minute late. */
const lateMs = 60_000

/** With these errors the job can be added later: when there is room, or by the next scheduler that has this schedule. */
const laterCodes: readonly string[] = ['QUEUE_FULL', 'SCHEDULER_CLOSED']

/** Adds the jobs of all occurrences that have come. Returns whether one of them has to be added later. */
export function tick(turn: Turn, id: string): boolean {
  const stored = turn.rows.get(id) as ScheduleRow | undefined
  const now = turn.clock.now()
  const row = stored && rowAt(id, stored, now)
  if (!row || row.isPaused) return false
  if (row !== stored) turn.put(id, row)
  if (row.nextAt === undefined) return false
  const { missed = 'last', missedMax = missedMaxDefault } = row.spec
  const recurrence = recurrenceOf(id, row)
  const count = missed === 'all' ? missedMax + 1 : 1
  const all = recurrence.due(count, row.nextAt, now)
  const newest = all.at(-1)
  if (newest === undefined) return false
  // The clock may have been ahead before, and may be so again: what came then does not come a second time.
  const { until = 0, cameUntil = 0 } = row.passedOver ?? {}
  const isAheadAgain = hasCome(row, newest)
  const due = isAheadAgain ? recurrence.due(count, row.nextAt, until - 1) : all.filter((at) => !hasCome(row, at))
  const isMissed = (at: number) => now - recurrence.comesAt(at) > lateMs
  const coming = missed === 'skip' && isMissed(newest) ? [] : isMissed(newest) ? due.slice(-missedMax) : due
  const [first = newest + 1] = coming
  if (first > row.nextAt) skipped(turn, id, 'missed', row.nextAt)
  const isCatchingUp = missed === 'all' && (coming.length > 1 || isMissed(first))
  return add(turn, id, passOver(row, first), coming, isAheadAgain ? cameUntil : newest, isCatchingUp)
}

function add(
  turn: Turn,
  id: string,
  row: ScheduleRow,
  coming: readonly number[],
  newest: number,
  isCatchingUp: boolean,
): boolean {
  const left = (row.spec.limit ?? Number.POSITIVE_INFINITY) - row.count
  let next = row
  for (const at of coming.slice(0, left)) {
    try {
      next = addOne(turn, id, next, at, isCatchingUp)
    } catch (error) {
      if (laterCodes.includes((error as OffstageError).code)) {
        // This occurrence stays the next one. While it waits, nothing is written.
        if (next !== row || at !== row.nextAt) turn.put(id, { ...next, nextAt: at })
        return true
      }
      skipped(turn, id, 'refused', at, error)
    }
  }
  turn.put(id, advanced(id, next, newest))
  return false
}

/**
 * Adds the job of one occurrence, if `overlap` lets it. `isCatchingUp`: all occurrences that were missed are made up for, one after
 * the other, whatever `overlap` says: none is left out, and none is cancelled.
 */
function addOne(turn: Turn, id: string, row: ScheduleRow, at: number, isCatchingUp: boolean): ScheduleRow {
  const { overlap = 'skip' } = row.spec
  const jobId = occurrenceId(id, at)
  // A schedule of this id was removed and set anew, and the clock was set back.
  if (turn.job(jobId)) return row
  const active = [...new Set([...row.line, row.lastJobId ?? ''])].filter((each) => isActive(turn, each))
  if (overlap === 'skip' && active.length > 0 && !isCatchingUp) {
    skipped(turn, id, 'overlap', at)
    return row
  }
  const waits = active.length > 0 && (overlap === 'queue' || isCatchingUp)
  const addedId = insert(turn, row, jobId, at, waits)
  turn.tell({ type: 'schedule:fired', scheduleId: id, jobId: addedId, scheduledFor: at })
  // An extension has named another job in place of its own. That one has its own life.
  if (addedId !== jobId) return { ...row, count: row.count + 1, lastAt: at }
  // Only once the new job is added: when the queue is full, the one before goes on.
  if (overlap === 'replace' && !waits)
    for (const each of active) turn.move(each, { type: 'cancel', reason: `the schedule '${id}' has come again` })
  if (waits) for (const each of active) turn.mark(each)
  // Those that wait are let go one by one, whatever becomes of the schedule meanwhile.
  const line = waits ? [...active, jobId] : row.line.filter((each) => isActive(turn, each))
  return { ...row, count: row.count + 1, lastAt: at, lastJobId: jobId, line }
}

/** Adds a job of the schedule. Returns its id, or the id of another job that an extension has put in its place. */
export function insert(turn: Turn, row: ScheduleRow, jobId: string, at: number, isBlocked: boolean): string {
  const { name, input, options } = row.job
  const previous = row.lastAt === undefined ? {} : { previous: new Date(row.lastAt).toISOString() }
  const headers = { ...options?.headers, scheduledFor: new Date(at).toISOString(), ...previous }
  // The version that was current when the schedule was set, and not what the defaults of this code say.
  const own = { ...options, version: options?.version ?? 1, id: jobId, headers }
  return turn.insert({ name, input, options: own, isBlocked, isMarked: isBlocked }).job.id
}

function isActive(turn: Pick<Turn, 'job'>, jobId: string): boolean {
  const record = turn.job(jobId)
  return record !== undefined && !isTerminal(record.state)
}

type Reason = 'missed' | 'overlap' | 'refused'

function skipped(turn: Turn, scheduleId: string, reason: Reason, scheduledFor: number, error?: unknown): void {
  turn.tell({ type: 'schedule:skipped', scheduleId, reason, scheduledFor, error })
}

/** A job of the line has ended: takes it out, and lets the first one that is left start. */
export function advanceLine(turn: Turn, id: string): void {
  const row = turn.rows.get(id) as ScheduleRow | undefined
  if (!row) return
  const line = row.line.filter((each) => isActive(turn, each))
  const [first] = line
  turn.put(id, { ...row, line })
  if (first !== undefined) turn.move(first, { type: 'unblock' })
}
