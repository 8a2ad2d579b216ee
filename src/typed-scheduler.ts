import type { Counts, QueueState, SchedulerSnapshot, Stats, WaitReason } from './engine/engine.ts'
import type { JobSnapshot } from './engine/job-observers.ts'
import type { EventFilter } from './event-filter.ts'
import type { EventType } from './events/event-map.ts'
import type { EventStream } from './events/stream.ts'
import type { ArgumentsOf, JobRequest } from './job-calls.ts'
import type { FindOptions, JobFilter, WatchFilter } from './job-filter.ts'
import type { Queue } from './queue-handle.ts'
import type { CloseOptions } from './scheduler-options.ts'
import type { asyncDispose } from './shared/async-dispose.ts'
import type { InputOf, JobTable, ProgressOf, ResultOf } from './thread/job-types.ts'
import type { EventOf, FilteredEvent } from './typed-events.ts'
import type { AnyJobOf, JobOf, NameOf } from './typed-job.ts'

/** What to change of a job that waits. A field that is `undefined` stays as it is. */
export interface JobUpdate<Input = unknown> {
  /** Copied, as with `add`. */
  readonly input?: Input | undefined
  /** Starts no sooner than this moment; one that has passed means now. */
  readonly runAt?: number | Date | undefined
  /** Higher first. */
  readonly priority?: number | undefined
  /** Instead of those that it has; at most 64. */
  readonly tags?: readonly string[] | undefined
}

/** A list of jobs that is kept up to date. All three are bound, for UI libraries to take apart. */
export interface JobWatch<Progress = unknown> {
  /** Calls back when `snapshot()` returns something new; returns how to stop that. A burst of changes is one call. */
  readonly subscribe: (listener: () => void) => () => void
  /**
   * What is in the list now. Frozen; another array only when something in it changed, and then the same objects for all that did
   * not. Empty while the store is opening, and in a tab that has yet to hear from the one that runs the jobs.
   */
  readonly snapshot: () => readonly JobSnapshot<Progress>[]
  /** Lets go of the list: it stays as it is from then on. */
  readonly close: () => void
}

/**
 * Adds jobs, runs them in workers, and says what becomes of them. `createScheduler` makes one.
 *
 * Calls take effect in the order in which they are made, also while the store is still opening. Every option is checked within
 * the call, and a bad one is refused with `INVALID_OPTION`, which names it. Once the scheduler is closed calls reject with
 * `SCHEDULER_CLOSED`, or with what made the store stop; `queue` and `watch` throw it.
 */
export interface Scheduler<Table extends JobTable = JobTable> {
  /**
   * Adds a job and waits for its result: `scheduler.run.countPrimes({ upTo: 5e6 })`. Rejects as `add` does, and with what
   * `job.result()` rejects with.
   */
  readonly run: {
    readonly [Name in keyof Table]: (...args: ArgumentsOf<Table[Name]>) => Promise<ResultOf<Table[Name]>>
  }
  /**
   * Adds a job; resolves when it is committed to the store: `scheduler.add.countPrimes({ upTo: 5e6 })`. Rejects with
   * `DATA_CLONE` for an input that cannot be copied or stored, `INVALID_INPUT` for one that its schema refuses,
   * `DUPLICATE_ID`, `QUEUE_FULL`, `STORE_WRITE_FAILED`, or the reason of a signal that is aborted already.
   */
  readonly add: {
    readonly [Name in keyof Table]: (...args: ArgumentsOf<Table[Name]>) => Promise<JobOf<Table, Name>>
  }
  /**
   * Adds many jobs in one commit: all or none. Up to a thousand are there when the call returns, as with `add`. More, or
   * some whose schema takes its time, are prepared first, in slices: what is called meanwhile comes before them. Rejects as
   * `add` does.
   */
  addMany(jobs: readonly JobRequest<Table>[]): Promise<AnyJobOf<Table>[]>

  /** The job of that id; `undefined` when there is none. `get<'countPrimes'>(id)` says what type it is of. */
  get<Name extends NameOf<Table> = NameOf<Table>>(id: string): Promise<JobOf<Table, Name> | undefined>
  /** Jobs that fit all that is given, in the order in which they were added: the first 1,000, unless `limit` says otherwise. */
  find<const Name extends NameOf<Table> = NameOf<Table>>(options?: FindOptions<Name>): Promise<JobOf<Table, Name>[]>
  /** How many jobs are in which state. */
  counts(): Promise<Counts>

