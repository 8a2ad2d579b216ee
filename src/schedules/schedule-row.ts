import type { JobOptions } from '../job/job-options.ts'
import { hasCome, type PassedOver, setRight } from './passed-over.ts'
import { Recurrence } from './recurrence.ts'
import type { StoredSpec } from './spec.ts'

/** The job that a schedule adds at each occurrence. */
export interface JobOfSchedule {
  readonly name: string
  readonly input?: unknown
  readonly options?: JobOptions | undefined
}

/** What is stored of a schedule. */
export interface ScheduleRow {
  readonly spec: StoredSpec
  readonly job: JobOfSchedule
  /** When its recurrence was set, which is what `everyMs` counts from. */
  readonly setAt: number
  /** The next occurrence; `undefined` if there is none any more. */
  readonly nextAt: number | undefined
  readonly isPaused: boolean
  /** How many jobs it has added at its occurrences. */
  readonly count: number
  /** The last occurrence that added a job, and that job. */
  readonly lastAt: number | undefined
  readonly lastJobId: string | undefined
  /** The jobs that have not ended and run one after the other: all but the first are blocked. */
  readonly line: readonly string[]
  readonly passedOver?: PassedOver | undefined
}

export const recurrenceOf = (id: string, { spec, setAt }: Pick<ScheduleRow, 'spec' | 'setAt'>): Recurrence =>
  new Recurrence(spec, id, setAt)

/** Returns the row with its next occurrence after `after`, unless the schedule has added all its jobs. */
export function advanced(id: string, row: ScheduleRow, after: number): ScheduleRow {
  const { limit = Number.POSITIVE_INFINITY } = row.spec
  if (row.count >= limit) return { ...row, nextAt: undefined }
  const recurrence = recurrenceOf(id, row)
  const nextAt = recurrence.next(after)
  if (nextAt === undefined || !hasCome(row, nextAt)) return { ...row, nextAt }
  return { ...row, nextAt: recurrence.next(row.passedOver?.cameUntil as number) }
}

/** Returns the row as it goes on from now, whatever the clock was before. */
export const rowAt = (id: string, row: ScheduleRow, now: number): ScheduleRow =>
  row.passedOver && row.count < (row.spec.limit ?? Number.POSITIVE_INFINITY)
    ? setRight(row, recurrenceOf(id, row), now)
    : row

/** Where to count from: if the clock was set back, no occurrence comes again. */
export const later = (now: number, { lastAt = now }: Pick<ScheduleRow, 'lastAt'>): number => Math.max(now, lastAt)

/** Returns the row of a schedule that is set, or set anew. What does not change keeps its place, even if it is due. */
export function rowOf(
  id: string,
  spec: StoredSpec,
  job: JobOfSchedule,
  now: number,
  there: ScheduleRow | undefined,
): ScheduleRow {
  if (!there) return advanced(id, { ...fresh, spec, job, setAt: now }, now)
  const before = rowAt(id, there, now)
  const isSame = recurs(spec) === recurs(before.spec)
  const row = { ...before, spec, job, setAt: isSame ? before.setAt : now }
  const isDone = row.count >= (spec.limit ?? Number.POSITIVE_INFINITY)
  return isSame && before.nextAt !== undefined && !isDone ? row : advanced(id, row, later(now, before))
}

const fresh = { nextAt: undefined, isPaused: false, count: 0, lastAt: undefined, lastJobId: undefined, line: [] }

/** Two specs with the same text have the same occurrences. */
const recurs = ({ cron, timeZone, everyMs, startAt, endAt }: StoredSpec): string =>
  JSON.stringify([cron, timeZone, everyMs, startAt, endAt])
