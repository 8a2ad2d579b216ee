import type { Attached } from './attached.ts'
import type { Dispatcher } from './dispatcher.ts'
import type { InsertRequest } from './engine.ts'
import type { Admission } from './extension.ts'
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
