import type { JobRecord } from '../job/record.ts'
import type { Inserted, InsertRequest } from './engine.ts'
import type { Extension } from './extension.ts'
import type { LiveJob } from './live-job.ts'
import type { Step } from './steps.ts'

/** How the intake adds a job; the extensions call it. */
export interface Admitting {
  /** Adds a job, or returns the one that already has the id. */
  insertNow(request: InsertRequest, call: object | undefined): Inserted
  /** Returns the job that already has the id, if the request accepts that. Throws `DUPLICATE_ID` otherwise. */
  there(request: InsertRequest): LiveJob | undefined
  /** Throws `QUEUE_FULL` if this many more jobs may not wait. */
  assertRoom(added: number): void
  /** Adds the job, or returns or replaces the existing one, `there`. */
  settle(
    request: InsertRequest,
    call: object | undefined,
    there: LiveJob | undefined,
    draft?: LiveJob,
    isReplaced?: boolean,
  ): Inserted
}

/**
 * The extensions, as the engine sees them. The implementation comes with `offstage/extension` when the first one is attached.
 * The engine does not import it, so an application without extensions does not load it.
 */
export interface ExtensionHooks {
  /** Whether an extension of this name is attached. */
  has(name: string): boolean
  /** Throws if no extension of that name is attached, or if it could not be opened. */
  assertOpen(name: string): void
  /** Attaches an extension and opens it. If that fails, the error is reported, and its commands reject. */
  attach(extension: Extension): void
  /** Carries out a command. Resolves when everything that it did and saw is committed. */
  command(extension: string, command: string, args: readonly unknown[]): Promise<unknown>
  /** Whether an extension wants to be asked before a job is added. */
  readonly admits: boolean
  /** Whether such a move needs a step, because an extension follows it. */
  needs(type: Step['type'], record: JobRecord): boolean
  /** Called when a step was written. The extensions that follow such moves are called before the batch is sent to the store. */
  wrote(step: Step): void
  /** Calls the extensions with the steps that were written. What they do goes into the same batch. */
  follow(): void
  /** Whether extensions have to follow these requests before the call returns. */
  joins(requests: readonly InsertRequest[]): boolean
  /** Carries out a call and everything that extensions do in response: all of it or, when something throws, nothing. */
  inCall<Result>(call: object | undefined, act: () => Result): Result
  /**
   * Aborts the attempt of a cancelled job, once nothing in the turn or call can throw any more: a handler that was aborted
   * cannot be resumed.
   */
  abort(job: LiveJob): void
  /** Adds one job as a call of its own. */
  insertIn(intake: Admitting, request: InsertRequest): Inserted
  /** Adds a job as the extensions want it. Throws when one of them refuses. */
  admit(request: InsertRequest, call: object | undefined, intake: Admitting, draft: LiveJob | undefined): Inserted
  /** Returns what a handler of this job finds in `job.parents`. */
  parentsOf(record: JobRecord): Readonly<Record<string, unknown>> | undefined
  /** After the store has refused a batch: returns the steps that fall, including all that depend on them. */
  fallen(fallen: ReadonlySet<Step>, all: readonly Step[]): ReadonlySet<Step>
  /** Restores the rows that a turn has changed. */
  takeBack(step: Step): void
  /** Called when all refused steps are taken back: extensions follow again what has happened nevertheless. */
  afterRefusal(): void
}
