import { type Extensible, extensionPointOf } from '../extension-point.ts'
import type { JobOptions } from '../job/job-options.ts'
import { takeJobOptions } from '../job/job-options.ts'
import * as check from '../shared/check.ts'
import { copyValue } from '../shared/clone.ts'
import { OffstageError } from '../shared/errors.ts'
import type { JobTable, WithInput } from '../thread/job-types.ts'

/** Options that a flow or batch decides, or that belong to the page or process that adds a job. */
type NotTogether = 'ifExists' | 'transfer' | 'signal' | `on${string}`

/** A job that is added together with others. */
export type JobSpec<Table extends JobTable = JobTable> = {
  [Name in keyof Table & string]: {
    /** The job type. */
    readonly name: Name
    /** The options of the job. Unless its id is given here, it is that of the flow and the key, `order-17/charge`, or that of the batch and a number, `import-3/0`. */
    readonly options?: Omit<JobOptions, NotTogether> | undefined
  } & WithInput<Table[Name]>
}[keyof Table & string]

/** A job that is added together with others, checked and copied. */
export interface TakenJob {
  readonly name: string
  readonly input: unknown
  readonly options: JobOptions | undefined
}

const notTogether = /^(ifExists|transfer|signal|on[A-Z].*)$/
const anything: check.Check = () => undefined
/** For the fields of a job, whose values `takeJob` checks. */
export const jobChecks: check.Checks = { name: anything, input: anything, options: anything }

/** Checks and copies a job. `label`: how errors name it. */
export type TakeJob = (spec: object, label: string) => TakenJob

export const takeJob: TakeJob = (spec, label) => {
  const { name, input, options: given } = spec as TakenJob
  check.checkArgument(`${label}.name`, check.string(256), name)
  const options = takeOptions(given, label)
  const other = Object.keys(options ?? {}).find((option) => notTogether.test(option))
  if (other)
    throw new OffstageError('INVALID_OPTION', `The option \`${other}\` is not for jobs of a flow or batch (${label}).`)
  return { name, input: copyValue(input, `input of ${label}`), options }
}

/**
 * Returns what takes the jobs that this page or process adds. Their inputs have the versions of its code, also where the jobs run
 * in another tab, whose code may be newer.
 */
export function takeJobFrom(scheduler: Extensible): TakeJob {
  const { defaultsOf } = extensionPointOf(scheduler)
  return (spec, label) => {
    const { name, input, options } = takeJob(spec, label)
    const version = options?.version ?? defaultsOf(name).options.version ?? 1
    return { name, input, options: { ...options, version } }
  }
}

/** Many jobs are added together: the message says which of them has the wrong option. */
function takeOptions(given: JobOptions | undefined, label: string): JobOptions | undefined {
  try {
    return takeJobOptions(given)
  } catch (error) {
    throw error instanceof OffstageError ? new OffstageError(error.code, `${label}: ${error.message}`) : error
  }
}
