import type { JobDefaults } from '../job/job-options.ts'
import { isTerminal, type JobRecord, keepsValues } from '../job/record.ts'
import { never } from '../job/retry.ts'
import type { Action } from '../job/transition.ts'
import type { Wait } from '../job/waits.ts'
import { warn } from '../platform/host.ts'
import { type Loss, Pool, type PoolListener, type PoolOptions } from '../pool/pool.ts'
import type { Attempt, PoolWorker } from '../pool/pool-worker.ts'
import type { SentWait } from '../pool/protocol.ts'
import { restMsAfter, type StartFailure } from '../pool/starter.ts'
import type { Line } from '../queue/line.ts'
import { checkAnswer } from '../shared/check.ts'
import type { OffstageError } from '../shared/errors.ts'
import type { Parents } from '../shared/parents.ts'
import { inputGone, timedOut, unstartable, unstorable } from './job-errors.ts'
import type { JobStarter, Jobs } from './jobs.ts'
import { hasMoved, type LiveJob } from './live-job.ts'
import { hasExpired, holdBack } from './places.ts'
import { Stranded } from './stranded.ts'
import { Suspects } from './suspects.ts'

/** The options that all jobs of a type share. */
export type DefaultsByType = Readonly<Record<string, JobDefaults>>
export type OnStranded = (jobs: readonly LiveJob[], error: OffstageError) => void

/**
 * Brings jobs and workers together: starts attempts, in order across all queues, and decides what the end of an attempt means
 * for its job.
 */
export class Dispatcher implements JobStarter, PoolListener<LiveJob> {
  readonly #jobs: Jobs
  readonly #threadsMax: number
  readonly #defaults: DefaultsByType
  readonly pool: Pool<LiveJob>
  readonly #stranded: Stranded
  readonly #strandedListeners = new Set<OnStranded>()
  /** Made when the first suspect appears. */
  #suspects: Suspects | undefined
  #attempts = 0
  /**
   * The time of the message that is being handled, or of the jobs that are being started: the clock is read once for each
   * batch.
   */
  #now = 0
  /** Whether jobs may start at all. */
  mayStart = false

  constructor(jobs: Jobs, pool: PoolOptions, defaults: DefaultsByType) {
    this.#jobs = jobs
    this.#defaults = defaults
    jobs.starter = this
    this.#threadsMax = pool.max
    this.pool = new Pool<LiveJob>(pool, jobs.timers, this)
    this.#stranded = new Stranded(jobs.clock, pool.startTimeoutMs)
  }

  /** How many attempts are on a worker or on their way to one, including stale ones. */
  get attempts(): number {
    return this.#attempts
  }

  /** Calls the listener with stored jobs that have waited too long for a worker, and with the reason. */
  onStranded(listener: OnStranded): () => void {
    this.#strandedListeners.add(listener)
    return () => this.#strandedListeners.delete(listener)
  }

  // Starting attempts.

