/**
 * The engine of one process: records in memory, a line for each queue, a pool of workers, a group commit to the store.
 *
 * This class carries out the verbs and puts the modules together. Each module knows those it points to:
 *
 *   intake ──▶ lifecycle ──▶ outcomes ──▶ dispatcher ──▶ jobs
 */
import type { EventBus } from '../events/event-bus.ts'
import type { JobEvent } from '../events/event-map.ts'
import type { NumberedStream } from '../events/numbered-stream.ts'
import type { BufferedStream } from '../events/stream.ts'
import { resolveDefaults } from '../job/job-options.ts'
import { type JobRecord, keepsValues } from '../job/record.ts'
import type { Action, JobChanges } from '../job/transition.ts'
import { recordedOf } from '../job/waits.ts'
import { nextTask } from '../platform/hop.ts'
import type { PoolOptions } from '../pool/pool.ts'
import type { QueueSettings } from '../queue/settings.ts'
import type { Clock } from '../shared/clock.ts'
import type { OffstageError } from '../shared/errors.ts'
import { isThenable } from '../shared/thenable.ts'
import type { Row, Store } from '../store/store.ts'
import { Children } from './children.ts'
import { type DefaultsByType, Dispatcher, type OnStranded } from './dispatcher.ts'
import type {
  CloseMode,
  Counts,
  Engine,
  EngineQueues,
  FindOptions,
  Inserted,
  InsertRequest,
  JobFilter,
  JobList,
  MakeExtensions,
  NamedExtension,
  QueueState,
  QueueView,
  Recorded,
  SchedulerSnapshot,
  Stats,
  Verb,
  WaitReason,
} from './engine.ts'
import type { Extension } from './extension.ts'
import type { ExtensionHooks } from './extension-hooks.ts'
import { Intake } from './intake.ts'
import { extensionMissing, inputGone, unknownId } from './job-errors.ts'
import type { ListView } from './job-list.ts'
import type { JobObservers } from './job-observers.ts'
import type { JobView } from './job-view.ts'
import { Jobs } from './jobs.ts'
import { type Dropped, Lifecycle } from './lifecycle.ts'
import { LiveJob } from './live-job.ts'
import { Outcomes } from './outcomes.ts'
import { requestToRestart } from './restarting.ts'
import type { KeepByState } from './retention.ts'
import { actOn } from './verbs.ts'
import { whyWaiting } from './waiting.ts'

export interface LocalEngineOptions {
  readonly store: Store
  readonly clock: Clock
  readonly random: () => number
  readonly pool: PoolOptions
  readonly queues: EngineQueues
  readonly maxQueued: number
  readonly keep: KeepByState
  readonly defaults?: DefaultsByType
  readonly reportUnhandled: (error: unknown) => void
  /** The bus of an engine that replaces another one, or may be replaced. By default a new one is made. */
  readonly bus?: EventBus
  /**
   * Returns the object to which handles, callbacks and promises of this record are already attached. `isNew`: the job is just
   * being added.
   */
  readonly adopt?: (record: JobRecord, isNew: boolean) => LiveJob | undefined
  /**
   * Called when the store is open. Returns whether the previous engine closed the store in an orderly way. Then the jobs that
   * were running count as interrupted, not as crashed.
   */
  readonly wasReleased?: () => boolean
}

/** After this time every extension has been attached that will be. */
const missingAfterMs = 1_000

/** A store takes up to a tenth of a millisecond to forget a job, if that has failed with a long error. */
const cleanedAtOnce = 250

const interruption: Action = { type: 'interrupt', error: undefined, isOwnMaking: false }

export class LocalEngine implements Engine {
  readonly #jobs: Jobs
  readonly #dispatcher: Dispatcher
  readonly #outcomes: Outcomes
  readonly #lifecycle: Lifecycle
  readonly #intake: Intake
  /** What extensions get to work with. */
  readonly #parts: object
  /** Extensions that wait until the store is open; `undefined` once it is. */
  #attaching: (() => void)[] | undefined = []
  #rows: readonly Row[] = []

