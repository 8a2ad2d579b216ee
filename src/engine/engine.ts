import type { EventBus } from '../events/event-bus.ts'
import type { JobEvent } from '../events/event-map.ts'
import type { EventStream } from '../events/stream.ts'
import type { JobOptions, ResolvedDefaults } from '../job/job-options.ts'
import type { Rules, State } from '../job/record.ts'
import type { JobChanges } from '../job/transition.ts'
import type { LineOptions } from '../queue/line.ts'
import type { RateLimit } from '../queue/rate-limit.ts'
import type { OffstageError } from '../shared/errors.ts'
import type { Row } from '../store/store.ts'
import type { JobObservers, JobSnapshot } from './job-observers.ts'
import type { JobView } from './job-view.ts'
import type { Percentiles } from './meter.ts'

/** A job that somebody wants, checked and copied. */
export interface InsertRequest {
  readonly name: string
  readonly input: unknown
  readonly options: JobOptions | undefined
  readonly defaults: ResolvedDefaults
  readonly transfer: Transferable[] | undefined
  /** Called with the job once it is known, before anything is announced of it: callbacks and signals are hung on it here. */
  readonly attach: ((job: JobView) => void) | undefined
  /** Takes off again what was hung on a job that was there: the call was refused. */
  readonly detach?: (() => void) | undefined
  /** It waits for what an extension waits for. */
  readonly isBlocked?: boolean | undefined
  /** The same rules, marked by an extension. */
  readonly markRules?: ((rules: Rules) => Rules) | undefined
}

export type Disposition = 'created' | 'existing' | 'replaced'

export interface Inserted {
  readonly job: JobView
  readonly disposition: Disposition
}

interface Fields {
  readonly state: State | readonly State[]
  readonly name: string
  readonly queue: string
  readonly tag: string
}

/**
 * Which jobs are to be changed: those that fit all that is given. At least one field, so that a value that happens to be
 * `undefined` never means all jobs; `{ all: true }` does.
 */
export type JobFilter =
  | { [Name in keyof Fields]: Pick<Fields, Name> & Partial<Fields> & { readonly all?: never } }[keyof Fields]
  | ({ readonly all: true } & { readonly [Name in keyof Fields]?: never })

/** Which jobs to look up: those that fit all that is given. A field that is `undefined` is no filter. */
export type FindOptions = { readonly [Name in keyof Fields]?: Fields[Name] | undefined } & {
  /** Default 1,000. */
  readonly limit?: number | undefined
  /** Goes on behind this job, even when it is gone. Rejects when nothing is known of it any more. */
  readonly after?: string | undefined
}

/**
 * What can be done to jobs that are there. `abort` cancels for a signal's sake: the promises reject with its reason
 * itself, where `cancel` wraps its reason in `JOB_CANCELLED`.
 */
export type Verb = 'cancel' | 'abort' | 'retry' | 'remove' | 'setPriority' | 'promote'

export type CloseMode = 'drain' | 'finish' | 'now'
export type Counts = Readonly<Record<State, number>>

/** What can be seen of a scheduler at one moment. Frozen; a new object only when something changed. */
export interface SchedulerSnapshot {
  /** How many jobs are in which state. */
  readonly counts: Counts
  /** Whether the scheduler was paused as a whole. */
  readonly isPaused: boolean
  /** Nothing is queued, running or waiting for another attempt. */
  readonly isIdle: boolean
  /** Threads that are ready. */
  readonly workers: number
}

export interface Stats {
  /** Threads that are ready, those of them that run something, and those that are being started. */
  readonly workers: { readonly online: number; readonly busy: number; readonly starting: number }
  /** Jobs that could run if there were room. */
  readonly depth: number
  /** A second, over the last ten. */
  readonly rates: { readonly added: number; readonly completed: number; readonly failed: number }
  /** Milliseconds from being due to being given to a thread, and on the thread. */
  readonly latencies: { readonly wait: Percentiles; readonly run: Percentiles }
  /** Since this scheduler was made, whatever `keep` lets go of; of several tabs, since the one that leads began to. */
  readonly totals: Totals
}

/** How many jobs were added, and how many ended in which way. One that is retried by hand may end more than once. */
export interface Totals {
  /** Jobs that the store has taken. */
  readonly added: number
  /** Jobs whose handler returned. */
  readonly completed: number
  /** Jobs whose attempts were used up, or that could not go on. */
  readonly failed: number
  /** Jobs that were cancelled, or whose signal was aborted. */
  readonly cancelled: number
}

/** A queue, as it is at one moment. */
export interface QueueState {
  /** As jobs name it in their options. */
  readonly name: string
  /** Whether it was paused on its own; the whole scheduler may be paused besides. */
  readonly isPaused: boolean
  /** Jobs that wait in it and could start, but for its limits. Those that wait for a time do not count. */
  readonly size: number
  /** Jobs of it that run. */
  readonly running: number
  /** How many may run at a time; `Infinity` for no limit but the threads. */
  readonly concurrency: number
  /** How many may start in a span; `undefined` for no limit. */
  readonly rateLimit: RateLimit | undefined
}