  /** Starts the jobs that may start. */
  pump(): void {
    if (!this.mayStart) return
    this.#jobs.lines.askConditions()
    if (this.#jobs.dashboard.isPaused) return
    this.#now = this.#jobs.clock.now()
    this.pool.grow(this.#suspects ? this.#suspects.pump() : this.startInOrder())
  }

  /** Starts the jobs that may start, in order across all queues. Returns how many more workers there is work for. */
  startInOrder(): number {
    let ahead = 0
    let least: number | undefined
    for (;;) {
      const line = this.#jobs.lines.next(least)
      const job = line?.head
      // Others wait if it was looked for urgent jobs alone.
      if (!line || !job) return least === undefined ? ahead : ahead + this.#jobs.lines.startable(this.#threadsMax)
      if (hasExpired(this.#jobs, job)) {
        this.#jobs.move(job, { type: 'expire' })
        continue
      }
      const priority = this.#priorityOf(job, line)
      const worker = this.pool.roomFor(job.record.name, job.mustRunAlone, priority)
      if (!worker && least === undefined && this.pool.sparedFrom !== undefined) {
        // There may be a worker for jobs that go later, but are urgent.
        least = this.pool.sparedFrom
        continue
      }
      if (!worker) return ahead + this.#jobs.lines.startable(this.#threadsMax)
      if (!line.acquire(job)) {
        this.#jobs.lines.park(line)
        continue
      }
      const isAhead = !worker.isIdle
      this.#start(job, line, worker, priority)
      if (isAhead && !job.attempt?.sharesPlace) ahead++
    }
  }

  /** Read only if workers are kept free for urgent jobs. */
  #priorityOf(job: LiveJob, line: Line<LiveJob>): number {
    return this.pool.sparedFrom === undefined ? job.record.priority : line.priorityOf(job)
  }

  #start(job: LiveJob, line: Line<LiveJob>, worker: PoolWorker, priority: number): void {
    const now = this.#now
    this.#attempts++
    this.#jobs.dashboard.waitMs.add(now - job.record.dueAt)
    const isUnseen = this.#jobs.start(job, now)
    job.progress = undefined
    job.line = line
    job.attempt = this.pool.reserve(worker, job, job.record, transferOf(job), job.mustRunAlone, priority)
    if (!isUnseen) return
    this.pool.send(job.attempt)
    line.sent(job)
  }

  /**
   * Called when a start is committed. Returns whether the attempt was sent: the job may have been cancelled, or its worker may
   * have died.
   */
  send(job: LiveJob, record: JobRecord): boolean {
    const { attempt } = job
    const isOn = attempt?.record === record && !attempt.isStale
    if (isOn) this.pool.send(attempt)
    this.#jobs.lines.passedBy(job)?.sent(job)
    return isOn
  }

  suspect(job: LiveJob): void {
    this.#suspects ??= new Suspects(this.#jobs, this)
    this.#suspects.join(job)
  }

  /** Starts a job that waits outside the lines, in the given queue, if a worker is free. */
  startAside(job: LiveJob, line: Line<LiveJob>): void {
    if (hasExpired(this.#jobs, job)) return this.#jobs.move(job, { type: 'expire' })
    const priority = this.#priorityOf(job, line)
    const worker = this.pool.roomFor(job.record.name, job.mustRunAlone, priority)
    if (worker && line.acquire(job)) this.#start(job, line, worker, priority)
  }

  // Ending attempts.

  /** Makes the attempt of this job, if there is one, stale. */
  abort({ attempt }: LiveJob, reason: unknown): void {
    if (attempt && !attempt.isStale) this.#abort(attempt, reason)
  }

  #abort(attempt: Attempt<LiveJob>, reason: unknown): void {
    this.#jobs.timers.cancel(attempt.timeout)
    this.pool.abort(attempt, reason)
  }

  #timeOut(attempt: Attempt<LiveJob>): void {
    const error = timedOut(attempt.record)
    this.#abort(attempt, error)
    this.#fail(attempt, error, undefined)
  }

  /** A worker has let go of an attempt: the attempt ended, or its worker did. */
  #end(attempt: Attempt<LiveJob>): void {
    const job = attempt.owner
    this.#attempts--
    if (job.attempt === attempt) job.attempt = undefined
    this.#suspects?.ended(attempt)
    if (hasMoved(attempt)) job.loseInput()
    this.#jobs.timers.cancel(attempt.timeout)
    if (!attempt.isBegun) job.line?.began(job)
    this.#jobs.lines.leave(job)
    if (!attempt.isStale) return
    this.#jobs.letNext(attempt)
    this.#jobs.commits.schedule()
  }

  parentsOf({ record }: Attempt<LiveJob>): Parents | undefined {
    return this.#jobs.extensions?.parentsOf(record)
  }

  onBegun(attempt: Attempt<LiveJob>): void {
    this.#jobs.lines.passedBy(attempt.owner)?.began(attempt.owner)
    const { timeoutMs } = attempt.record.rules
    if (timeoutMs !== undefined) attempt.timeout = this.#jobs.timers.after(timeoutMs, () => this.#timeOut(attempt))
  }

