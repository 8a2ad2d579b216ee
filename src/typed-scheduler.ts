import type {
  CleanFilter,
  Counts,
  FindOptions,
  JobFilter,
  QueueState,
  Recorded,
  SchedulerSnapshot,
  Stats,
  WaitReason,
} from './engine/engine.ts'
import type { JobSnapshot } from './engine/job-observers.ts'
import type { EventFilter } from './event-filter.ts'
import type { EventType } from './events/event-map.ts'
import type { EventStream } from './events/stream.ts'
import type { ArgumentsOf, JobRequest } from './job-calls.ts'
import type { WatchFilter } from './job-filter.ts'
import type { Queue } from './queue-handle.ts'
import type { CloseOptions } from './scheduler-options.ts'
import type { asyncDispose } from './shared/async-dispose.ts'
import type { InputOf, JobTable, ProgressOf, ResultOf } from './thread/job-types.ts'
import type { EventOf, FilteredEvent } from './typed-events.ts'
import type { AnyJobOf, JobOf, NameOf } from './typed-job.ts'

/** What to change in a job that waits. A field that is `undefined` stays as it is. */
export interface JobUpdate<Input = unknown> {
  /** The new input, which is copied as with `add`. */
  readonly input?: Input | undefined
  /** The job starts no sooner than this moment; a moment that has passed means now. A number is in milliseconds since 1970. */
  readonly runAt?: number | Date | undefined
  /** Higher goes first. */
  readonly priority?: number | undefined
  /** These tags replace the present ones; at most 64. */
  readonly tags?: readonly string[] | undefined
  /** The version of the new input, if it is another than that of the old one; for a handler that is `versioned`. */
  readonly version?: number | undefined
}

/** From where a finished job is run again. */
export interface RestartOptions {
  /**
   * The key of a step, or of a wait, that the job has recorded: this and what was recorded behind it is done again. Default: everything
   * is.
   */
  readonly from?: string | undefined
}

/** A list of jobs that is kept up to date. All three members are bound, so that UI libraries can pass them on. */
export interface JobWatch<Progress = unknown> {
  /**
   * Calls the listener whenever `snapshot()` returns a new array. Returns a function that stops this. A burst of changes is one
   * call.
   */
  readonly subscribe: (listener: () => void) => () => void
  /**
   * Returns what is in the list now. Frozen; a new array only when something in it changed, and jobs that did not change keep
   * their objects. Empty while the store is opening, and in a tab that has not yet received the list from the leader.
   */
  readonly snapshot: () => readonly JobSnapshot<Progress>[]
  /** Stops updating the list: it stays as it is from then on. */
  readonly close: () => void
}

/**
 * Adds jobs, runs them in workers, and reports what happens to them. `createScheduler` makes one.
 *
 * Calls take effect in the order in which they are made, also while the store is still opening. Options are checked before the
 * call returns, and a bad one is refused with `INVALID_OPTION`, which names it. Calls that change jobs, or look them up, resolve
 * when what they did or saw is committed. While the store takes nothing, calls that add reject with `STORE_WRITE_FAILED` and add
 * nothing; calls that change jobs reject with it as well, but the change is made, and is stored later. Once the scheduler is
 * closed, calls reject with `SCHEDULER_CLOSED`, or with the error that made the store stop; `queue`, `watch`, `pause` and `resume`
 * throw it.
 */
export interface Scheduler<Table extends JobTable = JobTable> {
  /**
   * Adds a job and waits for its result: `scheduler.run.countPrimes({ upTo: 5e6 })`. Rejects as `add` and `job.result()` do.
   */
  readonly run: {
    readonly [Name in keyof Table]: (...args: ArgumentsOf<Table[Name]>) => Promise<ResultOf<Table[Name]>>
  }
  /**
   * Adds a job and resolves with its handle when it is committed to the store: `scheduler.add.countPrimes({ upTo: 5e6 })`.
   * Rejects with `DATA_CLONE` for an input that cannot be copied or stored, `INVALID_INPUT` for one that its schema refuses,
   * `DUPLICATE_ID`, `QUEUE_FULL`, `STORE_WRITE_FAILED`, or the reason of a signal that is already aborted.
   */
  readonly add: {
    readonly [Name in keyof Table]: (...args: ArgumentsOf<Table[Name]>) => Promise<JobOf<Table, Name>>
  }
  /**
   * Adds many jobs in one commit: all or none. Up to a thousand jobs are added before the call returns, as with `add`. More
   * jobs, or jobs with an async schema, are prepared in slices first; calls made meanwhile take effect before them. Rejects as
   * `add` does.
   */
  addMany(jobs: readonly JobRequest<Table>[]): Promise<AnyJobOf<Table>[]>