/** Something that keeps a job from starting now. */
export interface WaitReason {
  /**
   * `paused`, `queue-paused`: the scheduler is, or its queue. `concurrency`, `rate-limit`, `group`, `condition`: its queue lets
   * nobody through. `delayed`, `backing-off`: its time has not come, before its first attempt or before another. `blocked`: other
   * jobs have to end first. `no-worker`: no thread has room for it. `behind`: others go first.
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
  /** The same in a sentence, with its numbers. */
  readonly detail: string
}

/** A list that is kept up to date. */
export interface JobList {
  /** What is in it now, in the order of adding. Frozen; another array, with other objects, only where something changed. */
  snapshot(): readonly JobSnapshot[]
  subscribe(observer: () => void): () => void
  close(): void
}

/** One queue, as far as it can be steered from outside. */
export interface QueueControl {
  /** Whether it was paused on its own. */
  readonly isPaused: boolean
  /** Jobs that wait in it and could start, but for its limits. */
  readonly size: number
  /** Jobs of it that run. */
  readonly running: number
  /** Starts nothing more of it; what runs goes on. Throws `SCHEDULER_CLOSED`. */
  pause(): void
  /** Starts jobs of it again. Throws `SCHEDULER_CLOSED`. */
  resume(): void
  /** How many of its jobs may run at a time. */
  setConcurrency(concurrency: number): void
  /** How many of its jobs may start in a span. */
  setRateLimit(rateLimit: RateLimit | undefined): void
}

/** An extension, as it is handed on to where the jobs are; see extension.ts. */
export interface NamedExtension {
  readonly name: string
  readonly events?: readonly string[]
}

/** Makes what follows all extensions of an engine, from its parts and all stored rows, when the first is attached. */
export type MakeExtensions = (parts: unknown, rows: readonly Row[]) => unknown

/**
 * The verbs of a job's life. The facade checks and copies what comes in and hands out handles; everything that decides is behind
 * this interface: an engine that runs the jobs in this process, or one that reaches the engine that does.
 *
 * What a promise resolves with is committed, and may be announced.
 */
export interface Engine {
  readonly bus: EventBus
  /**
   * Resolves when the store is open; `undefined` when there is nothing to wait for. What each call does it does in one
   * reaction to this very promise: so calls take effect in the order in which they were made, and before any job starts.
   */
  readonly opening: Promise<unknown> | undefined
  /** `close` was called: nothing new is taken. */
  readonly isClosed: boolean
  /** `close` is done: nothing is left to ask. */
  readonly isEnded: boolean
  readonly isPaused: boolean
  /** Without a promise where the jobs are at hand: then the job is committed once `whenCommitted` resolves. */
  insert(request: InsertRequest): Inserted | Promise<Inserted>
  /** For a job that `insert` has returned; rejects when it was refused. */
  whenCommitted(inserted: JobView): Promise<void>
  /** In one commit: all or none. */
  insertMany(requests: readonly InsertRequest[]): Promise<Inserted[]>
  /** Throws `DATA_CLONE` for a value that the store cannot keep, naming the place in `what`. */
  check(value: unknown, what: string): void
  /** What calls reject with once it is closed: it says so, or why the store stopped. */
  closedError(): OffstageError
  // These see all that was done before; while the store takes nothing, what it has.
  get(id: string): Promise<JobView | undefined>
  find(options: FindOptions): Promise<JobView[]>
  counts(): Promise<Counts>
  /**
   * Returns how many of the jobs that are meant could be moved so. Which they are is decided within the call. `argument` is the
   * reason, or the priority. Rejects while the store takes nothing: what was done stays so, and is tried again.
   */
  act(verb: Verb, target: JobView | string | JobFilter, argument?: unknown): Promise<number>
  /** Somebody looks on at a job from now on. */
  observersOf(job: JobView): JobObservers
  result(job: JobView): Promise<unknown>
  values(job: JobView): EventStream<unknown>
  /** The event with which a job ended, again, for whoever comes late; nothing while it has not. */
  lastEvent(job: JobView): JobEvent | undefined
  /** Whether the job waits, and so could be changed. */
  update(id: string, changes: JobChanges): Promise<boolean>
  queues(): Promise<readonly QueueState[]>
  /** Rejects when there is no such job. */
  whyWaiting(id: string): Promise<readonly WaitReason[]>
  /** Of jobs that fit, the first `limit`. */
  watch(filter: FindOptions): JobList
  queue(name: string): QueueControl
  pause(): void
  resume(): void
  onIdle(): Promise<void>
  snapshot(): SchedulerSnapshot
  subscribe(observer: () => void): () => void
  stats(): Stats
  attach(extension: NamedExtension, make: MakeExtensions): void
  /** Carried out where the jobs are; resolves when what it did is committed. */
  command(extension: string, command: string, args: readonly unknown[]): Promise<unknown>
  /** Called when everything ends, unless called off before. */
  onClose(callback: () => void): () => void
  close(mode: CloseMode, timeoutMs: number | undefined): Promise<void>
}

export interface EngineQueues {
  readonly [name: string]: LineOptions
}
