/**
 * What an extension is: a table of its own in the store, and steps of its own in the same commit as the move of a job that
 * they follow from.
 */
import type { JobOptions } from '../job/job-options.ts'
import type { JobRecord } from '../job/record.ts'
import type { Action } from '../job/transition.ts'
import type { Clock } from '../shared/clock.ts'
import type { Disposition, FindOptions } from './engine.ts'
import type { Removal } from './steps.ts'

/**
 * What can happen to a job: it is added (`insert`), an action of the state machine moves it, or it goes (`removed`,
 * `replaced`, `retention`).
 */
export type Move = 'insert' | Exclude<Action['type'], 'mark'> | Removal

/** What `open` returns: async functions of values that can be cloned. They may be called from every tab of a store. */
// biome-ignore lint/suspicious/noExplicitAny: each command has arguments of its own.
export type CommandTable = { readonly [name: string]: (...args: any[]) => Promise<unknown> }

/**
 * Something that keeps rows beside the jobs and follows their moves: flows, schedules, a history, …
 *
 * It runs where the jobs are: of several tabs on one store in the one that leads. Its functions get all that they need with
 * each call, and it may be attached to several schedulers at a time: what it knows belongs into its rows.
 *
 * @example
 * ```ts
 * // How many jobs of each type have been completed, ever. A crash never makes it forget one, nor count one twice.
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
  /** Of its table in the store, and of its marks: up to 256 characters, the same for ever. */
  readonly name: string
  /** The moves that it hears of. All others cost nothing. */
  readonly moves: ReadonlySet<Move>
  /**
   * Of which jobs: `all` (a history), or only those that it has `marked` (flows, batches), and then jobs that are not cost
   * nothing. Default `all`.
   */
  readonly scope?: 'all' | 'marked'
  /** The types of events that it tells, each with a colon in it: `flow:completed`. */
  readonly events?: readonly string[]
  /**
   * Called once in each life of the scheduler that runs the jobs, when the store is open and before any job starts. Here
   * it reconciles: it looks at rows and jobs as they are, and puts right what does not agree. It never relies on having
   * heard every move: it may have been attached late, and jobs that ran when their process ended are moved before this.
   *
   * When it throws, the extension is not attached: its commands reject with `EXTENSION_FAILED`.
   */
  open(host: ExtensionHost): Commands
  /**
   * A job has moved. `before`: nothing when it was just added. `after`: nothing when it is gone. What the turn writes is
   * committed with the move. Called before the batch goes, in the order of the moves; for what a call asks for (`add`,
   * `cancel`, …) before the call returns.
   *
   * When it throws, all of its turn is taken back. A call that caused it rejects with `EXTENSION_FAILED`, and nothing of it
   * is done. Any other move has happened, and stays: the failure is reported on `error`, and the next `open` finds out.
   */
  moved?(turn: Turn, before: JobRecord | undefined, after: JobRecord | undefined, move: Move): void
  /**
   * Somebody wants to add a job, and nothing is done yet. Returns what is to become of it; nothing: it is added. Also asked
   * about jobs that extensions add. When it throws, the call rejects with `EXTENSION_FAILED`.
   */
  admit?(turn: Turn, request: Admission): AdmissionAnswer | undefined
}

/** A job that somebody wants to add. */
export interface Admission {
  readonly name: string
  readonly input: unknown
  readonly options: JobOptions | undefined
}

/** What is to become of a job that somebody wants to add. */
export type AdmissionAnswer =
  /** It is not added: the call returns the job that has this id, which must be there. */
  | { readonly existing: string }
  /** It is not added: the call rejects with exactly this. */
  | { readonly refuse: unknown }
  /** It is added, with what is given here in place of what the caller gave. */
  | {
      readonly input?: unknown
      readonly options?: JobOptions
      /** It takes the place of the job that has this id, which is cancelled and removed. Not of one that runs: `DUPLICATE_ID`. */
      readonly replace?: string
      /** This extension hears of all its moves, `insert` the first. Default `false`. */
      readonly isMarked?: boolean
      /** It waits until this extension unblocks it. Default `false`. */
      readonly isBlocked?: boolean
    }

