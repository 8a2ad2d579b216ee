import { Closers } from '../shared/closers.ts'
import type { OffstageError } from '../shared/errors.ts'
import { isThenable } from '../shared/thenable.ts'
import type { Stored, StoreHost } from '../store/store.ts'
import type { Dispatcher } from './dispatcher.ts'
import type { CloseMode } from './engine.ts'
import { cancelled, closedError, lost } from './job-errors.ts'
import type { Jobs } from './jobs.ts'
import type { LiveJob } from './live-job.ts'
import type { Outcomes } from './outcomes.ts'
import type { Step } from './steps.ts'

export interface Dropped {
  readonly jobs: readonly LiveJob[]
  readonly pending: readonly Step[]
  readonly ended: Promise<unknown>
}

/** Without the methods that move jobs. */
type KnownJobs = Pick<
  Jobs,
  'store' | 'clock' | 'random' | 'bus' | 'timers' | 'index' | 'lines' | 'commits' | 'dashboard'
>

/**
 * The life of the engine: opening, open, closing, ended. It is ended by a call, by a store that stops, or by `drop`, when
 * another engine takes over.
 */
export class Lifecycle {
  readonly #jobs: KnownJobs
  readonly #dispatcher: Dispatcher
  readonly #outcomes: Outcomes
  opening: Promise<unknown> | undefined
  isEnded = false
  /** The store was opened, so this engine has to close it. */
  #hasStore = false
  #closing: CloseMode | undefined
  #closed: Promise<void> | undefined
  #escalate: (() => void) | undefined
  /** Why the store has stopped, and the engine with it. */
  #failure: OffstageError | undefined
  /** Aborted when no caller waits for the store to open any more. */
  readonly #closer = new AbortController()
  readonly #closers = new Closers()