  constructor(options: LocalEngineOptions) {
    const jobs = new Jobs(options)
    const dispatcher = new Dispatcher(jobs, options.pool, options.defaults ?? {})
    const outcomes = new Outcomes(jobs, dispatcher)
    const lifecycle = new Lifecycle(jobs, dispatcher, outcomes)
    const intake = new Intake(jobs, outcomes, lifecycle, options)
    const defaultsOf = (name: string) => resolveDefaults(options.defaults?.[name])
    jobs.family = new Children(jobs, (request) => void intake.insertNow(request, undefined), defaultsOf)
    this.#jobs = jobs
    this.#dispatcher = dispatcher
    this.#outcomes = outcomes
    this.#lifecycle = lifecycle
    this.#intake = intake
    this.#parts = { jobs, dispatcher, outcomes, lifecycle, intake }
    lifecycle.onClose(() => jobs.lists.close())
    lifecycle.open(options.pool.errors, (stored) => {
      const { records, rows } = stored
      // Tables whose names begin like this are the engine's own.
      this.#rows = rows.filter(({ table }) => !table.startsWith('offstage:'))
      jobs.settings.restore(rows)
      jobs.values.restore(stored)
      intake.restore(records, options.wasReleased?.() ? interruption : { type: 'crash' })
      for (const attach of this.#attaching ?? []) attach()
      this.#attaching = undefined
      jobs.lists.refresh()
      if (this.#rows.length > 0) jobs.timers.after(missingAfterMs, () => this.#nameMissing())
    })
  }

  get bus(): EventBus {
    return this.#jobs.bus
  }

  // Verbs.

  insert(request: InsertRequest): Inserted {
    return this.#intake.insert(request)
  }

  async insertMany(requests: readonly InsertRequest[]): Promise<Inserted[]> {
    const inserting = this.insertAll(requests)
    const inserted = isThenable(inserting) ? await inserting : inserting
    await this.whenAllCommitted(inserted)
    return inserted
  }

  /** Like `insert`: the returned jobs may not be committed yet. Up to a thousand jobs are added before the call returns. */
  insertAll(requests: readonly InsertRequest[]): Inserted[] | Promise<Inserted[]> {
    return this.#intake.insertMany(requests)
  }

  async act(verb: Verb, target: LiveJob | string | JobFilter, argument?: unknown): Promise<number> {
    // Nothing is stored any more, so nothing may change.
    if (this.#jobs.commits.failure) throw this.closedError()
    if (verb === 'retry') this.#lifecycle.assertTaking()
    const meant = this.#meant(target)
    if (verb === 'clean') return this.#clean(meant, argument as number)
    return this.#actOnAll(meant, verb, argument)
  }

  /** In slices, each a commit of its own, because there may be very many jobs. */
  async #clean(meant: readonly LiveJob[], olderThanMs: number): Promise<number> {
    const until = this.#jobs.clock.now() - olderThanMs
    let cleaned = 0
    for (let at = 0; at < meant.length; at += cleanedAtOnce) {
      if (at > 0) await nextTask()
      cleaned += await this.#actOnAll(meant.slice(at, at + cleanedAtOnce), 'clean', until)
    }
    return cleaned
  }

  async #actOnAll(meant: readonly LiveJob[], verb: Verb, argument: unknown): Promise<number> {
    const act = () => meant.filter((job) => actOn(this.#jobs, job, verb, argument))
    const moved = this.#jobs.extensions?.inCall(undefined, act) ?? act()
    // Only once all of it is certain: a handler that was aborted cannot be resumed.
    for (const job of moved) if (job.record.state === 'cancelled') this.#dispatcher.abort(job, job.record.error)
    await this.#outcomes.whenCommitted()
    // Some jobs were just being added. A job that the store refused was not moved either.
    return moved.filter((job) => !this.#outcomes.refusalOf(job)).length
  }

  #meant(target: LiveJob | string | JobFilter): LiveJob[] {
    if (target instanceof LiveJob) return target.isListed ? [target] : []
    if (typeof target !== 'string') return this.#jobs.index.find({ ...target, limit: Number.POSITIVE_INFINITY })
    const job = this.#jobs.index.get(target)
    return job ? [job] : []
  }

  async restart(id: string, from: string | undefined, newId: string): Promise<LiveJob> {
    this.#lifecycle.assertTaking()
    const again = this.#jobs.index.get(newId) ?? this.#restart(id, from, newId)
    await this.#outcomes.whenCommitted(again)
    return again
  }

  #restart(id: string, from: string | undefined, newId: string): LiveJob {
    const job = this.#jobs.index.get(id)
    if (!job) throw unknownId(id)
    if (job.isInputGone) throw inputGone(job.record)
    const { job: again } = this.#intake.insert(requestToRestart(job.record, from, newId))
    // They share the input, so neither may move it.
    job.transfer = undefined
    return again as LiveJob
  }

  async update(id: string, changes: JobChanges): Promise<boolean> {
    if (this.#jobs.commits.failure) throw this.closedError()
    const job = this.#jobs.index.get(id)
    const act = () => job !== undefined && this.#jobs.update(job, changes)
    const isChanged = this.#jobs.extensions?.inCall(undefined, act) ?? act()
    await this.#outcomes.whenCommitted()
    return isChanged && !this.#outcomes.refusalOf(job as LiveJob)
  }

  check(value: unknown, what: string): void {
    this.#jobs.store.check(value, what)
  }

  // Extensions.

  attach(extension: NamedExtension, make: MakeExtensions): void {
    const attach = () => {
      this.#jobs.extensions ??= make(this.#parts, this.#rows) as ExtensionHooks
      this.#jobs.extensions.attach(extension as Extension)
    }
    if (this.#attaching) this.#attaching.push(attach)
    else attach()
  }

  async command(extension: string, command: string, args: readonly unknown[]): Promise<unknown> {
    const { extensions } = this.#jobs
    if (!extensions) throw extensionMissing(extension)
    return extensions.command(extension, command, args)
  }

  /** Reports extensions that have stored rows and are not attached. Their rows are kept. */
  #nameMissing(): void {
    for (const table of new Set(this.#rows.map((row) => row.table)))
      if (!this.#jobs.extensions?.has(table)) this.bus.publish('store:error', { error: extensionMissing(table) })
  }

  // Looking.

  whenCommitted(inserted: JobView): Promise<void> {
    return this.#outcomes.whenCommitted(inserted)
  }

  /** Mostly the jobs are in one batch: when the first is committed, so are all. */
  async whenAllCommitted(
    inserted: readonly Inserted[],
    whenCommitted = (job: JobView) => this.whenCommitted(job),
  ): Promise<void> {
    for (const { job, along } of inserted) {
      if (!job.committed) await whenCommitted(job)
      if (along && !along.committed) await whenCommitted(along)
    }
  }

  /** The job with its newest record, which may not be committed. */
  job(id: string): LiveJob | undefined {
    return this.#jobs.index.get(id)
  }

  // Each of these sees the effects of all calls before it, and of none after it.

  async get(id: string): Promise<LiveJob | undefined> {
    const job = this.#jobs.index.get(id)
    if (await this.#isWritten()) return job?.committed && job
    const there = this.#jobs.index.get(id)
    return there?.committed ? there : this.#outcomes.leaving.find(({ record }) => record.id === id)
  }

  async find(options: FindOptions): Promise<LiveJob[]> {
    const found = this.#jobs.index.find(options)
    return (await this.#isWritten())
      ? found.filter(({ committed }) => committed)
      : this.#jobs.index.find(options, this.#outcomes.leaving)
  }

  async counts(): Promise<Counts> {
    const counts = { ...this.#jobs.index.counts }
    return (await this.#isWritten()) ? counts : { ...this.#jobs.committed.counts }
  }

  /**
   * Resolves with true once everything decided so far is committed. Resolves with false if the store has refused jobs, or takes
   * nothing. Then the caller returns what the store has.
   */
  async #isWritten(): Promise<boolean> {
    const { refused } = this.#jobs.dashboard
    if (this.#jobs.commits.isRefusing) return false
    try {
      await this.#outcomes.whenCommitted()
    } catch (error) {
      if (error === this.#jobs.commits.failure) throw error
      return false
    }
    return refused === this.#jobs.dashboard.refused && !this.#jobs.commits.isRefusing
  }

  observersOf(job: JobView): JobObservers {
    return job.observe()
  }

  result(job: JobView): Promise<unknown> {
    const refusal = this.#outcomes.refusalOf(job) ?? (this.isEnded && !job.hasEnded && this.closedError())
    return refusal ? Promise.reject(refusal) : job.result()
  }

  values(job: LiveJob, after?: number): BufferedStream<unknown> {
    const { values } = this.#jobs
    const stream = keepsValues(job.record) ? values.read(job, after) : job.values(() => job.ack())
    if (this.isEnded || job.hasEnded) stream.end()
    return stream
  }

  /** Gives a reader of an engine that this one has replaced what has come since. */
  feed(job: JobView, reader: NumberedStream): void {
    this.#jobs.values.feed(job, reader)
    if (job.hasEnded) reader.end()
  }

  /** A reader has taken a value, so the handler may send one more. */
  ack(job: LiveJob): void {
    if (keepsValues(job.record)) this.#jobs.values.look(job)
    else job.ack()
  }

  lastEvent(job: JobView): JobEvent | undefined {
    return this.#jobs.notifier.lastEvent(job)
  }

  snapshot(): SchedulerSnapshot {
    return this.#jobs.dashboard.snapshot()
  }

  subscribe(observer: () => void): () => void {
    return this.#jobs.dashboard.observe(observer)
  }

  stats(): Stats {
    return this.#jobs.dashboard.stats(this.#jobs.clock.now())
  }

  renewWorkers(): void {
    this.#dispatcher.pool.renew()
    for (const job of this.#jobs.index.jobs) this.#jobs.retryWithCode(job)
    this.#jobs.commits.schedule()
  }

  onStranded(listener: OnStranded): () => void {
    return this.#dispatcher.onStranded(listener)
  }

  watch(filter: FindOptions): JobList {
    return this.#jobs.lists.watch(filter)
  }

  /** Like `watch`, but in a view that another engine may have used before. Returns a function that stops it. */
  showIn(view: ListView, filter: FindOptions): () => void {
    return this.#jobs.lists.showIn(view, filter)
  }

  async whyWaiting(id: string): Promise<WaitReason[]> {
    await this.#isWritten()
    const job = this.#jobs.index.get(id)
    if (!job) throw unknownId(id)
    return whyWaiting(job, this.#jobs, this.#dispatcher.pool)
  }

  async recorded(id: string): Promise<Recorded | undefined> {
    await this.#isWritten()
    const record = this.#jobs.index.get(id)?.committed
    return record && recordedOf(record)
  }

  // Queues and pauses.

  async queues(): Promise<QueueState[]> {
    return this.#jobs.lines.queues
  }

  queue(name: string): QueueView {
    return this.#jobs.lines.view(name)
  }

  get isPaused(): boolean {
    return this.#jobs.dashboard.isPaused
  }

  set(queue: string | undefined, settings: QueueSettings | null): Promise<unknown> {
    this.#lifecycle.assertOpen()
    if (queue === undefined) {
      this.#setPause(settings?.isPaused ?? false)
      return Promise.resolve()
    }
    this.#jobs.lines.check(queue, settings ?? {})
    const set = () => {
      this.#jobs.settings.set(queue, settings)
      return this.#outcomes.whenCommitted()
    }
    const { opening } = this.#lifecycle
    if (!opening) return set()
    // It holds before the store is open, and then goes on top of what the store has.
    if (settings) this.#jobs.lines.set(queue, settings)
    return opening.then(set)
  }

  #setPause(isPaused: boolean): void {
    if (isPaused === this.isPaused) return
    this.#jobs.dashboard.isPaused = isPaused
    this.bus.publish(isPaused ? 'paused' : 'resumed', { queue: undefined, group: undefined })
    if (!isPaused) this.#jobs.commits.schedule()
  }

  /** The keys of the queues and groups that are paused. */
  get pausedQueues(): string[] {
    return this.#jobs.settings.paused
  }

  // Opening, idling and closing.

  get opening(): Promise<unknown> | undefined {
    return this.#lifecycle.opening
  }

  get isClosed(): boolean {
    return this.#lifecycle.isClosed
  }

  get isEnded(): boolean {
    return this.#lifecycle.isEnded
  }

  closedError(): OffstageError {
    return this.#lifecycle.closedError()
  }

  async onIdle(queue?: string, limit = 0): Promise<void> {
    if (this.isEnded) return
    const { index, lines } = this.#jobs
    await this.#outcomes.when(queue === undefined ? () => index.isIdle : () => lines.sizeOf(queue) < limit)
  }

  onClose(callback: () => void): () => void {
    return this.#lifecycle.onClose(callback)
  }

  close(mode: CloseMode, timeoutMs: number | undefined): Promise<void> {
    return this.#lifecycle.close(mode, timeoutMs)
  }

  /** Lets go of all jobs, so that another engine can adopt them. */
  drop(error: OffstageError): Dropped {
    return this.#lifecycle.drop(error)
  }
}