  /** Resolves with the job of this id; `undefined` if there is none. `get<'countPrimes'>(id)` states its type. */
  get<Name extends NameOf<Table> = NameOf<Table>>(id: string): Promise<JobOf<Table, Name> | undefined>
  /**
   * Resolves with the jobs that match every given field, in the order in which they were added: the first 1,000, or `limit`.
   */
  find<const Name extends NameOf<Table> = NameOf<Table>>(options?: FindOptions<Name>): Promise<JobOf<Table, Name>[]>
  /** Resolves with how many jobs are in which state. */
  counts(): Promise<Counts>

  /**
   * Ends jobs, in whatever state they are. Their promises reject with `JOB_CANCELLED`, with `reason` as `cause`. Resolves with
   * how many jobs were ended; 0 if no job has the id.
   */
  cancel(idOrFilter: string | JobFilter<NameOf<Table>>, reason?: unknown): Promise<number>
  /** Runs failed and cancelled jobs again, with all their attempts. Resolves with how many. */
  retry(idOrFilter: string | JobFilter<NameOf<Table>>): Promise<number>
  /**
   * Runs a finished job again as a new job, which it resolves with: of the same type, with its input and its options, and an id of its
   * own. The old one stays as it is, while `retry` goes on with the same job.
   *
   * Without `from` the new job finds nothing recorded. With `from` it finds what was recorded before that step: steps and waits that
   * were over by then return at once what they returned, and signals that had come by then are there. The step itself, and all that was
   * recorded behind it, runs anew; a wait waits for another signal. There is no checkpoint. Jobs that the
   * handler ran from there on are run again, as jobs of the new one.
   * The new job belongs to no flow, batch, schedule or parent: `job.parents` is empty.
   *
   * Rejects with `INVALID_OPTION` if there is no such job, or if it has recorded nothing under `from`; with `JOB_NOT_ENDED`; with
   * `DATA_CLONE` if its input was moved with `transfer`; and as `add` does. `restart<'countPrimes'>(id)` states its type.
   *
   * @example
   * ```ts
   * const job = await scheduler.restart('order:17', { from: 'ship' }) // reserved and charged already
   * await job.result()
   * ```
   */
  restart<Name extends NameOf<Table> = NameOf<Table>>(id: string, options?: RestartOptions): Promise<JobOf<Table, Name>>
  /** Removes the records of jobs; a job that has not ended is cancelled first. Resolves with how many. */
  remove(idOrFilter: string | JobFilter<NameOf<Table>>): Promise<number>
  /**
   * Removes the records of jobs that ended at least `olderThanMs` ago, a few at a time, so that a page stays responsive.
   * Resolves with how many. Jobs that were retried meanwhile stay.
   */
  clean(filter: CleanFilter<NameOf<Table>>): Promise<number>
  /**
   * Changes the priority of a job that has not ended: a higher number goes first. Resolves with `false` if there is no such
   * job.
   */
  setPriority(id: string, priority: number): Promise<boolean>
  /**
   * Changes a job that waits for a worker, for a time or for other jobs. Everything that is not given stays, including its
   * place in line and what earlier attempts have recorded. Resolves with `false`, and changes nothing, if there is no such job,
   * or if it runs or has ended. Rejects with `DATA_CLONE` or `INVALID_INPUT` for an input that `add` would refuse.
   * `update<'countPrimes'>(id, …)` states the type of the job.
   */
  update<Name extends NameOf<Table> = NameOf<Table>>(
    id: string,
    changes: JobUpdate<InputOf<Table[Name]>>,
  ): Promise<boolean>
  /**
   * Lets a scheduled job start now. Resolves with `false` if there is no such job. For a job that waits with `job.sleep`, or with
   * a time limit, that time is over.
   */
  promote(id: string): Promise<boolean>
  /**
   * Sends a message to the handler of a job, which receives it with `job.waitFor(name)` or `job.on(name, listener)`. Resolves when
   * it is committed. From then on it is kept until the handler receives it, even if the job has not started or is between two
   * attempts. Signals of one name are received in order, each once.
   *
   * `name`: 1 to 256 characters. `value` is copied, and may be anything that an input may be. Resolves with `false` if there is no
   * such job, or if it has ended. Rejects with `DATA_CLONE` for a value that cannot be copied or stored, and with `QUEUE_FULL` if
   * the job has recorded 50,000 steps, waits and signals already.
   *
   * @example
   * ```ts
   * await scheduler.signal('order:17', 'approved', { by: 'Ann' })
   * ```
   */
  signal(id: string, name: string, value?: unknown): Promise<boolean>

