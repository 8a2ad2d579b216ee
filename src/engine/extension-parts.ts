import type { Rules } from '../job/record.ts'
import type { OffstageError } from '../shared/errors.ts'
import type { Dispatcher } from './dispatcher.ts'
import type { InsertRequest } from './engine.ts'
import type { Admission, CommandTable, Extension } from './extension.ts'
import type { Intake } from './intake.ts'
import type { Jobs } from './jobs.ts'
import type { Lifecycle } from './lifecycle.ts'
import type { LiveJob } from './live-job.ts'
import type { Outcomes } from './outcomes.ts'

/** Of an engine. */
export interface EngineParts {
  readonly jobs: Jobs
  readonly dispatcher: Dispatcher
  readonly outcomes: Outcomes
  readonly lifecycle: Lifecycle
  readonly intake: Intake
}

/** Makes a request for a job as `add` does: checks and copies, with the defaults of its type. */
export type RequestOf = (name: string, input: unknown, options: Admission['options']) => InsertRequest

/** What they need of the engine, and of the scheduler. */
export interface ExtensionParts extends EngineParts {
  readonly requestOf: RequestOf
  /** When it is certain that it is cancelled: a thread cannot be told to go on after all. */
  readonly abort: (job: LiveJob) => void
  readonly mark: (job: LiveJob, attached: Attached) => void
}

export interface Attached {
  readonly extension: Extension
  readonly rows: Map<string, unknown>
  readonly markRules: (rules: Rules) => Rules
  commands: CommandTable
  /** Why it could not be opened. */
  failure: OffstageError | undefined
  /** Writings whose fate is not known. */
  pending: number
}
