import { hop } from '../platform/hop.ts'
import type { Clock } from '../shared/clock.ts'
import { type Deferred, defer } from '../shared/deferred.ts'
import { OffstageError } from '../shared/errors.ts'
import { soon } from '../shared/soon.ts'
import type { Store } from '../store/store.ts'
import type { Step } from './steps.ts'

export interface CommitListener {
  /** The last chance to write steps into the batch that goes now. */
  beforeCommit(): void
  /** The step is committed. */
  onCommitted(step: Step): void
  /** The listener was notified of a whole batch, or of as many steps as one slice of time allows. */
  afterSlice(): void
  /** All steps are committed, and the listener was notified of them. */
  afterCommit(): void
  /**
   * Called when the store refused a batch. `all`: its steps, and those written since. Returns those of them that fall, which means
   * that they are taken back; the others go with the next batch.
   */
  fallen(steps: readonly Step[], all: readonly Step[], error: OffstageError): ReadonlySet<Step>
  /** Takes back these steps, in this order: the last one is first. */
  onRefused(fallen: readonly Step[], error: OffstageError): void
}

/** Notifications run for this long at most before the thread gets a break. The clock is read once for this many steps. */
const sliceMs = 8
const stepsPerCheck = 64
const retryMs = 1_000
const none: readonly Step[] = []

/** A turn of an extension may find that there is nothing to do. */
const changesNothing = ({ before, after, rows }: Step) => !before && !after && !rows?.length

/**
 * Commit, then notify. While a batch is on its way to the store, new steps collect for the next one. When a batch is committed,
 * the listener is notified of its steps, in order. With a store that returns at once, all of this happens within one microtask.
 */
export class GroupCommit {
  readonly #store: Store
  readonly #clock: Clock
  /** Set before the first flush, by a listener that may need the group commit itself. */
  listener!: CommitListener
  #gathering: Step[] = []
  /** For callers that wait for the steps that collect now. */
  #gatheringCommitted: Deferred<void> | undefined
  /** For callers that wait for the batch on its way. */
  #batchCommitted: Deferred<void> | undefined
  #isScheduled = false
  #isBusy = false
  /** The batch on its way to the store, or to the listener, which was not yet notified of the steps from `#next` on. */
  #batch = none
  #next = 0
  #isRefusing = false
  /** A flush was requested while another was under way. It may be needed although no step was written. */
  #isFlushRequested = false
  /** The store has stopped: nothing can be committed any more, and waiting calls are rejected. */
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

  /** How many steps are collected for the next batch. */
  get size(): number {
    return this.#gathering.length
  }

  /**
   * Takes back the collected steps from this index on, and returns them. Settings stay: they were no part of the call that has
   * failed.
   */
  withdraw(from: number): Step[] {
    const steps = this.#gathering.splice(from)
    this.#gathering.push(...steps.filter(({ type }) => type === 'setting'))
    return steps.filter(({ type }) => type !== 'setting')
  }

  /** Makes sure that `beforeCommit` is called soon. */
  schedule(): void {
    if (this.#isBusy) this.#isFlushRequested = true
    if (this.#isScheduled || this.#isBusy || this.#failure) return
    this.#isScheduled = true
    soon(this.#flushScheduled)
  }

  readonly #flushScheduled = () => this.#flush()

  /** Resolves when everything written so far is committed and the listener was notified of it. */
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

  /** Whether no step waits to be committed or announced. */
  get isClear(): boolean {
    return this.#gathering.length === 0 && this.#batch === none
  }

  /** The steps of which the listener was not yet notified, in order. */
  get pending(): readonly Step[] {
    return this.#batch === none ? this.#gathering : [...this.#batch.slice(this.#next), ...this.#gathering]
  }

  /** Whether the store refused the last batch and no step could be given up. The same steps are tried again later. */
  get isRefusing(): boolean {
    return this.#isRefusing
  }

  /** Why nothing more can be committed. */
  get failure(): OffstageError | undefined {
    return this.#failure
  }

  /** Stops for good: nothing more can be committed, and waiting calls are rejected. */
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
    this.#isFlushRequested = false
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
      const committing = steps.every(changesNothing) ? undefined : this.#store.commit(steps)
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
    // A caller that waits must be notified, even if the step that it waits for disappeared together with its job.
    if (this.#isFlushRequested || this.#gathering.length > 0 || this.#gatheringCommitted) this.schedule()
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
    this.listener.onRefused(all.filter((step) => fallen.has(step)).reverse(), error)
    this.#batchCommitted?.reject(error)
    this.#batchCommitted = undefined
    if (this.#isRefusing) {
      this.#gatheringCommitted?.reject(error)
      this.#gatheringCommitted = undefined
    }
    if (steps.every((step) => fallen.has(step))) return this.#finish()
    // It stays busy, so that new steps wait behind those that must go first.
    this.listener.afterSlice()
    if (fallen.size > 0) soon(this.#flushScheduled)
    else this.#stopRetry = this.#clock.startTimer(() => this.tryAgain(), retryMs, true)
  }

  /** Tries a refused batch again at once, instead of later. */
  tryAgain(): void {
    if (!this.#stopRetry) return
    this.#stopRetry()
    this.#stopRetry = undefined
    this.#flush()
  }
}