  /**
   * Returns a live list of the jobs that match, in the order of `find`: the first 1,000, or `limit`. It is kept up to date
   * until the list or the scheduler is closed; close it when it is no longer shown. What a change costs grows with `limit`, not
   * with the number of jobs. A list of more than 100 jobs is updated at intervals; in a follower tab every list is, every 50
   * ms.
   */
  watch<const Name extends NameOf<Table> = NameOf<Table>>(filter?: WatchFilter<Name>): JobWatch<ProgressOf<Table[Name]>>
  /**
   * Resolves with every queue that is named in the options, contains jobs or has settings, sorted by name; with the limits that
   * hold now, from the options or set since.
   */
  queues(): Promise<readonly QueueState[]>
  /**
   * Resolves with everything that keeps a job from starting now, which may be several things; an empty array if the job does
   * not wait. Rejects with `INVALID_OPTION` if there is no such job.
   */
  whyWaiting(id: string): Promise<readonly WaitReason[]>

  /**
   * Resolves with a copy of what a job has recorded: its checkpoint, and the values of its steps; `undefined` if there is no such
   * job. The keys of the steps are what `restart` takes as `from`.
   */
  recorded(id: string): Promise<Recorded | undefined>

  /** Returns the queue of this name, with its concurrency, rate limit and pause. A name has 1 to 256 characters. */
  queue(name: string): Queue
  /** Whether the whole scheduler is paused. A queue may be paused as well. */
  readonly isPaused: boolean
  /**
   * Starts no more jobs; those that run continue. It lasts until `resume`, and as long as this scheduler; with several tabs on
   * one store, in all of them and as long as one is open. A pause of a queue is kept with the store. Resolves when it holds where
   * the jobs run; nobody has to wait for that. Throws `SCHEDULER_CLOSED`.
   */
  pause(): Promise<void>
  /** Starts jobs again. Throws `SCHEDULER_CLOSED`. */
  resume(): Promise<void>
  /** Resolves when nothing is queued, running or waiting for another attempt. Jobs that are planned for later do not count. */
  onIdle(): Promise<void>

  /**
   * Calls the listener for each event of this type. Returns a function that removes it. What the listener throws is reported on
   * `error`.
   */
  on<Type extends EventType>(type: Type, listener: (event: EventOf<Table, Type>) => void): () => void
  /** Like `on`, but only for the next event of this type. */
  once<Type extends EventType>(type: Type, listener: (event: EventOf<Table, Type>) => void): () => void
  /** Removes a listener that was added with `on` or `once`. */
  off<Type extends EventType>(type: Type, listener: (event: EventOf<Table, Type>) => void): void
  /**
   * Returns all events from now on, or those that match the filter. 1,024 of them wait for a slow reader. Beyond that the
   * oldest are dropped and counted in `dropped`. The stream ends when the scheduler is closed.
   */
  events<const Type extends EventType = EventType, const Name extends NameOf<Table> | undefined = undefined>(
    filter?: EventFilter<Type, Name>,
  ): EventStream<FilteredEvent<Table, Type, Name>>

  /**
   * Calls the listener whenever `snapshot()` returns a new object. Returns a function that stops this. Bound to the scheduler.
   */
  readonly subscribe: (listener: () => void) => () => void
  /**
   * Returns what can be seen of the scheduler now. Frozen; a new object only when something changed. Bound to the scheduler.
   */
  readonly snapshot: () => SchedulerSnapshot
  /** Returns workers, depth, rates, latencies and totals. */
  stats(): Stats

  /**
   * Ends the scheduler and its workers. Further calls return the same promise; with `now` they hurry a close that is under way.
   * Promises of jobs that have not ended reject with `SCHEDULER_CLOSED`.
   */
  close(options?: CloseOptions): Promise<void>
  /** Closes with the mode `finish`: for `await using`. */
  [asyncDispose](): Promise<void>
}