  constructor(jobs: KnownJobs, dispatcher: Dispatcher, outcomes: Outcomes) {
    this.#jobs = jobs
    this.#dispatcher = dispatcher
    this.#outcomes = outcomes
    // There may never be a worker for these jobs, and they stay stored either way.
    this.#dispatcher.onStranded(() => {
      if (this.#closing === 'drain') this.#escalate?.()
    })
  }

  // Opening.

  /** `restore`: takes over what the store has. */
  open(errors: StoreHost['errors'], restore: (stored: Stored) => void): void {
    const { store, clock, random } = this.#jobs
    const stored = store.open({
      clock,
      random,
      errors,
      signal: this.#closer.signal,
      report: (error) => this.#jobs.bus.publish('store:error', { error }),
      stopped: (error) => this.#fail(error),
    })
    const opened = (stored: Stored) => {
      this.#hasStore = true
      if (this.isEnded) return
      restore(stored)
      this.#jobs.commits.schedule()
    }
    const over = () => {
      this.opening = undefined
      this.#dispatcher.mayStart = !this.#closing || this.#closing === 'drain'
    }
    if (!isThenable(stored)) {
      opened(stored)
      return over()
    }
    // This is a promise of our own, whose reactions run in order: first this one, then those of the waiting calls, then the
    // first turn of the group commit, in which jobs start. Each waiting call gets the failure; the empty handler is for the
    // case that there is none.
    const opening = Promise.resolve(stored).then((found) => found)
    this.opening = opening
    opening.then(
      (found) => {
        void opening.then(over)
        opened(found)
      },
      () => {},
    )
  }

  // What may still be done.

  get isClosed(): boolean {
    return this.#closing !== undefined
  }

  assertOpen(): void {
    if (this.#closing) throw this.closedError()
  }

  /** A call that was made before `close`, while the store was opening, is still carried out. */
  assertTaking(): void {
    if (!this.opening) this.assertOpen()
  }

  closedError(): OffstageError {
    return this.#failure ?? closedError()
  }

  // Ending.

  onClose(callback: () => void): () => void {
    return this.#closers.add(callback)
  }

  /**
   * Closes in this order: new jobs are refused; running and queued jobs get the time that `mode` grants; the workers are ended,
   * which queues again what still runs; the store is closed; all promises that are still pending are settled.
   */
  close(mode: CloseMode, timeoutMs: number | undefined): Promise<void> {
    // A close that is under way may not have reached its wait yet, so its mode is changed too.
    if (mode === 'now' && this.#closing) this.#closing = mode
    if (mode === 'now') this.#escalate?.()
    this.#closed ??= this.#close(mode, timeoutMs)
    return this.#closed
  }

  async #close(mode: CloseMode, timeoutMs: number | undefined): Promise<void> {
    this.#closing = mode
    this.#closer.abort()
    try {
      await this.opening
    } catch {
      // The store never opened, so there is nothing to wait for, and the waiting calls were rejected.
    }
    const isDrain = mode === 'drain'
    if (isDrain) this.#resumeAll()
    else this.#dispatcher.mayStart = false
    const hasEnded = () => this.#dispatcher.attempts === 0 && (!isDrain || this.#jobs.index.isIdle)
    if (this.#closing !== 'now') await this.#inTime(this.#waitFor(hasEnded), timeoutMs)
    this.#dispatcher.mayStart = false
    await this.#shutDown()
  }

  /** A pause must not keep `drain` waiting for ever. */
  #resumeAll(): void {
    this.#jobs.dashboard.isPaused = false
    this.#jobs.lines.resumeAll()
    this.#jobs.commits.schedule()
  }

  /**
   * Waits until the condition is true. While the store takes nothing, no job starts; then it waits only for what is already on
   * a worker.
   */
  async #waitFor(hasEnded: () => boolean): Promise<void> {
    if (this.isEnded) return
    try {
      await this.#outcomes.when(hasEnded)
    } catch {
      const unsent = this.#jobs.commits.pending.filter(
        ({ type, job, after }) => type === 'start' && job.attempt?.record === after,
      )
      if (this.#dispatcher.attempts > unsent.length) await this.#waitFor(hasEnded)
    }
  }

  /** Waits until `timeoutMs` have passed, at most, or until `close` is called with `now`. */
  #inTime(waiting: Promise<void>, timeoutMs: number | undefined): Promise<void> {
    return new Promise((resolve) => {
      this.#escalate = resolve
      const timer = timeoutMs === undefined ? undefined : this.#jobs.timers.after(timeoutMs, resolve, true)
      void waiting.then(() => {
        this.#jobs.timers.cancel(timer)
        resolve()
      })
    })
  }

  async #shutDown(): Promise<void> {
    await this.#dispatcher.pool.close()
    try {
      const written = this.#outcomes.whenCommitted()
      this.#jobs.commits.tryAgain()
      await written
    } catch (error) {
      if (!this.#failure)
        this.#jobs.bus.publish('store:error', { error: lost(this.#jobs.commits.pending.length, error) })
    }
    const closed = this.closedError()
    // Changes that the store refused to the last are lost: at the next start it has the jobs as they were.
    this.#jobs.commits.stop(closed)
    try {
      // If the store could not be opened, another process or page may own it.
      if (this.#hasStore) await this.#jobs.store.close()
    } catch (error) {
      this.#jobs.bus.publish('store:error', { error })
    }
    this.isEnded = true
    this.#jobs.timers.close()
    this.#jobs.lines.close()
    // One error for all: making a million stack traces takes ten seconds.
    const removed = this.#jobs.commits.pending.flatMap(({ job, after }) => (after ? [] : job))
    for (const job of [...this.#jobs.index.jobs, ...removed]) if (!job.hasEnded) job.abandon(closed)
    this.#outcomes.end()
    this.#closers.call()
    this.#jobs.dashboard.changed()
  }

  /** The store has stopped: nothing can be committed any more, so the engine ends. */
  #fail(error: OffstageError): void {
    if (this.isEnded || this.#failure) return
    this.#stop(error)
    this.#jobs.bus.publish('store:error', { error })
    this.#jobs.commits.stop(error)
    if (this.#closed) this.#escalate?.()
    else this.#closed = this.#shutDown()
  }

  /**
   * Ends as a crash would, except that the jobs in memory and the uncommitted steps are returned, so that another engine can
   * adopt them. Nothing more is stored or emitted. `ended`: resolves when the workers and the store are closed.
   */
  drop(error: OffstageError): Dropped {
    this.#stop(error)
    this.isEnded = true
    this.#jobs.commits.stop(error)
    const ended = Promise.all([this.#dispatcher.pool.close(), this.#jobs.store.close()])
    this.#jobs.timers.close()
    this.#jobs.lines.close()
    const { pending } = this.#jobs.commits
    for (const { job, after } of pending)
      if (!after && !job.committed) job.abandon(cancelled(job.record, 'it was removed'))
    // A removal that is not committed did not happen, as far as the store knows.
    const jobs = [...this.#jobs.index.jobs, ...this.#outcomes.leaving]
    for (const job of jobs) job.quit()
    return { jobs: jobs.filter(({ committed }) => committed), pending, ended }
  }

  #stop(error: OffstageError): void {
    this.#failure = error
    this.#closing = 'now'
    this.#dispatcher.mayStart = false
  }
}
