/**
 * What an extension is: it has a table of its own in the store, and its steps are committed together with the move of a job
 * that caused them.
 */
import type { EventMap, EventType } from '../events/event-map.ts'
import type { JobOptions } from '../job/job-options.ts'
import type { JobHeaders, JobRecord } from '../job/record.ts'
import type { Action } from '../job/transition.ts'
import type { Clock } from '../shared/clock.ts'
import type { Disposition, FindOptions } from './engine.ts'
import type { Removal } from './steps.ts'

/**
 * What can happen to a job: it is added (`insert`), an action of the state machine moves it, or it is removed (`removed`,
 * `replaced`, `retention`).
 */
export type Move = 'insert' | Exclude<Action['type'], 'mark'> | Removal

/** What `open` returns: async functions whose arguments and results can be cloned. Every tab of a store may call them. */
// biome-ignore lint/suspicious/noExplicitAny: each command has arguments of its own.
export type CommandTable = { readonly [name: string]: (...args: any[]) => Promise<unknown> }

/**
 * Something that keeps rows beside the jobs and follows their moves: flows, schedules, a history, …
 *
 * It runs where the jobs run; with several tabs on one store, in the leader. Each call passes everything that it needs, and it
 * may be attached to several schedulers at a time. So keep its state in rows, not in variables.
 *
 * @example
 * ```ts
 * // How many jobs of each type have ever been completed. A crash never makes it forget a job, nor count one twice.
 * const tally: Extension<{ of(name: string): Promise<number> }> = {
 *   name: 'tally',
 *   moves: new Set(['complete']),
 *   moved(turn, _before, after) {
 *     if (after) turn.put(after.name, ((turn.rows.get(after.name) as number) ?? 0) + 1)
 *   },
 *   open: ({ rows }) => ({ of: async (name) => (rows.get(name) as number) ?? 0 }),
 * }
 * const counts = extend(scheduler, tally)
 * await counts.of('resize')
 * ```
 */
export interface Extension<Commands = CommandTable> {
  /**
   * The name of its table in the store and of its marks: up to 256 characters. Never change it, because stored rows carry it.
   */
  readonly name: string
  /** The moves that it follows. Other moves cost nothing. */
  readonly moves: ReadonlySet<Move>
  /**
   * Which jobs it follows: `all` of them (a history), or only those that it has `marked` (flows, batches). With `marked`, other
   * jobs cost nothing. Default `all`.
   */
  readonly scope?: 'all' | 'marked'
  /** The types of the events that it emits, each with a colon in it: `flow:completed`. */
  readonly events?: readonly string[]
  /**
   * Called once in each life of the scheduler that runs the jobs, when the store is open and before any job starts. Reconcile
   * here: look at the rows and jobs as they are, and correct whatever does not agree. Do not rely on having seen every move:
   * the extension may have been attached late, and jobs that were running when their process ended are moved before this call.
   *
   * If it throws, the extension is not attached, and its commands reject with `EXTENSION_FAILED`.
   */
  open(host: ExtensionHost): Commands
  /**
   * Called after a job has moved. `before` is `undefined` when the job was just added; `after` is `undefined` when it was
   * removed. What the turn writes is committed with the move. It is called before the batch is sent to the store, in the order
   * of the moves. For what a call does (`add`, `cancel`, …) it is called before that call returns.
   *
   * If it throws, its whole turn is taken back. If a call caused the move, that call rejects with `EXTENSION_FAILED` and does
   * nothing. Any other move has already happened and stays: the failure is reported on `error`, and the next `open` can
   * reconcile.
   */
  moved?(turn: Turn, before: JobRecord | undefined, after: JobRecord | undefined, move: Move): void
  /**
   * Called before a job is added. Returns what happens instead; `undefined` adds the job as it is. It is also called for jobs
   * that extensions add. If it throws, the call rejects with `EXTENSION_FAILED`.
   */
  admit?(turn: Turn, request: Admission): AdmissionAnswer | undefined
  /**
   * Called when an attempt of a marked job is sent to its worker. Returns what the handler finds in `job.parents`: values by key.
   * If it throws, the failure is reported on `error`, and the handler finds nothing.
   */
  parentsOf?(view: ExtensionView, job: JobRecord): Readonly<Record<string, unknown>> | undefined
}

/** A job that a caller or an extension wants to add. */
export interface Admission {
  /** The job type. */
  readonly name: string
  /** A copy of the input. */
  readonly input: unknown
  /** The options of the job, checked and copied. */
  readonly options: JobOptions | undefined
  /** The version of the input, also if the defaults of its type say it. */
  readonly version: number
}

/** What happens to a job that is about to be added. */
export type AdmissionAnswer =
  /** The job is not added: the call returns the job with this id, which must exist. */
  | { readonly existing: string }
  /** The job is not added: the call rejects with exactly this value. */
  | { readonly refuse: unknown }
  /** The job is added, with these values in place of those that the caller gave. */
  | {
      readonly input?: unknown
      readonly options?: JobOptions
      /**
       * The new job replaces the job with this id, which is cancelled and removed. If that job is running, the call rejects
       * with `DUPLICATE_ID`.
       */
      readonly replace?: string
      /** This extension follows all moves of the job, from `insert` on. Default `false`. */
      readonly isMarked?: boolean
      /** The job waits until an extension unblocks it, if this one or another says so. Default `false`. */
      readonly isBlocked?: boolean
    }

/** A job that an extension adds. The options are those of `add`, without callbacks, `signal` and `transfer`. */
export interface TurnRequest {
  /** The job type. */
  readonly name: string
  /** The input, which is copied. */
  readonly input?: unknown
  /** The options of the job. */
  readonly options?: JobOptions | undefined
  /** The job waits, in the state `blocked`, until `turn.move(id, { type: 'unblock' })`. Default `false`. */
  readonly isBlocked?: boolean
  /** This extension follows all moves of the job, if its scope is `marked`. Default `false`. */
  readonly isMarked?: boolean
}

