import type { EventBus } from '../events/event-bus.ts'
import type { JobEvent } from '../events/event-map.ts'
import type { EventStream } from '../events/stream.ts'
import type { JobOptions, ResolvedDefaults } from '../job/job-options.ts'
import type { JobRecord, Rules, State, Terminal } from '../job/record.ts'
import type { JobChanges } from '../job/transition.ts'
import type { LineOptions } from '../queue/line.ts'
import type { RateLimit } from '../queue/rate-limit.ts'
import type { QueueSettings } from '../queue/settings.ts'
import type { OffstageError } from '../shared/errors.ts'
import type { Row } from '../store/store.ts'
import type { JobObservers, JobSnapshot } from './job-observers.ts'
import type { JobView } from './job-view.ts'
import type { Percentiles } from './meter.ts'

/** A request for a job, checked and copied. */
export interface InsertRequest {
  readonly name: string
  readonly input: unknown
  readonly options: JobOptions | undefined
  readonly defaults: ResolvedDefaults
  readonly transfer: Transferable[] | undefined
  /** Called with the job before anything about it is announced. Callbacks and signals are attached here. */
  readonly attach: ((job: JobView) => void) | undefined
  /** Detaches these again from a job that already existed, when the call is refused. */
  readonly detach?: (() => void) | undefined
  /** The job waits until an extension unblocks it. */
  readonly isBlocked?: boolean | undefined
  /** A finished job is run again: what it has recorded that the new one shall find. A call that does this is asked again as such. */
  readonly again?: { readonly steps: JobRecord['steps'] } | undefined
  /** Returns the same rules with the mark of an extension. */
  readonly markRules?: ((rules: Rules) => Rules) | undefined
}

/** What an `add` has done: made the job, found it by its id, or replaced another job with it. */
export type Disposition = 'created' | 'existing' | 'replaced'

export interface Inserted {
  readonly job: JobView
  readonly disposition: Disposition
  /** Of a job that an extension has named: stands for what it wrote when it was asked, which is committed like a job. */
  readonly along?: JobView
}

interface Fields<Name extends string> {
  /** The state, or one of several. */
  readonly state: State | readonly State[]
  /** The job type. */
  readonly name: Name
  /** The name of the queue. */
  readonly queue: string
  /** A tag that the job has, perhaps among others. */
  readonly tag: string
}

/**
 * Which jobs to change: those that match every given field. At least one field is required, so that a value that happens to be
 * `undefined` never means all jobs; `{ all: true }` does.
 */
// biome-ignore lint/suspicious/noExplicitAny: a filter that knows of no table fits every scheduler's.
export type JobFilter<Name extends string = any> =
  | {
      [Field in keyof Fields<Name>]: Pick<Fields<Name>, Field> & Partial<Fields<Name>> & { readonly all?: never }
    }[keyof Fields<Name>]
  | ({ readonly all: true } & { readonly [Field in keyof Fields<Name>]?: never })

/** Which jobs to look up: those that match every given field. A field that is `undefined` filters nothing. */
// biome-ignore lint/suspicious/noExplicitAny: as above.
export type FindOptions<Name extends string = any> = {
  readonly [Field in keyof Fields<Name>]?: Fields<Name>[Field] | undefined
} & {
  /** How many jobs to return at most, from 1. Default 1,000. */
  readonly limit?: number | undefined
  /**
   * The id of a job: returns the jobs that were added after it, even if it is removed by now. Rejects with `INVALID_OPTION` if
   * nothing is known about the id any more.
   */
  readonly after?: string | undefined
}

/** Which finished jobs to remove: those that match every given field. A field that is given must not be `undefined`. */
// biome-ignore lint/suspicious/noExplicitAny: as above.
export type CleanFilter<Name extends string = any> = Partial<Omit<Fields<Name>, 'state'>> & {
  /** How they ended, or one of several ways. Default: in any way. */
  readonly state?: Terminal | readonly Terminal[]
  /** They ended at least this many milliseconds ago. */
  readonly olderThanMs: number
}

/**
 * What can be done to existing jobs. `abort` cancels because of a signal: the promises reject with the signal's reason itself,
 * while `cancel` wraps its reason in `JOB_CANCELLED`. `clean` removes those that finished long enough ago. `signal` sends a message
 * to the handler.
 */
export type Verb = 'cancel' | 'abort' | 'retry' | 'remove' | 'clean' | 'setPriority' | 'promote' | 'signal'

/** What `close` waits for: `drain` for everything that is queued, `finish` for the jobs that run, `now` for nothing. */
export type CloseMode = 'drain' | 'finish' | 'now'
/** How many jobs are in each state. */
export type Counts = Readonly<Record<State, number>>

