import type { JobRecord } from '../job/record.ts'
import type { Inserted, InsertRequest } from './engine.ts'
import type { Extension } from './extension.ts'
import type { LiveJob } from './live-job.ts'
import type { Step } from './steps.ts'

/** How the intake adds a job. */
export interface Admitting {
  /** The job that has the id already, if what is requested may meet it. */
  insertNow(request: InsertRequest, call: object | undefined): Inserted
  there(request: InsertRequest): LiveJob | undefined
  assertRoom(added: number): void
  settle(
    request: InsertRequest,
    call: object | undefined,
    there: LiveJob | undefined,
    draft?: LiveJob,
    isReplaced?: boolean,
  ): Inserted
}

/**
 * The extensions, as the engine meets them. They come with `offstage/extension` when the first is attached: what is behind
 * this interface is no part of the engine, and who has no extension does not load it.
 */
export interface ExtensionHooks {
  has(name: string): boolean
  attach(extension: Extension): void
  command(extension: string, command: string, args: readonly unknown[]): Promise<unknown>
  /** Some of them are to be asked before a job is added. */
  readonly admits: boolean
  /** Whether a step is to be made of such a move, because one of them is to hear of it. */
  needs(type: Step['type'], record: JobRecord): boolean
  /** A step was written. Whoever is to hear of it does so before its batch goes. */
  wrote(step: Step): void
  /** They hear of what was written, and what they do follows it. */
  follow(): void
  /** Whether they are to hear of what these requests ask for while the call goes on. */
  joins(requests: readonly InsertRequest[]): boolean
  /** What somebody's call does, and what they make of that: done whole or, when something throws, not at all. */
  inCall<Result>(call: object | undefined, act: () => Result): Result
  /** As a call. */
  insertIn(intake: Admitting, request: InsertRequest): Inserted
  /** Adds a job as they want it. Throws when one of them refuses. */
  admit(request: InsertRequest, call: object | undefined, intake: Admitting, draft: LiveJob | undefined): Inserted
  /** The store refused a batch: returns what falls, with all that can not stand without it. */
  fallen(fallen: ReadonlySet<Step>, all: readonly Step[]): ReadonlySet<Step>
  /** The rows of a turn go back to what they were. */
  takeBack(step: Step): void
  /** All is taken back: what has happened all the same is followed again. */
  afterRefusal(): void
}
