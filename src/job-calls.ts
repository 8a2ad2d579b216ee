import type { JobOptions } from './job/job-options.ts'
import type { InputOf, ProgressOf, ResultOf, ValueOf, WithInput } from './thread/job-types.ts'

type OptionsOf<Handler> = JobOptions<ResultOf<Handler>, ProgressOf<Handler>, ValueOf<Handler>>
export type ArgumentsOf<Handler> =
  undefined extends InputOf<Handler>
    ? [input?: InputOf<Handler>, options?: OptionsOf<Handler>]
    : [input: InputOf<Handler>, options?: OptionsOf<Handler>]

/** One job for `addMany`. */
export type JobRequest<Table> = {
  [Name in keyof Table]: {
    readonly name: Name
    readonly options?: OptionsOf<Table[Name]> | undefined
  } & WithInput<Table[Name]>
}[keyof Table]