/** What can be seen of a scheduler at one moment. Frozen; a new object only when something changed. */
export interface SchedulerSnapshot {
  /** How many jobs are in which state. */
  readonly counts: Counts
  /** Whether the whole scheduler is paused. */
  readonly isPaused: boolean
  /** Whether nothing is queued, running or waiting for another attempt. */
  readonly isIdle: boolean
  /** How many workers are ready. */
  readonly workers: number
}

/** The figures of a scheduler at one moment. */
export interface Stats {
  /** How many workers are ready, how many of these run something, and how many are starting. */
  readonly workers: { readonly online: number; readonly busy: number; readonly starting: number }
  /** How many jobs are queued: they could run if a worker were free and their queues let them. */
  readonly depth: number
  /** Jobs per second, over the last ten seconds. */
  readonly rates: { readonly added: number; readonly completed: number; readonly failed: number }
  /** In milliseconds. `wait`: from when a job is due until it is given to a worker. `run`: on the worker. */
  readonly latencies: { readonly wait: Percentiles; readonly run: Percentiles }
  /**
   * Counts since this scheduler was made, including jobs that `keep` has removed. With several tabs: since the leader began to
   * lead.
   */
  readonly totals: Totals
}

/** How many jobs were added, and how many ended in which way. A job that is retried by hand may end more than once. */
export interface Totals {
  /** Jobs that the store has taken. */
  readonly added: number
  /** Jobs whose handler returned. */
  readonly completed: number
  /** Jobs that have failed for good. */
  readonly failed: number
  /** Jobs that were cancelled, or whose signal was aborted. */
  readonly cancelled: number
}

/** A queue, as it is at one moment. */
export interface QueueState {
  /** The name, as jobs give it in their options. */
  readonly name: string
  /** Whether this queue itself is paused. The whole scheduler may be paused as well. */
  readonly isPaused: boolean
  /** How many jobs wait in it and could start, but for its limits. Jobs that wait for a time do not count. */
  readonly size: number
  /** How many of its jobs run. */
  readonly running: number
  /** How many of its jobs may run at a time; `Infinity` if only the number of workers limits it. */
  readonly concurrency: number
  /** How many of its jobs may start in a span of time; `undefined` for no limit. */
  readonly rateLimit: RateLimit | undefined
}

/** Something that keeps a job from starting now. */
export interface WaitReason {
  /**
   * `paused`, `queue-paused`: the scheduler or the queue is paused. `concurrency`, `rate-limit`, `group`, `condition`: the
   * limits of the queue let no job through. `delayed`, `backing-off`: its time has not come, before its first attempt or before
   * another. `blocked`: other jobs have to end first, or the handler waits for a signal. `no-worker`: no worker has room for it. `behind`: other jobs go first.
   */
  readonly reason:
    | 'paused'
    | 'queue-paused'
    | 'concurrency'
    | 'rate-limit'
    | 'group'
    | 'delayed'
    | 'backing-off'
    | 'blocked'
    | 'condition'
    | 'no-worker'
    | 'behind'
  /** The same as a sentence, with the numbers. */
  readonly detail: string
}

/** What a job has recorded, which its next attempt would find. */
export interface Recorded {
  /** What the last `job.checkpoint` has saved; `undefined` if there is none. */
  readonly checkpoint: unknown
  /** The values that `job.step` has recorded, by key, in order. */
  readonly steps: ReadonlyMap<string, unknown>
}

/** A list of jobs that is kept up to date. */
export interface JobList {
  /**
   * Returns the jobs that match now, in the order of adding. Frozen; the array and its snapshots are new objects only where
   * something changed.
   */
  snapshot(): readonly JobSnapshot[]
  subscribe(observer: () => void): () => void
  close(): void
}

/** What can be seen of one queue at any moment. */
export interface QueueView extends Pick<QueueState, 'isPaused' | 'size' | 'running'> {
  /**
   * When its rate limit lets the next job start, in milliseconds since 1970; `undefined` if it does now. It may come to be later,
   * because a job counts from its start, and not from the moment at which it is sent to its thread.
   */
  readonly nextStartAt: number | undefined
}

/** An extension, as the facade passes it to the engine; see extension.ts. */
export interface NamedExtension {
  readonly name: string
  readonly events?: readonly string[]
}

/**
 * Called when the first extension is attached. Makes the part of the engine that serves all extensions, from the engine's parts
 * and all stored rows.
 */
export type MakeExtensions = (parts: unknown, rows: readonly Row[]) => unknown

