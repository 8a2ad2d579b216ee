import { isTerminal } from '../job/record.ts'
import { never } from '../job/retry.ts'
import { type Deferred, defer } from '../shared/deferred.ts'
import type { OffstageError } from '../shared/errors.ts'
import type { Dispatcher } from './dispatcher.ts'
import type { CommitListener } from './group-commit.ts'
import { unrecorded, unstorable } from './job-errors.ts'
import type { JobView } from './job-view.ts'
import type { Jobs } from './jobs.ts'
import type { LiveJob } from './live-job.ts'
import { fallenOf, type Removal, type Step } from './steps.ts'

/** Steps that bring a value: from a worker, or from a caller. */
const keeping: readonly Step['type'][] = ['complete', 'checkpoint', 'step', 'update', 'signal', 'value']

/**
 * Handles the outcome of each step: when it is committed, callers and listeners are notified; when the store refuses it, it is
 * taken back.
 */
export class Outcomes implements CommitListener {
  readonly #jobs: Jobs
  readonly #dispatcher: Dispatcher
  /** Why the store refused a new job. */
  readonly #refusals = new WeakMap<JobView, OffstageError>()
  /** In the last refused batch: the jobs with a step that cannot be stored. */
  #unstorable: ReadonlySet<LiveJob> = new Set()
  #waits: { readonly isOver: () => boolean; readonly waiting: Deferred<void> }[] = []
  #wasIdle = true

  constructor(jobs: Jobs, dispatcher: Dispatcher) {
    this.#jobs = jobs
    this.#dispatcher = dispatcher
    jobs.commits.listener = this
  }

  // Committed.

  beforeCommit(): void {
    const { extensions } = this.#jobs
    // What extensions do may let jobs start, and they may follow starts.
    extensions?.follow()
    this.#dispatcher.pump()
    extensions?.follow()
  }

