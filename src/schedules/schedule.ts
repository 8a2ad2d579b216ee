import type { JobOptions } from '../job/job-options.ts'
import type { OwnOption } from '../job/standing-options.ts'
import type { JobTable, WithInput } from '../thread/job-types.ts'
import type { ScheduleSpec } from './spec.ts'

/** The job that a schedule adds at each occurrence. */
export type ScheduledJob<Table extends JobTable> = {
  [Name in keyof Table & string]: {
    /** The job type. */
    readonly name: Name
    /** The options of the job. Its id is that of the schedule with the time of the occurrence: `report@2026-11-29T03:00:00.000Z`. */
    readonly options?: Omit<JobOptions, OwnOption> | undefined
  } & WithInput<Table[Name]>
}[keyof Table & string]

/** What can be seen of a schedule. Times are in milliseconds since 1970. */
export interface Schedule {
  /** The id that it was set with. */
  readonly id: string
  /** When it comes, with the time zone that was in force. */
  readonly spec: ScheduleSpec
  /** What it adds. */
  readonly job: { readonly name: string; readonly input?: unknown; readonly options?: JobOptions | undefined }
  /** Whether it adds no jobs until `resume`. */
  readonly isPaused: boolean
  /** Its next occurrence; `undefined` if it is paused or there is none any more. */
  readonly nextAt: number | undefined
  /** The last occurrence that added a job; `undefined` if there was none. */
  readonly lastAt: number | undefined
  /** The id of that job, which may have been removed since. */
  readonly lastJobId: string | undefined
  /** How many jobs it has added at its occurrences; those of `trigger` do not count. */
  readonly count: number
}
