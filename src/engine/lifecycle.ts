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

/** It moves no job. */
type KnownJobs = Pick<
  Jobs,
  'store' | 'clock' | 'random' | 'bus' | 'timers' | 'index' | 'lines' | 'commits' | 'dashboard'
>

/** The life of the engine: opening, open, closing, ended; by a call, by the store that stops, or dropped for another engine. */
export class Lifecycle {
  readonly #jobs: KnownJobs
  readonly #dispatcher: Dispatcher
  readonly #outcomes: Outcomes
  opening: Promise<unknown> | undefined
  isEnded = false
  /** The store was opened, and so is ours to close. */
  #hasStore = false
  #closing: CloseMode | undefined
  #closed: Promise<void> | undefined
  #escalate: (() => void) | undefined
  /** The store has stopped, and with it everything. */
  #failure: OffstageError | undefined
  /** Aborted when nobody waits for the opening any more. */
  readonly #closer = new AbortController()
  readonly #closers = new Closers()

  constructor(jobs: KnownJobs, dispatcher: Dispatcher, outcomes: Outcomes) {
    this.#jobs = jobs
    this.#dispatcher = dispatcher
    this.#outcomes = outcomes
    // There may never be a thread for them, and the jobs are as safe as they were.
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
    // One of our own, whose reactions run in order: this one, those of the calls that wait, and then the turn of the group commit, in
    // which jobs start. Each call that waits gets the failure; nobody may be waiting yet.
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

  /** What was asked for before `close`, while the store was opening, still has its turn. */
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
   * In this order: nothing new is taken; what `mode` grants a chance gets it; the threads are ended, which puts
   * what still ran back in line; the store has the last word; whoever still waits is told.
   */
  close(mode: CloseMode, timeoutMs: number | undefined): Promise<void> {
    // The close that is under way may not wait for anything yet, so it is told as well.
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
      // It never opened, so there is nothing to wait for, and whoever waited has been told.
    }
    const isDrain = mode === 'drain'
    if (isDrain) this.#resumeAll()
    else this.#dispatcher.mayStart = false
    const hasEnded = () => this.#dispatcher.attempts === 0 && (!isDrain || this.#jobs.index.isIdle)
    if (this.#closing !== 'now') await this.#inTime(this.#waitFor(hasEnded), timeoutMs)
    this.#dispatcher.mayStart = false
    await this.#shutDown()
  }

  /** A pause must not keep a drain waiting for ever. */
  #resumeAll(): void {
    this.#jobs.dashboard.isPaused = false
    this.#jobs.lines.resumeAll()
    this.#jobs.commits.schedule()
  }

  /** Waits until it is true; while the store takes nothing and so starts nothing, only for what is on a thread. */
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

  /** Waits no longer than `timeoutMs`, nor than until somebody closes with `now`. */
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
    // What the store refused to the last is found as it was, when it is opened again.
    this.#jobs.commits.stop(closed)
    try {
      // One that was refused may be somebody else's.
      if (this.#hasStore) await this.#jobs.store.close()
    } catch (error) {
      this.#jobs.bus.publish('store:error', { error })
    }
    this.isEnded = true
    this.#jobs.timers.close()
    this.#jobs.lines.close()
    // One error for all: a million stacks take ten seconds.
    const removed = this.#jobs.commits.pending.flatMap(({ job, after }) => (after ? [] : job))
    for (const job of [...this.#jobs.index.jobs, ...removed]) if (!job.hasEnded) job.abandon(closed)
    this.#outcomes.end()
    this.#closers.call()
    this.#jobs.dashboard.changed()
  }

  /** Nothing can be committed any more, so nothing can go on. */
  #fail(error: OffstageError): void {
    if (this.isEnded || this.#failure) return
    this.#stop(error)
    this.#jobs.bus.publish('store:error', { error })
    this.#jobs.commits.stop(error)
    if (this.#closed) this.#escalate?.()
    else this.#closed = this.#shutDown()
  }

  /**
   * Ends as a crash would end it, but for the jobs in memory: they are returned, for another engine to adopt, and what was
   * not committed. Nothing more is written or published. `ended`: the threads and the store are closed.
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
    // What was removed was not, as far as the store knows.
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