  onCommitted({ job, type, before, after, afterwards }: Step): void {
    if (type === 'turn' || type === 'setting' || type === 'value') return afterwards?.()
    if (!after) {
      this.#jobs.values.forget(job)
      this.#jobs.notifier.announce(job, 'removed', { reason: type as Removal })
      this.#jobs.lists.changed(job, true)
      return this.#jobs.notifier.snapshotChanged(job)
    }
    job.committed = after
    if (type === 'start') {
      const { attempt } = job
      // Also without an attempt, which may be gone: its place in the queue has to become free.
      if (this.#dispatcher.send(job, after))
        this.#jobs.notifier.announce(job, 'started', { workerId: attempt?.worker.id as number })
    } else if (type !== 'checkpoint' && type !== 'step' && type !== 'mark') {
      // Not a mark: on a job that has ended it is no second end.
      this.#jobs.notifier.announceStep(job, type, after)
      if (isTerminal(after.state)) this.#jobs.settle(job, after)
    }
    afterwards?.()
    this.#jobs.lists.changed(job, false)
    if (before) this.#jobs.notifier.snapshotChanged(job)
  }

  afterSlice(): void {
    this.#jobs.lists.flush()
    this.#dispatcher.pool.flush()
  }

  afterCommit(): void {
    this.#dispatcher.pool.rest()
    this.#settleWaits()
    this.#jobs.dashboard.changed()
    const { isIdle } = this.#jobs.index
    if (isIdle && !this.#wasIdle) this.#jobs.bus.publish('idle', {})
    this.#wasIdle = isIdle
  }

  /** Resolves once the condition is true of what is committed; rejects when the store refuses that. */
  async when(isOver: () => boolean): Promise<void> {
    const waiting = defer<void>()
    this.#waits.push({ isOver, waiting })
    this.#jobs.commits.schedule()
    return waiting.promise
  }

  #settleWaits(): void {
    if (this.#waits.length === 0) return
    const over = this.#waits.filter(({ isOver }) => isOver())
    this.#waits = this.#waits.filter((wait) => !over.includes(wait))
    for (const { waiting } of over) waiting.resolve()
  }

  /** Nothing is committed any more, so waiting ends here. */
  end(): void {
    for (const { waiting } of this.#waits.splice(0)) waiting.resolve()
  }

  // Refused.

  /** Why the store refused this job; `undefined` if it did not. */
  refusalOf(job: JobView): OffstageError | undefined {
    return this.#refusals.get(job)
  }

  fallen(steps: readonly Step[], all: readonly Step[], error: OffstageError): ReadonlySet<Step> {
    const blamed = this.#blamed(steps, error)
    this.#unstorable = new Set(blamed.filter(({ call }) => !call).map(({ job }) => job))
    const fallen = fallenOf(blamed, all)
    return this.#jobs.extensions?.fallen(fallen, all) ?? fallen
  }

  /**
   * Returns the steps to blame. A value that cannot be encoded, although it was checked, must not take the rest of the batch
   * with it, nor be tried for ever. For any other reason all calls are refused.
   */
  #blamed(steps: readonly Step[], error: OffstageError): readonly Step[] {
    const culprits = error.code === 'DATA_CLONE' ? steps.filter((step) => this.#isUnstorable(step, error, steps)) : []
    return culprits.length > 0 ? culprits : steps.filter(({ call }) => call)
  }

  #isUnstorable({ type, before, after }: Step, error: OffstageError, { length }: readonly Step[]): unknown {
    if (!after) return false
    const isNamed = after.id === error.jobId
    if (before) return (isNamed || length === 1) && keeping.includes(type)
    return (
      isNamed ||
      unstorable(this.#jobs.store, after.input, 'input') ||
      unstorable(this.#jobs.store, after.rules, 'rules')
    )
  }

  /**
   * Everything is taken back at once, before anything is announced: otherwise listeners could write steps about jobs that no
   * longer exist.
   */
  onRefused(fallen: readonly Step[], error: OffstageError): void {
    this.takeBack(fallen, error)
    this.#failUnstorable(fallen, error)
    this.#requeue(fallen, error)
    this.#jobs.extensions?.afterRefusal()
    this.#jobs.bus.publish('store:error', { error })
    if (!this.#jobs.commits.isRefusing) return
    for (const { waiting } of this.#waits.splice(0)) waiting.reject(unrecorded(error))
  }

  /** Takes the steps back, the last one first, as if they had not been written. */
  takeBack(fallen: readonly Step[], error: OffstageError): void {
    const neverAdded = new Set(fallen.flatMap(({ job, before }) => (before ? [] : job)))
    for (const step of fallen) {
      const { job, type, before } = step
      if (type === 'turn') {
        this.#refusals.set(job, error)
        this.#jobs.extensions?.takeBack(step)
        continue
      }
      if (type === 'start') {
        this.#jobs.lines.passedBy(job)?.sent(job)
        this.#dispatcher.abort(job, error)
      }
      // Later steps of a job that is not added disappear with it. To restore such a job for a moment would take its id from
      // another job.
      if (!neverAdded.has(job)) this.#jobs.takeBack(step)
      else if (!before) this.#forget(job, error)
    }
    const moved = [...new Set(fallen.map(({ job }) => job))]
    this.#jobs.retention.putBack(moved.filter((job) => job.isListed && job.hasEnded && job.committed === job.record))
  }

  /**
   * Fails the jobs whose worker sent a value that cannot be kept. Whatever was decided about them since was decided without
   * knowing that.
   */
  #failUnstorable(fallen: readonly Step[], error: OffstageError): void {
    for (const job of this.#unstorable) {
      if (!job.committed) continue
      this.#dispatcher.abort(job, error)
      if (!isTerminal(job.record.state)) this.#jobs.fail(job, error, never)
      if (fallen.some((step) => step.job === job && !step.call && !step.after)) this.#jobs.remove(job, 'removed')
    }
  }

  /** Queues running jobs again that have no attempt any more: a call had cancelled them, and that call was refused. */
  #requeue(fallen: readonly Step[], error: OffstageError): void {
    for (const job of new Set(fallen.map((step) => step.job))) {
      const isLeft = job.isListed && job.record.state === 'running' && job.attempt?.isStale !== false
      if (isLeft) this.#jobs.move(job, { type: 'interrupt', error, isOwnMaking: false })
    }
  }

  #forget(job: LiveJob, error: OffstageError): void {
    this.#refusals.set(job, error)
    this.#dispatcher.abort(job, error)
    this.#jobs.dashboard.refused++
    this.#jobs.forget(job)
    job.abandon(error)
  }

  // Waiting for a commit.

  /**
   * Like `whenCommitted` of the engine; without a job, for everything that was done so far. Not async, so that each call costs
   * a single promise.
   */
  whenCommitted(inserted?: JobView): Promise<void> {
    if (inserted?.committed) return Promise.resolve()
    return this.#jobs.commits.whenCommitted().then(
      () => this.#assertTaken(inserted),
      (error) => {
        this.#assertTaken(inserted)
        // The job was committed with an earlier batch than the one that this call waited for.
        if (inserted?.committed) return undefined
        if (error === this.#jobs.commits.failure) throw error
        if (!inserted && this.#jobs.commits.isRefusing) throw unrecorded(error)
        // Only what the store can never take is given up; the rest of the batch goes with the next one.
        return this.whenCommitted(inserted)
      },
    )
  }

  /** Also called after success, because this call may have waited for a later batch than the job's. */
  #assertTaken(inserted: JobView | undefined): void {
    const refusal = inserted && this.refusalOf(inserted)
    if (refusal) throw refusal
  }

  /** The jobs that are committed and were removed since. */
  get leaving(): LiveJob[] {
    return this.#jobs.commits.pending.flatMap(({ job, after }) => (after || !job.committed ? [] : job))
  }
}
