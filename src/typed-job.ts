import type { Disposition } from './engine/engine.ts'
import type { JobSnapshot } from './engine/job-observers.ts'
import type { JobEvent, JobEventMap, JobEventType } from './events/event-map.ts'
import type { ValueStream } from './events/numbered-stream.ts'
import type { EventStream } from './events/stream.ts'
import type { JobHeaders } from './job/record.ts'
import type { InputOf, ProgressOf, ResultOf, ValueOf } from './thread/job-types.ts'

/** Where to begin reading the values of a job. */
export interface ValuesOptions {
  /**
   * The number of the value that was read last: the reader begins behind it. 0 is before the first. The job needs `keepValues`; without
   * it, `job.values` throws `INVALID_OPTION`. Default: the oldest value that is kept.
   */
  readonly after?: number | undefined
}

/**
 * The handle of a job that is committed to the store. It is not a promise: `await job.result()` waits for the result.
 *
 * Methods that change something resolve when the change is committed. They reject with `SCHEDULER_CLOSED` once the scheduler is
 * closed, and with `STORE_WRITE_FAILED` while the store takes nothing: in that case the change is made, and is stored later.
 *
 * @example
 * ```ts
 * const job = await scheduler.add.countPrimes({ upTo: 5e6 }, { id: 'primes:5e6' })
 * for await (const event of job.events()) render(event)
 * const primes = await job.result()
 * ```
 */
export interface Job<
  Result = unknown,
  Progress = unknown,
  Value = unknown,
  Input = unknown,
  Name extends string = string,
> {
  /** The id that the caller gave, or that offstage made. */
  readonly id: string
  /** The job type. */
  readonly name: Name
  /** A copy of the input, made on each access; `undefined` if the input was moved to the worker with `transfer`. */
  readonly input: Input
  /** The headers that the job was added with. Frozen; an empty object if there are none. */
  readonly headers: JobHeaders
  /**
   * Whether this call made the job (`created`), found it by its id (`existing`), or replaced another job with it (`replaced`).
   */
  readonly disposition: Disposition
  /** Returns what can be seen of the job now. Frozen; a new object only when something changed. Bound to the job. */
  readonly snapshot: () => JobSnapshot<Progress>
  /** Calls the listener whenever `snapshot()` returns a new object. Returns a function that stops this. Bound to the job. */
  readonly subscribe: (listener: () => void) => () => void
  /**
   * Resolves with the result. Rejects with what the last attempt threw, with `JOB_CANCELLED`, `JOB_TIMEOUT`, `JOB_EXPIRED`,
   * `JOB_POISONED` or `WORKER_CRASHED`, or with `SCHEDULER_CLOSED` if the scheduler is closed first.
   */
  result(): Promise<Result>
  /**
   * Returns the values that the handler sends, one by one. While the reader is slow, `job.send` makes the handler wait. There
   * is one reader at a time; a second call throws `INVALID_OPTION`. Of the values that were sent without a reader, the newest
   * 256 are handed to the next.
   *
   * With the option `keepValues` the newest values are kept, also over a reload, and there may be any number of readers. Each begins
   * with the oldest that is kept, or behind `after`, and receives every value from there on. A reader that is more than `keepValues`
   * behind makes the handler wait. If what follows `after` is not kept any more, the first `next()` rejects with `VALUES_GONE`.
   *
   * @example
   * ```ts
   * const values = job.values({ after: Number(sessionStorage.lines ?? 0) })
   * for await (const line of values) {
   *   show(line)
   *   sessionStorage.lines = values.after // after a reload it goes on behind this one
   * }
   * ```
   */
  values(options?: ValuesOptions): ValueStream<Value>
  /**
   * Returns the events of this job from now on, until it is completed, failed, cancelled or removed; that event is the last.
   * 1,024 events wait for a slow reader. Beyond that the oldest are dropped and counted in `dropped`.
   */
  events(): EventStream<JobEvent<Result, Progress, Value, Name>>
  /**
   * Calls the listener for each event of this type. Returns a function that removes it. On Node the listener runs in the async
   * context of this call.
   */
  on<Type extends JobEventType>(
    type: Type,
    listener: (event: JobEventMap<Result, Progress, Value, Name>[Type]) => void,
  ): () => void
  /** Like `on`, but only for the next event of this type. */
  once<Type extends JobEventType>(
    type: Type,
    listener: (event: JobEventMap<Result, Progress, Value, Name>[Type]) => void,
  ): () => void
  /** Removes a listener that was added with `on` or `once`. */
  off<Type extends JobEventType>(
    type: Type,
    listener: (event: JobEventMap<Result, Progress, Value, Name>[Type]) => void,
  ): void
  /**
   * Ends the job, in whatever state it is. If it runs, its signal is aborted and, `graceMs` later, its worker is ended. Its
   * promises reject with `JOB_CANCELLED`, with `reason` as `cause`. Resolves with `false` if the job had already ended.
   */
  cancel(reason?: unknown): Promise<boolean>
  /** Runs a failed or cancelled job again, with all its attempts. Resolves with `false` if it was neither. */
  retry(): Promise<boolean>
  /**
   * Changes the priority of a job that has not ended: a higher number goes first. Resolves with `false` if the job had ended.
   */
  setPriority(priority: number): Promise<boolean>
}

/** A handler takes `any` if its input type is unknown. On the handle such an input is `unknown`, so that callers check it. */
type KnownInput<Input> = 0 extends 1 & Input ? unknown : Input

/** The names of the job types of a table. */
export type NameOf<Table> = keyof Table & string

/**
 * The handle of a job of this type: `JobOf<typeof jobs, 'countPrimes'>`. With several types it is a union; `name` tells them
 * apart.
 */
export type JobOf<Table, Name extends keyof Table> =
  Name extends NameOf<Table>
    ? Job<ResultOf<Table[Name]>, ProgressOf<Table[Name]>, ValueOf<Table[Name]>, KnownInput<InputOf<Table[Name]>>, Name>
    : never

/** The handle of a job of any type of the table. */
export type AnyJobOf<Table> = JobOf<Table, NameOf<Table>>