  onDone(attempt: Attempt<LiveJob>, runMs: number, result: unknown): void {
    this.#end(attempt)
    if (attempt.isStale) return
    this.#jobs.dashboard.runMs.add(runMs)
    const why = unstorable(this.#jobs.store, result, 'result')
    if (why) return this.#jobs.fail(attempt.owner, why, never)
    this.#jobs.dashboard.completed.add(this.#now)
    this.#jobs.complete(attempt.owner, result, this.#now)
  }

  onFailed(attempt: Attempt<LiveJob>, error: unknown, retryMs: number | undefined): void {
    this.#end(attempt)
    if (attempt.isStale) return
    this.#jobs.dashboard.failed.add(this.#jobs.clock.now())
    this.#fail(attempt, error, retryMs)
  }

  onSnoozed(attempt: Attempt<LiveJob>, ms: number): void {
    this.#endForNow(attempt, { type: 'snooze', ms })
  }

  onWaiting(attempt: Attempt<LiveJob>, waits: readonly SentWait[]): void {
    if (this.#endForNow(attempt, { type: 'wait', waits: waitsFrom(waits, this.#now) }))
      this.#jobs.family.begin(attempt.owner, waits)
  }

  /** The attempt has ended without a failure, and another one follows. Returns whether that is so. */
  #endForNow(attempt: Attempt<LiveJob>, action: Action): boolean {
    this.#end(attempt)
    if (attempt.isStale) return false
    if (hasMoved(attempt)) this.#jobs.fail(attempt.owner, inputGone(attempt.record), never)
    else this.#jobs.move(attempt.owner, action)
    return !hasMoved(attempt)
  }

  /** Whatever has become of the job: what the handler was told holds for all jobs of the queue. */
  onRateLimited(attempt: Attempt<LiveJob>, ms: number): void {
    this.#jobs.lines.passedBy(attempt.owner)?.rest(attempt.owner, ms)
    this.onSnoozed(attempt, 0)
  }

  #fail(attempt: Attempt<LiveJob>, error: unknown, retryMs: number | undefined): void {
    const job = attempt.owner
    const retryIf = this.#defaults[job.record.name]?.retryIf
    let waitMs = hasMoved(attempt) ? never : retryMs
    if (retryIf && waitMs !== never && !isLastAttempt(job.record))
      this.#jobs.bus.call(() => {
        const isWorthIt = retryIf(error)
        if (isWorthIt === false) waitMs = never
        checkAnswer('retryIf', isWorthIt)
      })
    // `retryIf` is code of the application, which may have cancelled the job.
    if (!isTerminal(job.record.state)) this.#jobs.fail(job, error, waitMs)
  }

  onProgress(attempt: Attempt<LiveJob>, progress: unknown): void {
    const job = attempt.owner
    job.progress = progress
    this.#jobs.notifier.announce(job, 'progress', { progress })
    this.#jobs.lists.changed(job, false)
    this.#jobs.notifier.snapshotChanged(job)
  }

  onValue(attempt: Attempt<LiveJob>, value: unknown): void {
    if (keepsValues(attempt.record)) {
      const why = this.#jobs.values.receive(attempt, value)
      if (why) this.#refuse(attempt, why)
      return
    }
    if (attempt.owner.observe().receive(value)) attempt.worker.ack(attempt, 1)
    this.#jobs.notifier.announce(attempt.owner, 'value', { value })
  }

  onLog(attempt: Attempt<LiveJob>, args: unknown[]): void {
    this.#jobs.notifier.announce(attempt.owner, 'log', { args })
  }

  onSave(attempt: Attempt<LiveJob>, call: number, key: string, value: unknown): void {
    const why = unstorable(this.#jobs.store, value, key === '' ? 'checkpoint' : `value of step '${key}'`)
    if (why) return this.#refuse(attempt, why)
    const action: Action = key === '' ? { type: 'checkpoint', checkpoint: value } : { type: 'step', key, value }
    this.#jobs.move(attempt.owner, action, () => attempt.worker.confirmSave(attempt, call))
  }

  /** What the handler has sent cannot be stored. */
  #refuse(attempt: Attempt<LiveJob>, why: OffstageError): void {
    this.#abort(attempt, why)
    this.#jobs.fail(attempt.owner, why, never)
  }

  beforeMessages(): void {
    this.#now = this.#jobs.clock.now()
  }

  afterMessages(): void {
    this.#jobs.timers.look()
    this.#jobs.commits.schedule()
  }

  onRoom(): void {
    this.#jobs.commits.schedule()
  }

  onOnline(workerId: number): void {
    this.#jobs.dashboard.changed()
    this.#jobs.bus.publish('worker:online', { workerId })
  }

  onExit(workerId: number, error: OffstageError | undefined): void {
    this.#jobs.dashboard.changed()
    this.#jobs.bus.publish('worker:exit', { workerId, error })
  }

  onStartFailed(workerId: number, { error, isFirst, retryMs, since }: StartFailure): void {
    const { queued } = this.#jobs.index.counts
    const failure = unstartable(error, `It is tried again in ${retryMs} ms; jobs that wait for it: ${queued}.`)
    if (isFirst && !this.#jobs.bus.hasListener('worker:exit')) warn(`offstage: ${failure.message}`)
    this.#jobs.bus.publish('worker:exit', { workerId, error: failure })
    if (since !== undefined) this.#rejectStranded(error, since)
    this.#jobs.commits.schedule()
  }

  hasWork(): boolean {
    return this.mayStart && !this.#jobs.dashboard.isPaused && this.#jobs.lines.startable(1) > 0
  }

  /**
   * Handles jobs that have waited for a worker, while none could be started, for as long as a worker may take to start. If jobs
   * are stored, they keep waiting and their listeners are notified; otherwise the jobs fail.
   */
  #rejectStranded(cause: OffstageError, since: number): void {
    const overdue = this.#jobs.dashboard.isPaused ? [] : this.#stranded.overdue(this.#jobs.index.jobs, since)
    if (overdue.length === 0) return
    const waitedMs = Math.round(this.#jobs.clock.monotonic() - since)
    const error = unstartable(
      cause,
      `None could be started for ${waitedMs} ms; jobs that waited for one: ${overdue.length}.`,
    )
    if (!this.#jobs.store.isDurable) {
      for (const job of overdue) this.#jobs.fail(job, error, never)
      return
    }
    for (const job of overdue) if (job.reject(error) || job.observers) this.#stranded.waitsAgain(job)
    for (const listener of this.#strandedListeners) listener(overdue, error)
  }

  onLost(attempt: Attempt<LiveJob>, loss: Loss, error: OffstageError): void {
    const job = attempt.owner
    this.#end(attempt)
    if (loss === 'blamed' || loss === 'suspected') job.mustRunAlone = true
    if (loss === 'interrupted') job.disturb()
    if (!attempt.isStale) this.#moveLost(attempt, loss, error)
    if (loss !== 'blamed' || job.record.state !== 'queued' || !job.isListed) return
    // The attempt has ended its worker. The pause keeps the job from ending one worker after another.
    const { failures, interruptions } = job.record
    holdBack(this.#jobs, job, restMsAfter(Math.max(failures + interruptions, 1)))
  }

  #moveLost(attempt: Attempt<LiveJob>, loss: Loss, error: OffstageError): void {
    const job = attempt.owner
    // When the scheduler closes, this job is abandoned with all others.
    if (hasMoved(attempt) && !this.pool.isClosed) return this.#jobs.fail(job, inputGone(attempt.record, error), never)
    if (loss === 'released' || (loss === 'suspected' && !attempt.isBegun))
      return this.#jobs.move(job, { type: 'release' })
    this.#jobs.move(job, { type: 'interrupt', error, isOwnMaking: loss === 'blamed' })
  }
}

/** A time limit counts from now, unless an earlier attempt has waited for the same. */
const waitsFrom = (waits: readonly SentWait[], now: number): Wait[] =>
  waits.map(([kind, key, name, until, ms]) => [kind, key, name, until ?? (ms === undefined ? undefined : now + ms)])

const isLastAttempt = ({ failures, rules }: JobRecord): boolean => failures + 1 >= rules.attempts

/**
 * Returns what is transferred to the worker. While another attempt may follow, buffers are copied instead. What cannot be
 * copied has to be transferred anyway.
 */
function transferOf({ transfer, record }: LiveJob): Transferable[] | undefined {
  if (!transfer) return undefined
  return isLastAttempt(record) || transfer.some((item) => !(item instanceof ArrayBuffer)) ? transfer : undefined
}
