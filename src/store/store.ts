import type { JobRecord } from '../job/record.ts'
import type { Clock } from '../shared/clock.ts'
import type { EngineSource } from '../shared/engine-source.ts'
import type { ErrorClass } from '../shared/error-wire.ts'
import type { OffstageError } from '../shared/errors.ts'

/**
 * A record before and after a move. Without `before` the job is new; without `after` it is removed. Without both, the change is
 * only about rows, or about nothing.
 */
export interface Change {
  /** The record before the move; `undefined` for a new job. */
  readonly before: JobRecord | undefined
  /** The record after the move; `undefined` for a removed job. */
  readonly after: JobRecord | undefined
  /** Rows of extensions that are committed with it, in the order in which they were written. */
  readonly rows?: readonly Row[] | undefined
}

/** What an extension keeps beside the jobs: one value in its table. A row whose value is `undefined` is removed. */
export interface Row {
  /** The table, which has the name of the extension. */
  readonly table: string
  /** The key within the table. */
  readonly key: string
  /** The value; `undefined` if the row is removed. */
  readonly value: unknown
}

/** Everything that a store contains, in no particular order. */
export interface Stored {
  /** The records of all jobs. */
  readonly records: readonly JobRecord[]
  /** The rows of all extensions. */
  readonly rows: readonly Row[]
}

/** What the scheduler gives its store. */
export interface StoreHost {
  /** The clock of the scheduler. */
  readonly clock: Clock
  /** Returns a number from 0 up to 1. */
  readonly random: () => number
  /** The user's own error classes: stored errors of these classes come back as instances. */
  readonly errors: readonly ErrorClass[]
  /** Aborted when the scheduler is closed. A store that still waits to open need not wait any more, and rejects. */
  readonly signal?: AbortSignal | undefined
  /** Reports trouble that concerns no call; the scheduler emits it as `store:error`. */
  report(error: OffstageError): void
  /** Reports that the store will never take anything again. The scheduler ends with this error. */
  stopped(error: OffstageError): void
}

/**
 * Where jobs outlive the page or the process. Nothing is read from it after `open`, because everything alive is in memory: a
 * store is a journal, not a database.
 *
 * A method that has nothing to wait for may return without a promise; then the scheduler continues at once.
 */
export interface Store {
  /** Whether its content outlives the scheduler. Then nothing of a job may exist only in a worker. */
  readonly isDurable: boolean
  /** Takes possession, and returns everything that was committed. Rejects with `STORE_LOCKED` or `STORE_CORRUPT`. */
  open(host: StoreHost): Promise<Stored> | Stored
  /** Throws `DATA_CLONE` for a value that the store could not keep. The message names the place in `what`. */
  check(value: unknown, what: string): void
  /**
   * Commits all changes or none. It resolves when they are durable, and is called again only after that. Once it has rejected,
   * none of the changes may ever appear, and a later call may bring them again. If a value was not refused by `check` and still
   * cannot be kept, it rejects with `DATA_CLONE` whose `jobId` is the id of the job: that job fails, and the rest is tried
   * again without it.
   */
  commit(changes: readonly Change[]): Promise<void> | void
  /** Lets go of everything, so that another scheduler may open it. */
  close(): Promise<void> | void
  /**
   * For a store that several schedulers share, such as the tabs of an origin: the engine that reaches the scheduler which runs
   * the jobs, and that opens a store of its own when it is this one. Without it, the scheduler opens this store and runs the
   * jobs itself.
   */
  readonly engine?: EngineSource | undefined
}