  /**
   * Ends jobs, wherever they are in their life. Their promises reject with `JOB_CANCELLED`, whose `cause` is `reason`.
   * Resolves with how many there were to end: an id that nobody has is none.
   */
  cancel(idOrFilter: string | JobFilter<NameOf<Table>>, reason?: unknown): Promise<number>
  /** Runs failed and cancelled jobs again, with all their attempts. Resolves with how many there were. */
  retry(idOrFilter: string | JobFilter<NameOf<Table>>): Promise<number>
  /** Takes the records away; a job that has not ended is cancelled first. Resolves with how many there were. */
  remove(idOrFilter: string | JobFilter<NameOf<Table>>): Promise<number>
  /** Moves a job that has not ended in its line: a higher number goes first. Resolves with whether there was one to move. */
  setPriority(id: string, priority: number): Promise<boolean>
  /**
   * Changes a job that waits, whether for a thread, for a time or for other jobs. What is not given stays: its place in line, and
   * what earlier attempts have recorded. Resolves with whether there was one: of a job that runs or has ended nothing is
   * changed. Rejects with `DATA_CLONE` or `INVALID_INPUT` for an input that `add` would refuse. `update<'countPrimes'>(id, …)`
   * says what type of job it is.
   */
  update<Name extends NameOf<Table> = NameOf<Table>>(
    id: string,
    changes: JobUpdate<InputOf<Table[Name]>>,
  ): Promise<boolean>
  /** Lets a scheduled job start now. Resolves with whether there was one. */
  promote(id: string): Promise<boolean>

  /**
   * A live list of the jobs that fit, in the order of `find`: the first 1,000, unless `limit` says otherwise. It is kept up to date
   * until it is closed, or the scheduler is: close it when nobody looks any more. What a change costs grows with `limit`, not
   * with the number of jobs; a list of more than 2,000 is brought up to date at intervals, a tab that follows every 50 ms.
   */
  watch<const Name extends NameOf<Table> = NameOf<Table>>(filter?: WatchFilter<Name>): JobWatch<ProgressOf<Table[Name]>>
  /** Every queue that was named in the options or has something in it or set for it, by name. */
  queues(): Promise<readonly QueueState[]>
  /**
   * Everything that keeps a job from starting now: several things may. An empty list for a job that does not wait. Rejects with
   * `INVALID_OPTION` when there is no such job.
   */
  whyWaiting(id: string): Promise<readonly WaitReason[]>

  /** The queue of that name, with its concurrency, rate limit and pause. A name has 1 to 256 characters. */
  queue(name: string): Queue
  /** Whether the scheduler was paused as a whole; a queue of its own may be paused besides. */
  readonly isPaused: boolean
  /** Starts nothing more; what runs goes on. */
  pause(): void
  /** Starts jobs again. */
  resume(): void
  /** Resolves when nothing is queued, running or waiting for another attempt. Jobs planned for later do not count. */
  onIdle(): Promise<void>

  /** Calls `listener` for each event of a type; returns how to stop that. What it throws is reported on `error`. */
  on<Type extends EventType>(type: Type, listener: (event: EventOf<Table, Type>) => void): () => void
  /** As `on`, for the next event of that type alone. */
  once<Type extends EventType>(type: Type, listener: (event: EventOf<Table, Type>) => void): () => void
  /** Takes a listener off again that `on` or `once` has put on. */
  off<Type extends EventType>(type: Type, listener: (event: EventOf<Table, Type>) => void): void
  /**
   * All events from now on, or those that fit. 1,024 of them wait for a slow reader; beyond that the oldest are dropped
   * and counted in `dropped`. Ends when the scheduler is closed.
   */
  events<const Type extends EventType = EventType, const Name extends NameOf<Table> | undefined = undefined>(
    filter?: EventFilter<Type, Name>,
  ): EventStream<FilteredEvent<Table, Type, Name>>

  /** Calls back when `snapshot()` returns something new; returns how to stop that. Bound to the scheduler. */
  readonly subscribe: (listener: () => void) => () => void
  /** What can be seen now. Frozen; a new object only when something changed. Bound to the scheduler. */
  readonly snapshot: () => SchedulerSnapshot
  /** Workers, depth, rates, latencies and totals. */
  stats(): Stats

  /**
   * Ends the scheduler and its threads. Calling it again returns the same promise; with `now` it hurries a close that is
   * under way. Promises of jobs that have not ended reject with `SCHEDULER_CLOSED`.
   */
  close(options?: CloseOptions): Promise<void>
  /** Closes it in the mode `finish`: for `await using`. */
  [asyncDispose](): Promise<void>
}
