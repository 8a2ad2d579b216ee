import type { JobEventMap } from '../events/event-map.ts'
import type { Action } from '../job/transition.ts'
import { hop } from '../platform/hop.ts'
import type { Clock } from '../shared/clock.ts'
import { type Deferred, defer } from '../shared/deferred.ts'
import { OffstageError } from '../shared/errors.ts'
import { soon } from '../shared/soon.ts'
import type { Change, Store } from '../store/store.ts'
import type { LiveJob } from './live-job.ts'

/** Why a job goes. */
export type Removal = JobEventMap['removed']['reason']

/** One move of one job, on its way to the store and then to whoever is to hear of it. */
export interface Step extends Change {
  readonly job: LiveJob
  readonly type: Action['type'] | 'insert' | Removal
  /** What else is to be done once it is safe. */
  readonly afterwards: (() => void) | undefined
}

export interface LedgerListener {
  /** The last chance to write something into the batch that goes now. */
  beforeCommit(): void
  /** It is safe. */
  tell(step: Step): void
  /** All of a batch is told, or as much of it as one slice of time lets us. */
  afterSlice(): void
  /** All that was written is safe and told. */
  afterTell(): void
  /** The store refused a batch. Answers those of its steps that are to be tried again: at once if that is fewer. */
  onRefused(steps: readonly Step[], error: OffstageError): Step[]
}

/** A thread is not ours for longer than this at a time; checked every so many steps. */
const sliceMs = 8
const stepsPerCheck = 64
const retryMs = 1_000

/**
 * Commit, then tell. Steps gather while a batch is on its way to the store and go with the next; when a batch is safe
 * its steps are told, in order. A store that answers at once makes all of this happen within one microtask.
 */
export class Ledger {
  readonly #store: Store
  readonly #clock: Clock
  readonly #listener: LedgerListener
  #gathering: Step[] = []
  /** Whoever waits for what is gathering, and for what is on its way. */
  #gatheringIsSafe: Deferred<void> | undefined
  #batchIsSafe: Deferred<void> | undefined
  #isScheduled = false
  #isBusy = false
  /** There are steps on their way to the store, or to those who listen. */
  #hasBatch = false
  /** Somebody wanted a flush while one was under way: what they waited for may not be written down. */
  #isAsked = false
  /** The store is gone: nothing is written any more, and nobody may wait for it. */
  #failure: OffstageError | undefined
  #stopRetry: (() => void) | undefined

  constructor(store: Store, clock: Clock, listener: LedgerListener) {
    this.#store = store
    this.#clock = clock
    this.#listener = listener
  }

  write(step: Step): void {
    if (this.#failure) return
    this.#gathering.push(step)
    if (!this.#isBusy) this.schedule()
  }

  /** Makes sure that `beforeCommit` is called soon. */
  schedule(): void {
    if (this.#isBusy) this.#isAsked = true
    if (this.#isScheduled || this.#isBusy || this.#failure) return
    this.#isScheduled = true
    soon(this.#flushScheduled)
  }

  readonly #flushScheduled = () => this.#flush()

  /** Resolves when all that was written so far is safe and told. */
  whenSafe(): Promise<void> {
    if (this.#failure) return Promise.reject(this.#failure)
    if (this.#gathering.length > 0 || this.#isScheduled) {
      this.#gatheringIsSafe ??= defer()
      return this.#gatheringIsSafe.promise
    }
    if (!this.#isBusy) return Promise.resolve()
    this.#batchIsSafe ??= defer()
    return this.#batchIsSafe.promise
  }

  /** No step is waiting to be safe or told. */
  get isClear(): boolean {
    return this.#gathering.length === 0 && !this.#hasBatch
  }

  /** Why nothing more can be made safe. */
  get failure(): OffstageError | undefined {
    return this.#failure
  }

  /** Nothing more can be made safe; whoever waits for it is told. */
  stop(error: OffstageError): void {
    this.#failure = error
    this.#stopRetry?.()
    this.#gathering = []
    this.#gatheringIsSafe?.reject(error)
    this.#batchIsSafe?.reject(error)
    this.#gatheringIsSafe = undefined
    this.#batchIsSafe = undefined
  }

  #flush(): void {
    if (this.#failure) return
    this.#isScheduled = false
    this.#isAsked = false
    this.#isBusy = true
    this.#listener.beforeCommit()
    const steps = this.#gathering
    this.#gathering = []
    this.#batchIsSafe = this.#gatheringIsSafe
    this.#gatheringIsSafe = undefined
    if (steps.length === 0) return this.#finish()
    this.#hasBatch = true
    try {
      const committing = this.#store.commit(steps)
      if (committing === undefined) return this.#tell(steps, 0)
      committing.then(
        () => this.#tell(steps, 0),
        (cause) => this.#refused(steps, cause),
      )
    } catch (cause) {
      this.#refused(steps, cause)
    }
  }

  #tell(steps: readonly Step[], from: number): void {
    if (this.#failure) return
    const until = this.#clock.monotonic() + sliceMs
    for (let index = from; index < steps.length; index++) {
      this.#listener.tell(steps[index] as Step)
      if (index % stepsPerCheck === stepsPerCheck - 1 && this.#clock.monotonic() > until) {
        hop(() => this.#tell(steps, index + 1))
        return this.#listener.afterSlice()
      }
    }
    this.#finish()
  }

  #finish(): void {
    this.#isBusy = false
    this.#hasBatch = false
    this.#batchIsSafe?.resolve()
    this.#batchIsSafe = undefined
    this.#listener.afterSlice()
    // Whoever waits for what is gathering must hear, even if it has gone with the job that it was about.
    if (this.#isAsked || this.#gathering.length > 0 || this.#gatheringIsSafe) this.schedule()
    else this.#listener.afterTell()
  }

  #refused(steps: readonly Step[], cause: unknown): void {
    if (this.#failure) return
    const message = `The store did not take ${steps.length} changes.`
    const error = cause instanceof OffstageError ? cause : new OffstageError('STORE_WRITE_FAILED', message, { cause })
    const again = this.#listener.onRefused(steps, error)
    // What has come of the others meanwhile goes with them.
    const kept = new Set(again)
    const gone = new Set(steps.filter((step) => !kept.has(step)).map(({ job }) => job))
    this.#gathering = this.#gathering.filter(({ job }) => !gone.has(job))
    this.#batchIsSafe?.reject(error)
    this.#batchIsSafe = undefined
    if (again.length === 0) return this.#finish()
    // The ledger stays busy: what comes in the meantime waits behind what must go first.
    this.#gathering = [...again, ...this.#gathering]
    if (again.length < steps.length) soon(this.#flushScheduled)
    else this.#stopRetry = this.#clock.startTimer(() => this.#flush(), retryMs, true)
  }
}
