import { hop } from '../platform/hop.ts'
import type { Clock } from '../shared/clock.ts'
import { type Deferred, defer } from '../shared/deferred.ts'
import { OffstageError } from '../shared/errors.ts'
import { soon } from '../shared/soon.ts'
import type { Store } from '../store/store.ts'
import type { Step } from './steps.ts'

export interface CommitListener {
  /** The last chance to write something into the batch that goes now. */
  beforeCommit(): void
  /** It is committed. */
  onCommitted(step: Step): void
  /** The listener has heard of a whole batch, or of as much of it as one slice of time allows. */
  afterSlice(): void
  /** All that was written is committed, and was heard of. */
  afterCommit(): void
  /** The store refused a batch: returns which of all steps fall, those written since among them. The rest goes again. */
  fallen(steps: readonly Step[], all: readonly Step[], error: OffstageError): ReadonlySet<Step>
  /** `fallen`: the steps that are to be taken back, in this order, the last first. */
  onRefused(fallen: readonly Step[], error: OffstageError): void
}

/** A thread is not ours for longer than this at a time; checked every so many steps. */
const sliceMs = 8
const stepsPerCheck = 64
const retryMs = 1_000
const none: readonly Step[] = []

/**
 * Commit, then notify. Steps gather while a batch is on its way to the store and go with the next; when a batch is committed
 * the listener hears of its steps, in order. A store that returns at once makes all of this happen within one microtask.
 */
export class GroupCommit {
  readonly #store: Store
  readonly #clock: Clock
  /** Set before the first turn, by one that may need the group commit itself. */
  listener!: CommitListener
  #gathering: Step[] = []
  /** Whoever waits for what is gathering, and for what is on its way. */
  #gatheringCommitted: Deferred<void> | undefined
  #batchCommitted: Deferred<void> | undefined
  #isScheduled = false
  #isBusy = false
  /** On its way to the store, or to those who listen: from `#next` on these have not heard of it. */
  #batch = none
  #next = 0
  #isRefusing = false
  /** Somebody wanted a flush while one was under way: what they waited for may not be written down. */
  #isAsked = false
  /** The store is gone: nothing is written any more, and nobody may wait for it. */
  #failure: OffstageError | undefined
  #stopRetry: (() => void) | undefined

  constructor(store: Store, clock: Clock, listener?: CommitListener) {
    this.#store = store
    this.#clock = clock
    if (listener) this.listener = listener
  }

  write(step: Step): void {
    if (this.#failure) return
    this.#gathering.push(step)
    if (!this.#isBusy) this.schedule()
  }

  /** How many steps wait for the next batch. */
  get gathered(): number {
    return this.#gathering.length
  }

  /** Those from there on are not written after all. */
  withdraw(from: number): Step[] {
    return this.#gathering.splice(from)
  }

  /** Makes sure that `beforeCommit` is called soon. */
  schedule(): void {
    if (this.#isBusy) this.#isAsked = true
    if (this.#isScheduled || this.#isBusy || this.#failure) return
    this.#isScheduled = true
    soon(this.#flushScheduled)
  }

  readonly #flushScheduled = () => this.#flush()

  /** Resolves when all that was written so far is committed, and the listener has heard of it. */
  whenCommitted(): Promise<void> {
    if (this.#failure) return Promise.reject(this.#failure)
    if (this.#gathering.length > 0 || this.#isScheduled) {
      this.#gatheringCommitted ??= defer()
      return this.#gatheringCommitted.promise
    }
    if (!this.#isBusy) return Promise.resolve()
    this.#batchCommitted ??= defer()
    return this.#batchCommitted.promise
  }

  /** No step waits to be committed or heard of. */
  get isClear(): boolean {
    return this.#gathering.length === 0 && this.#batch === none
  }

  /** Steps that the listener has not heard of, in order. */
  get pending(): readonly Step[] {
    return this.#batch === none ? this.#gathering : [...this.#batch.slice(this.#next), ...this.#gathering]
  }

  /** The store took nothing the last time, and there was nothing to give up: the same is tried again, later. */
  get isRefusing(): boolean {
    return this.#isRefusing
  }

  /** Why nothing more can be committed. */
  get failure(): OffstageError | undefined {
    return this.#failure
  }

  /** Nothing more can be committed; whoever waits for it is rejected. */
  stop(error: OffstageError): void {
    this.#failure = error
    this.#isRefusing = false
    this.#stopRetry?.()
    this.#gatheringCommitted?.reject(error)
    this.#batchCommitted?.reject(error)
    this.#gatheringCommitted = undefined
    this.#batchCommitted = undefined
  }

  #flush(): void {
    if (this.#failure) return
    this.#isScheduled = false
    this.#isAsked = false
    this.#isBusy = true
    this.listener.beforeCommit()
    const steps = this.#gathering
    this.#gathering = []
    this.#batchCommitted = this.#gatheringCommitted
    this.#gatheringCommitted = undefined
    if (steps.length === 0) return this.#finish()
    this.#batch = steps
    this.#next = 0
    try {
      const committing = this.#store.commit(steps)
      if (committing === undefined) return this.#committed(steps)
      committing.then(
        () => this.#committed(steps),
        (cause) => this.#refused(steps, cause),
      )
    } catch (cause) {
      this.#refused(steps, cause)
    }
  }

  #committed(steps: readonly Step[]): void {
    this.#isRefusing = false
    this.#notify(steps, 0)
  }

  #notify(steps: readonly Step[], from: number): void {
    if (this.#failure) return
    const until = this.#clock.monotonic() + sliceMs
    for (let index = from; index < steps.length; index++) {
      this.#next = index + 1
      this.listener.onCommitted(steps[index] as Step)
      if (index % stepsPerCheck === stepsPerCheck - 1 && this.#clock.monotonic() > until) {
        hop(() => this.#notify(steps, index + 1))
        return this.listener.afterSlice()
      }
    }
    this.#finish()
  }

  #finish(): void {
    this.#isBusy = false
    this.#batch = none
    this.#batchCommitted?.resolve()
    this.#batchCommitted = undefined
    this.listener.afterSlice()
    // Whoever waits for what is gathering must hear, even if it has gone with the job that it was about.
    if (this.#isAsked || this.#gathering.length > 0 || this.#gatheringCommitted) this.schedule()
    else this.listener.afterCommit()
  }

  #refused(steps: readonly Step[], cause: unknown): void {
    if (this.#failure) return
    const message = `The store did not take ${steps.length} changes.`
    const error = cause instanceof OffstageError ? cause : new OffstageError('STORE_WRITE_FAILED', message, { cause })
    const all = [...steps, ...this.#gathering]
    const fallen = this.listener.fallen(steps, all, error)
    this.#batch = none
    this.#gathering = all.filter((step) => !fallen.has(step))
    this.#isRefusing = fallen.size === 0
    this.listener.onRefused([...fallen].reverse(), error)
    this.#batchCommitted?.reject(error)
    this.#batchCommitted = undefined
    if (this.#isRefusing) {
      this.#gatheringCommitted?.reject(error)
      this.#gatheringCommitted = undefined
    }
    if (steps.every((step) => fallen.has(step))) return this.#finish()
    // It stays busy: what comes in the meantime waits behind what must go first.
    this.listener.afterSlice()
    if (fallen.size > 0) soon(this.#flushScheduled)
    else this.#stopRetry = this.#clock.startTimer(() => this.tryAgain(), retryMs, true)
  }

  /** What the store refused: at once, rather than in a while. */
  tryAgain(): void {
    if (!this.#stopRetry) return
    this.#stopRetry()
    this.#stopRetry = undefined
    this.#flush()
  }
}
