import type { Disposition } from './engine/engine.ts'
import type { JobSnapshot } from './engine/job-observers.ts'
import type { JobEvent, JobEventMap, JobEventType } from './events/event-map.ts'
import type { EventStream } from './events/stream.ts'
import type { JobHeaders } from './job/record.ts'
import type { InputOf, ProgressOf, ResultOf, ValueOf } from './thread/job-types.ts'

/**
 * A job that is committed to the store, as its caller holds it. Not a promise: `await job.result()` waits for its result.
 *
 * Methods that change something resolve when that is committed. They reject with `SCHEDULER_CLOSED` once the scheduler is
 * closed, and with `STORE_WRITE_FAILED` while the store takes nothing: then it is done, and recorded later.
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
  /** The id that it was given, or one that was made up. */
  readonly id: string
  /** The job type. */
  readonly name: Name
  /** A copy of what the job was added with, made each time; `undefined` when that was moved to its thread with `transfer`. */
  readonly input: Input
  /** The headers that it was added with. Frozen; an empty object for none. */
  readonly headers: JobHeaders
  /** Whether this call made the job (`created`), found it under its id (`existing`), or put it in the place of another (`replaced`). */
  readonly disposition: Disposition
  /** What can be seen now. Frozen; a new object only when something changed. Bound to the job. */
  readonly snapshot: () => JobSnapshot<Progress>
  /** Calls back when `snapshot()` returns something new; returns how to stop that. Bound to the job. */
  readonly subscribe: (listener: () => void) => () => void
  /**
   * Resolves with the result. Rejects with what the last attempt threw, with `JOB_CANCELLED`, `JOB_TIMEOUT`, `JOB_EXPIRED`,
   * `JOB_POISONED` or `WORKER_CRASHED`, or with `SCHEDULER_CLOSED` when the scheduler is closed first.
   */
  result(): Promise<Result>
  /**
   * What the handler sends, one by one: while a reader is slow, `job.send` makes the handler wait. One reader at a time; for a
   * second one it throws `INVALID_OPTION`. Of what was sent before anybody read, the newest 256 are there.
   */
  values(): EventStream<Value>
  /**
   * What happens to this job from now on, until it is completed, failed, cancelled or removed; that event is the last. 1,024
   * events wait for a slow reader; beyond that the oldest are dropped and counted in `dropped`.
   */
  events(): EventStream<JobEvent<Result, Progress, Value, Name>>
  /** Calls `listener` for each event of a type; returns how to stop that. On Node it runs in the async context of this call. */
  on<Type extends JobEventType>(
    type: Type,
    listener: (event: JobEventMap<Result, Progress, Value, Name>[Type]) => void,
  ): () => void
  /** As `on`, for the next event of that type alone. */
  once<Type extends JobEventType>(
    type: Type,
    listener: (event: JobEventMap<Result, Progress, Value, Name>[Type]) => void,
  ): () => void
  /** Takes a listener off again that `on` or `once` has put on. */
  off<Type extends JobEventType>(
    type: Type,
    listener: (event: JobEventMap<Result, Progress, Value, Name>[Type]) => void,
  ): void
  /**
   * Ends the job, wherever it is in its life: first the signal, then, `graceMs` later, its thread. Its promises reject with
   * `JOB_CANCELLED`, whose `cause` is `reason`. Resolves with whether there was something to end.
   */
  cancel(reason?: unknown): Promise<boolean>
  /** Runs a failed or cancelled job again, with all its attempts. Resolves with whether it was one. */
  retry(): Promise<boolean>
  /** Moves a job that has not ended in its line: a higher number goes first. Resolves with whether there was one to move. */
  setPriority(priority: number): Promise<boolean>
}

/** Handlers take `any` where their input is not known; whoever holds the job should look at it first. */
type KnownInput<Input> = 0 extends 1 & Input ? unknown : Input

/** The names of a table's job types. */
export type NameOf<Table> = keyof Table & string

/** The handle of a job of this type: `JobOf<typeof jobs, 'countPrimes'>`. Of several types it is one of them, told by `name`. */
export type JobOf<Table, Name extends keyof Table> =
  Name extends NameOf<Table>
    ? Job<ResultOf<Table[Name]>, ProgressOf<Table[Name]>, ValueOf<Table[Name]>, KnownInput<InputOf<Table[Name]>>, Name>
    : never

/** The handle of a job of any type of the table. */
export type AnyJobOf<Table> = JobOf<Table, NameOf<Table>>