/**
 * The verbs of a job's life. The facade checks and copies what comes in and returns handles. Everything that decides is behind
 * this interface: an engine that runs the jobs in this process, or one that reaches such an engine.
 *
 * When a promise resolves, its effect is committed and may be announced.
 */
export interface Engine {
  readonly bus: EventBus
  /**
   * Resolves when the store is open; `undefined` when there is nothing to wait for. Every call does its work in one reaction to
   * this very promise. So calls take effect in the order in which they were made, and before any job starts.
   */
  readonly opening: Promise<unknown> | undefined
  /** `close` was called: new jobs are refused. */
  readonly isClosed: boolean
  /** `close` is done: the engine can do nothing more. */
  readonly isEnded: boolean
  readonly isPaused: boolean
  /** Returns without a promise if the jobs are in this process; then the job, and `along`, is committed once `whenCommitted` resolves. */
  insert(request: InsertRequest): Inserted | Promise<Inserted>
  /** Takes a job that `insert` has returned; rejects if the store refused it. */
  whenCommitted(inserted: JobView): Promise<void>
  /** Adds the jobs in one commit: all or none. */
  insertMany(requests: readonly InsertRequest[]): Promise<Inserted[]>
  /** Throws `DATA_CLONE` if the store cannot keep the value; the message names the place in `what`. */
  check(value: unknown, what: string): void
  /**
   * Returns the error with which calls reject once the engine is closed. It says that the scheduler is closed, or why the store
   * stopped.
   */
  closedError(): OffstageError
  // These see everything that was done before them; while the store takes nothing, they see what it has.
  get(id: string): Promise<JobView | undefined>
  find(options: FindOptions): Promise<JobView[]>
  counts(): Promise<Counts>
  /**
   * Returns how many of the matching jobs were moved. Which jobs match is decided before the call returns. `argument` is the
   * reason, the priority, the `Signal`, or how long ago at least the jobs have finished, in milliseconds. Rejects while the store takes
   * nothing: the changes stay, and are tried again.
   */
  act(verb: Verb, target: JobView | string | JobFilter, argument?: unknown): Promise<number>
  /**
   * Adds a job with the id `newId` that runs a finished one again, from the step `from` on. Asked once more with the same `newId`, it
   * returns the job that is there. Rejects with `INVALID_OPTION` or `JOB_NOT_ENDED`.
   */
  restart(id: string, from: string | undefined, newId: string): Promise<JobView>
  /** Returns the observers of a job, to attach new ones. */
  observersOf(job: JobView): JobObservers
  result(job: JobView): Promise<unknown>
  /** With `after`, and for a job that keeps its values, a `NumberedStream`. */
  values(job: JobView, after?: number): EventStream<unknown>
  /** Returns the event with which a job ended, for listeners that come later; `undefined` if it has not ended. */
  lastEvent(job: JobView): JobEvent | undefined
  /** Returns whether the job was changed, which requires that it still waits. */
  update(id: string, changes: JobChanges): Promise<boolean>
  queues(): Promise<readonly QueueState[]>
  /** Rejects with `INVALID_OPTION` if there is no such job. */
  whyWaiting(id: string): Promise<readonly WaitReason[]>
  /** The values may be those of the record itself. */
  recorded(id: string): Promise<Recorded | undefined>
  /** The first `limit` jobs that match, kept up to date. */
  watch(filter: FindOptions): JobList
  queue(name: string): QueueView
  /**
   * Changes the settings of a queue; `null` sets it back to its options. They hold at once, and are kept with the store: resolves
   * when they are committed. Without a queue it pauses or resumes all of them, which is not kept. Throws `SCHEDULER_CLOSED`.
   */
  set(queue: string | undefined, settings: QueueSettings | null): Promise<unknown>
  /** Resolves when nothing is left to do; if a queue is given, when fewer than `limit` of its jobs wait. */
  onIdle(queue?: string, limit?: number): Promise<void>
  snapshot(): SchedulerSnapshot
  subscribe(observer: () => void): () => void
  stats(): Stats
  /** Has jobs run on new threads from now on, because the code of the old ones is out of date. Jobs that run are interrupted. */
  renewWorkers(): void
  attach(extension: NamedExtension, make: MakeExtensions): void
  /** Carries out the command where the jobs are. Resolves when its effect is committed. */
  command(extension: string, command: string, args: readonly unknown[]): Promise<unknown>
  /** Calls back when the engine ends. Returns a function that takes the callback off again. */
  onClose(callback: () => void): () => void
  close(mode: CloseMode, timeoutMs: number | undefined): Promise<void>
}

export interface EngineQueues {
  readonly [name: string]: LineOptions
}