/** A job that an extension adds. The options are those of `add`, but for callbacks, `signal` and `transfer`. */
export interface TurnRequest {
  /** The job type. */
  readonly name: string
  readonly input?: unknown
  readonly options?: JobOptions | undefined
  /** It waits, in the state `blocked`, until `turn.move(id, { type: 'unblock' })`. Default `false`. */
  readonly isBlocked?: boolean
  /** This extension hears of all its moves, if its scope is `marked`. Default `false`. */
  readonly isMarked?: boolean
}

/** What an extension may do to a job. */
export type TurnAction =
  /** Ends it; its promises reject with `JOB_CANCELLED`, whose `cause` is the reason. */
  | { readonly type: 'cancel'; readonly reason?: unknown }
  /** Fails it for good, if it is queued or blocked. */
  | { readonly type: 'fail'; readonly error: unknown }
  /** Cancels it if it has not ended, and takes its record away. */
  | { readonly type: 'remove' }
  /** Lets a scheduled job start now. */
  | { readonly type: 'due' }
  /** One that is queued or scheduled waits until it is unblocked. */
  | { readonly type: 'block' }
  /** One that is blocked is queued; or scheduled, if its `runAt` is still to come. */
  | { readonly type: 'unblock' }
  /** Runs a failed or cancelled job again, with all its attempts. */
  | { readonly type: 'retry' }
  /** Of a job that waits. */
  | { readonly type: 'prioritize'; readonly priority: number }

/** An event without its number and its time, which it gets when it is emitted. */
export interface TurnEvent {
  readonly type: string
  readonly [detail: string]: unknown
}

/** What an extension sees. */
interface ExtensionView {
  readonly clock: Clock
  /**
   * The rows of its table, as written so far: what is on its way to the store is among them, and what the store refuses goes
   * back to what it was. Not to be changed but by `put`.
   */
  readonly rows: ReadonlyMap<string, unknown>
  /** The job that has this id, as decided so far. Where nothing is stored, its record may change later: copy what you keep. */
  job(id: string): JobRecord | undefined
  /** The jobs that fit, in the order in which they were added, as decided so far. `limit`: default none. */
  find(options?: FindOptions): readonly JobRecord[]
}

/**
 * One step of an extension. All that is done in it is committed together, with the move that it follows from, or not at
 * all. It is over when the function returns that it was given to.
 */
export interface Turn extends ExtensionView {
  /**
   * Writes a row: a copy of `value`, which may be all that an input may be; `undefined` removes it. `key`: up to 1,024
   * characters. Throws `DATA_CLONE` for what the store cannot keep.
   */
  put(key: string, value: unknown): void
  /**
   * Adds a job, as `add` would: it may return one that is there, and throws what `add` would reject with. Rows and jobs
   * that a failed `insert` was to bring are not there; the turn goes on.
   */
  insert(request: TurnRequest): { readonly job: JobRecord; readonly disposition: Disposition }
  /** Returns whether there was such a job to move so. */
  move(id: string, action: TurnAction): boolean
  /** Kept with the job for ever: this extension hears of its moves from now on, if its scope is `marked`. */
  mark(id: string): boolean
  /** Emits an event when all of this is committed. Its type must be among the `events` of the extension. */
  tell(event: TurnEvent): void
}

/** What an extension is opened with. It is valid as long as the scheduler that runs the jobs lives. */
export interface ExtensionHost extends ExtensionView {
  /**
   * A turn that follows from no move. Resolves, with what `write` returns, when it is committed. `write` is called within
   * this call; it must not wait for anything, and do nothing but by the turn, because it may be called again: when the store
   * refuses what it has been built upon, it is done anew.
   *
   * While the store takes nothing, the promise rejects with `STORE_WRITE_FAILED`; the turn stays, and is tried again. With
   * `isRefusable` the store may refuse it, whole, as it may refuse an `add`: then nothing has happened.
   */
  turn<Result>(write: (turn: Turn) => Result, options?: { readonly isRefusable?: boolean }): Promise<Result>
  /**
   * Calls back at that time, by the wall clock, or as soon as it is noticed to be past. Returns what calls it off.
   * `keepsProcessAlive`: on Node, as a delayed job does. Default `false`.
   */
  at(wallMs: number, callback: () => void, options?: { readonly keepsProcessAlive?: boolean }): () => void
}
