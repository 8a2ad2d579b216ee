/**
 * Every code that an `OffstageError` can have. The code is API; the sentence beside it may improve.
 *
 * - `INVALID_OPTION`: an option or argument is unknown or out of range; the message names it.
 * - `INVALID_INPUT`: the input does not fit its schema. The job is not tried again.
 * - `INVALID_RESULTS`: a handler that takes many jobs returned no array, or one of another length; the message names both numbers. The
 *   jobs are not tried again.
 * - `UNKNOWN_JOB`: the worker module defines no job of this name.
 * - `DATA_CLONE`: a value cannot be copied or stored; the message names the place in it.
 * - `DUPLICATE_ID`: the id is taken, by a job of another type or with `ifExists: 'reject'`.
 * - `QUEUE_FULL`: `maxQueued` jobs are waiting, or a job was sent too many signals.
 * - `JOB_NOT_ENDED`: a job that is to be restarted has not ended.
 * - `JOB_CANCELLED`: the job was cancelled; `cause` is the reason.
 * - `JOB_TIMEOUT`: an attempt took longer than `timeoutMs`.
 * - `JOB_EXPIRED`: the job had not started within `expiresInMs`.
 * - `JOB_POISONED`: the job ended its thread, or its process or page, too often.
 * - `DEPENDENCY_FAILED`: a job of a flow waited for one that failed or was cancelled.
 * - `BATCH_SEALED`: a batch is sealed or has ended, and nothing can be appended to it.
 * - `STEP_MISMATCH`: the handler uses one key for two different steps or waits, in one attempt or in two; the message names both.
 *   The job is not tried again.
 * - `VALUES_GONE`: `job.values({ after })` cannot go on there: the values behind it are not kept any more, or never were.
 * - `WORKER_CRASHED`: a thread ended while it ran something.
 * - `WORKER_LOAD_FAILED`: the worker module could not be loaded for `startTimeoutMs`.
 * - `STORE_LOCKED`: another process, thread or tab has the store.
 * - `STORE_CORRUPT`: the store is damaged, is no store, or was written by a newer version.
 * - `STORE_WRITE_FAILED`: the store could not write; `cause` is the platform's error.
 * - `SCHEDULER_CLOSED`: the scheduler is closed, or was closed before the job had ended.
 * - `EXTENSION_MISSING`: an extension is not attached where the jobs run.
 * - `EXTENSION_FAILED`: an extension threw; `cause` is what it threw.
 * - `MIDDLEWARE_FAILED`: a middleware threw, around a call or around a handler; `cause` is what it threw.
 * - `ATTEMPT_ENDED`: no failure. In a thread: the handler waits, or has put its job off, and what is around it ends.
 */
export type ErrorCode =
  | 'INVALID_OPTION'
  | 'INVALID_INPUT'
  | 'INVALID_RESULTS'
  | 'UNKNOWN_JOB'
  | 'DATA_CLONE'
  | 'DUPLICATE_ID'
  | 'QUEUE_FULL'
  | 'JOB_NOT_ENDED'
  | 'JOB_CANCELLED'
  | 'JOB_TIMEOUT'
  | 'JOB_EXPIRED'
  | 'JOB_POISONED'
  | 'DEPENDENCY_FAILED'
  | 'BATCH_SEALED'
  | 'STEP_MISMATCH'
  | 'VALUES_GONE'
  | 'WORKER_CRASHED'
  | 'WORKER_LOAD_FAILED'
  | 'STORE_LOCKED'
  | 'STORE_CORRUPT'
  | 'STORE_WRITE_FAILED'
  | 'SCHEDULER_CLOSED'
  | 'EXTENSION_MISSING'
  | 'EXTENSION_FAILED'
  | 'MIDDLEWARE_FAILED'
  | 'ATTEMPT_ENDED'

/** What an `OffstageError` says beside its code and its sentence. */
export interface ErrorDetails {
  /** What caused it: an error of the platform, the reason of a cancel, what a handler threw. */
  readonly cause?: unknown
  /** The job that it is about. */
  readonly jobId?: string | undefined
  /** The attempt of that job, from 1. */
  readonly attempt?: number | undefined
}

/**
 * The error that offstage itself rejects with or throws. `code` says what went wrong and never changes its meaning; `jobId` and
 * `attempt` (from 1) are there when the error belongs to a job. What a handler throws arrives as it was thrown and is never
 * wrapped in an `OffstageError`.
 *
 * @example
 * ```ts
 * try {
 *   await scheduler.run.resize(image, { timeoutMs: 5_000 })
 * } catch (error) {
 *   if (error instanceof OffstageError && error.code === 'JOB_TIMEOUT') offerSmallerImage()
 *   else throw error
 * }
 * ```
 */
export class OffstageError extends Error {
  /** What went wrong; `ErrorCode` explains each code. */
  readonly code: ErrorCode
  /** The job that it is about, if it is about one. */
  readonly jobId: string | undefined
  /** The attempt of that job, from 1, if it is about one. */
  readonly attempt: number | undefined

  /** For authors of stores and engines; `details` default to none. */
  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, 'cause' in details ? { cause: details.cause } : undefined)
    this.code = code
    this.jobId = details.jobId
    this.attempt = details.attempt
  }
}

// `name` is on the prototype, as with built-in errors: one string for all, and no own field that travels with each error.
Object.defineProperty(OffstageError.prototype, 'name', { value: 'OffstageError', configurable: true, writable: true })
