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

/** The parts of an engine that extensions use. */
export interface EngineParts {
  readonly jobs: Jobs
  readonly dispatcher: Dispatcher
  readonly outcomes: Outcomes
  readonly lifecycle: Lifecycle
  readonly intake: Intake
}

/** Makes a request for a job as `add` does: checked and copied, with the defaults of its type. */
export type RequestOf = (name: string, input: unknown, options: Admission['options']) => InsertRequest

/** What extensions need of the engine and of the scheduler. */
export interface ExtensionParts extends EngineParts {
  readonly requestOf: RequestOf
  /**
   * Aborts the attempt of a cancelled job, once nothing in the turn or call can throw any more: a handler that was aborted
   * cannot be resumed.
   */
  readonly abort: (job: LiveJob) => void
  readonly mark: (job: LiveJob, attached: Attached) => void
}

export interface Attached {
  readonly extension: Extension
  readonly rows: Map<string, unknown>
  readonly markRules: (rules: Rules) => Rules
  commands: CommandTable
  /** Why the extension could not be opened. */
  failure: OffstageError | undefined
  /** How many writings of this extension are not yet committed or refused. */
  pending: number
}
