import type { JobRecord } from '../job/record.ts'
import type { Clock } from '../shared/clock.ts'
import type { EngineSource } from '../shared/engine-source.ts'
import type { ErrorClass } from '../shared/error-wire.ts'
import type { OffstageError } from '../shared/errors.ts'

/**
 * A record before and after a move: no `before` is a new job, no `after` one that is gone. Neither: it is about rows
 * alone, or about nothing.
 */
export interface Change {
  readonly before: JobRecord | undefined
  readonly after: JobRecord | undefined
  /** Rows of extensions that are committed with it, in the order in which they were written. */
  readonly rows?: readonly Row[] | undefined
}

/** What an extension keeps beside the jobs: one value of its table. Written with `undefined` it is gone. */
export interface Row {
  readonly table: string
  readonly key: string
  readonly value: unknown
}

/** All that a store holds, each in no particular order. */
export interface Stored {
  readonly records: readonly JobRecord[]
  readonly rows: readonly Row[]
}

/** The scheduler, as its store sees it. */
export interface StoreHost {
  readonly clock: Clock
  /** From 0 up to 1. */
  readonly random: () => number
  /** The user's own error classes: what was thrown of them comes back as an instance. */
  readonly errors: readonly ErrorClass[]
  /** Aborted when the scheduler is closed: who waits to open need not wait any more, and rejects. */
  readonly signal?: AbortSignal | undefined
  /** Trouble of which no call is waiting to hear; told as `store:error`. */
  report(error: OffstageError): void
  /** The store will never take anything again. The scheduler ends with this error. */
  stopped(error: OffstageError): void
}

/**
 * Where jobs outlive the page or the process. Nothing is read through it after `open`: what is alive is in memory, so a
 * store is a journal and no database.
 *
 * A method that has nothing to wait for may answer without a promise; what follows then happens at once.
 */
export interface Store {
  /** Whether what it holds outlives the scheduler. Then nothing of a job may exist in one thread alone. */
  readonly isDurable: boolean
  /** Takes possession, and returns all that was committed. */
  open(host: StoreHost): Promise<Stored> | Stored
  /** Throws `DATA_CLONE`, naming the place in `what`, for a value that it could not keep. */
  check(value: unknown, what: string): void
  /**
   * Atomic: all or nothing. Done means durable. Called again only after it is done. Once it was refused none of it may
   * ever appear, and another call may try again. A value that `check` should have refused, and did not, is refused with
   * `DATA_CLONE`, whose `jobId` says whose it is: that job fails, and the rest is tried again without it.
   */
  commit(changes: readonly Change[]): Promise<void> | void
  /** Lets go of everything: another may open. */
  close(): Promise<void> | void
  /**
   * Of a store that several schedulers share (tabs of an origin, for instance): the engine that reaches the one of them that runs the
   * jobs, and opens a store of its own where that is this one. Without, the scheduler opens this store and runs the jobs itself.
   */
  readonly engine?: EngineSource | undefined
}