/** What an extension may do to a job. */
export type TurnAction =
  /** Ends the job. Its promises reject with `JOB_CANCELLED`, with the reason as `cause`. */
  | { readonly type: 'cancel'; readonly reason?: unknown }
  /** Fails the job for good, if it is queued or blocked. */
  | { readonly type: 'fail'; readonly error: unknown }
  /** Cancels the job if it has not ended, and removes its record. */
  | { readonly type: 'remove' }
  /** Lets a scheduled job start now. */
  | { readonly type: 'due' }
  /** Makes a queued or scheduled job wait until it is unblocked. */
  | { readonly type: 'block' }
  /** Makes a blocked job queued; or scheduled, if its `runAt` has not come yet. */
  | { readonly type: 'unblock' }
  /** Runs a failed or cancelled job again, with all its attempts. */
  | { readonly type: 'retry' }
  /** Changes the priority of a job that waits. */
  | { readonly type: 'prioritize'; readonly priority: number }
  /**
   * Gives a job that waits another input (a copy; if there is an `input`, it may be `undefined`) with its version, or another time
   * (wall clock, in milliseconds since 1970).
   */
  | { readonly type: 'update'; readonly input?: unknown; readonly version?: number; readonly runAt?: number }
  /** Changes for how long the record is kept once the job has ended, as the option `keepMs` does. */
  | { readonly type: 'keep'; readonly keepMs: number | undefined }

/** An event without its number and time, which are added when it is emitted. */
export interface TurnEvent {
  /** One of the `events` of the extension. */
  readonly type: string
  /** Anything else that listeners receive. */
  readonly [detail: string]: unknown
}

/** What an extension can look at. */
export interface ExtensionView {
  /** The clock of the scheduler. */
  readonly clock: Clock
  /**
   * The rows of its table, including those that are still on their way to the store. If the store refuses a row, the row
   * becomes again what it was before. Change rows only with `put`.
   */
  readonly rows: ReadonlyMap<string, unknown>
  /**
   * Returns the job with this id, with all moves so far, committed or not. Without a durable store its record may change later:
   * copy what you keep.
   */
  job(id: string): JobRecord | undefined
  /**
   * Returns the jobs that fit, in the order in which they were added, with all moves so far, committed or not. `limit`: default
   * no limit.
   */
  find(options?: FindOptions): readonly JobRecord[]
}

/**
 * One step of an extension. Everything that is done in it is committed together with the move that caused it, or not at all.
 * The turn is over when the function that received it returns.
 */
export interface Turn extends ExtensionView {
  /**
   * Writes a row. The value is copied, and may be anything that an input may be; `undefined` removes the row. `key`: up to
   * 1,024 characters. Throws `DATA_CLONE` if the store cannot keep the value.
   */
  put(key: string, value: unknown): void
  /**
   * Adds a job, as `add` does: it may return an existing job, and it throws what `add` would reject with. When it throws, none
   * of its rows and jobs are kept, and the turn continues.
   */
  insert(request: TurnRequest): { readonly job: JobRecord; readonly disposition: Disposition }
  /** Moves a job. Returns `false` if there is no such job, or if its state does not allow the move. */
  move(id: string, action: TurnAction): boolean
  /**
   * Marks a job, for good: from now on this extension follows its moves, if its scope is `marked`. Returns whether there is
   * such a job.
   */
  mark(id: string): boolean
  /** Emits an event once the turn is committed. Its type must be among the `events` of the extension. */
  tell(event: TurnEvent): void
}

/** What `open` receives. It is valid as long as the scheduler that runs the jobs lives. */
export interface ExtensionHost extends ExtensionView {
  /**
   * Carries out a turn that no move has caused. Resolves with what `write` returns, once the turn is committed. `write` is
   * called before `turn` returns. It must not wait for anything, and must act only through the turn, because it may be called
   * again: if the store refuses what it was based on, it is carried out anew.
   *
   * While the store takes nothing, the promise rejects with `STORE_WRITE_FAILED`; the turn stays, and is tried again. With
   * `isRefusable` the store may refuse the whole turn, as it may refuse an `add`: then nothing has happened.
   */
  turn<Result>(write: (turn: Turn) => Result, options?: { readonly isRefusable?: boolean }): Promise<Result>
  /**
   * Calls back at that time (wall clock, milliseconds since 1970), or as soon as the engine notices that it has passed. Returns
   * a function that cancels the timer. `keepsProcessAlive`: on Node, whether the process stays alive for it, as it does for a
   * delayed job. Default `false`.
   */
  at(wallMs: number, callback: () => void, options?: { readonly keepsProcessAlive?: boolean }): () => void
  /**
   * Calls back after this many milliseconds of monotonic time: a wall clock that is set makes the wait neither longer nor
   * shorter. Returns a function that cancels the timer. `keepsProcessAlive`: as for `at`.
   */
  after(delayMs: number, callback: () => void, options?: { readonly keepsProcessAlive?: boolean }): () => void
  /**
   * Calls the listener for each event of this type, as `scheduler.on` does: what it reports is committed. Returns a function that
   * removes it.
   */
  on<Type extends EventType>(type: Type, listener: (event: EventMap[Type]) => void): () => void
  /**
   * Adds headers to those that the handler finds, for this attempt alone: they are not stored. To be called by a listener of
   * `started`. Later, and for a job whose input is moved with `transfer`, it does nothing: the attempt has been sent.
   */
  sendAlong(jobId: string, headers: JobHeaders): void
}
