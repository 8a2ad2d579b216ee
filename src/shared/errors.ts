/** Every code an `OffstageError` can carry. The code is API; the sentence beside it may improve. */
export type ErrorCode =
  | 'INVALID_OPTION'
  | 'INVALID_INPUT'
  | 'UNKNOWN_JOB'
  | 'DATA_CLONE'
  | 'DUPLICATE_ID'
  | 'QUEUE_FULL'
  | 'JOB_CANCELLED'
  | 'JOB_TIMEOUT'
  | 'JOB_EXPIRED'
  | 'JOB_POISONED'
  | 'WORKER_CRASHED'
  | 'WORKER_LOAD_FAILED'
  | 'STORE_LOCKED'
  | 'STORE_CORRUPT'
  | 'STORE_WRITE_FAILED'
  | 'SCHEDULER_CLOSED'
  | 'EXTENSION_MISSING'
  | 'EXTENSION_FAILED'

export interface ErrorDetails {
  readonly cause?: unknown
  readonly jobId?: string | undefined
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
  /** What happened: see the codes. */
  readonly code: ErrorCode
  /** The job that it is about, if it is about one. */
  readonly jobId: string | undefined
  /** The attempt of that job, if it is about one. */
  readonly attempt: number | undefined

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, 'cause' in details ? { cause: details.cause } : undefined)
    this.code = code
    this.jobId = details.jobId
    this.attempt = details.attempt
  }
}

// `name` is on the prototype, as with built-in errors: one string for all, and no own field that travels with each error.
Object.defineProperty(OffstageError.prototype, 'name', { value: 'OffstageError', configurable: true, writable: true })
