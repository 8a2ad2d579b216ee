/**
 * The engine of one process: records in memory, a line for each queue, a pool of threads, a ledger to the store.
 *
 * Every change of a job goes through `#move`: the pure `transition` decides, the job changes its place, the step is
 * written. Everything that anybody hears goes through `#tell`, once the step is safe.
 */
import { EventBus } from '../events/event-bus.ts'
import type { JobEvent, JobEventMap, JobEventType } from '../events/event-map.ts'
import type { EventStream } from '../events/stream.ts'
import { createRecord } from '../job/job-options.ts'
import { isRetrying, isTerminal, isWaiting, type JobRecord, type State, states } from '../job/record.ts'
import { type Action, canExpire, isLegal, transition } from '../job/transition.ts'
import type { Peer } from '../peer/peer.ts'
import { type Loss, Pool, type PoolListener, type PoolOptions } from '../pool/pool.ts'
import type { Run, Slot } from '../pool/slot.ts'
import { isBefore, Line, type LineOptions } from '../queue/line.ts'
import { Timetable } from '../schedule/timetable.ts'
import type { Clock } from '../shared/clock.ts'
import { defer } from '../shared/deferred.ts'
import { OffstageError } from '../shared/errors.ts'
import type { Store } from '../store/store.ts'
import type {
  CloseMode,
  Counts,
  Engine,
  EngineQueues,
  FindOptions,
  Inserted,
  InsertRequest,
  JobFilter,
  QueueControl,
  SchedulerSnapshot,
  Stats,
} from './engine.ts'
import { Ledger, type LedgerListener, type Step } from './ledger.ts'
import { LiveJob } from './live-job.ts'
import { Histogram, Rate } from './meter.ts'
import { type KeepByState, Retention } from './retention.ts'

export interface LocalEngineOptions {
  readonly store: Store
  readonly peer: Peer
  readonly clock: Clock
  readonly random: () => number
  readonly pool: PoolOptions
  readonly queues: EngineQueues
  readonly maxQueued: number
  readonly keep: KeepByState
  readonly reportUnheard: (error: unknown) => void
}

/** So many characters of chance keep the ids that we make up apart from the user's and from those of other lives. */
const idPrefixLength = 10
const findLimitDefault = 1_000

type Removal = JobEventMap['removed']['reason']

/** What an insert will do, decided before anything is changed. */
interface Plan {
  readonly request: InsertRequest
  readonly id: string
  readonly existing: LiveJob | undefined
  readonly replaced: LiveJob | undefined
}

export class LocalEngine implements Engine {
  readonly bus: EventBus
  readonly #options: LocalEngineOptions
  readonly #clock: Clock
  readonly #timetable: Timetable
  readonly #ledger: Ledger
  readonly #pool: Pool<LiveJob>
  readonly #retention: Retention
  readonly #jobs = new Map<string, LiveJob>()
  readonly #lines = new Map<string, Line<LiveJob>>()
  readonly #idPrefix: string
  #seq = 0
  #lastId = 0
  #lineTime = 0
  readonly #counts: Record<State, number> = {
    scheduled: 0,
    blocked: 0,
    queued: 0,
    running: 0,
    completed: 0,
    failed: 0,
    cancelled: 0,
  }
  /** Of the scheduled: those between two attempts. */
  #retrying = 0
  /** Attempts that are on a thread or on their way to one, those included that no longer count. */
  #runs = 0
  #isPaused = false
  #wasIdle = true
  #mayStart = true
  #closing: CloseMode | undefined
  #closed: Promise<void> | undefined
  #escalate: (() => void) | undefined
  isEnded = false
  readonly #closers = new Set<() => void>()
  #waits: { readonly isOver: () => boolean; readonly resolve: () => void }[] = []
  readonly #observers = new Set<() => void>()
  #snapshot: SchedulerSnapshot | undefined
  #mayHaveChanged = false
  /** What the observers were told of last. */
  #observed: SchedulerSnapshot | undefined
  readonly #added = new Rate()
  readonly #completed = new Rate()
  readonly #failed = new Rate()
  readonly #waitMs = new Histogram()
  readonly #runMs = new Histogram()
  opening: Promise<void> | undefined

  constructor(options: LocalEngineOptions) {
    const { clock, random, store, pool, keep, queues } = options
    this.#options = options
    this.#clock = clock
    this.#idPrefix = Array.from({ length: idPrefixLength }, () => Math.floor(random() * 36).toString(36)).join('')
    this.bus = new EventBus(() => clock.now(), options.reportUnheard)
    this.#timetable = new Timetable(clock)
    this.#ledger = new Ledger(store, clock, this.#ledgerListener)
    this.#retention = new Retention(keep, this.#timetable, (job) => this.#remove(job, 'retention'))
    this.#pool = new Pool<LiveJob>(pool, this.#timetable, this.#poolListener)
    for (const [name, line] of Object.entries(queues)) this.#addLine(name, line)
    this.#open()
  }

  // Opening.

  #open(): void {
    const leading = this.#options.peer.lead()
    const records = leading === undefined ? this.#options.store.open() : leading.then(() => this.#options.store.open())
    if (!(records instanceof Promise)) return this.#restore(records)
    this.opening = records.then((stored) => {
      this.opening = undefined
      this.#restore(stored)
    })
    // Each call that waits for the opening gets the failure; nobody may be waiting yet.
    this.opening.catch(() => {})
  }

  #restore(records: readonly JobRecord[]): void {
    for (const record of [...records].sort((a, b) => a.seq - b.seq)) {
      const job = new LiveJob(record, this.#line(record.queue))
      job.told = record
      this.#jobs.set(record.id, job)
      this.#seq = Math.max(this.#seq, record.seq)
      this.#lineTime = Math.max(this.#lineTime, record.dueAt)
      this.#count(undefined, record)
      if (record.state === 'running') this.#move(job, { type: 'interrupt', error: undefined, isOwnMaking: false })
      else this.#place(job)
      if (isTerminal(record.state)) this.#retention.add(job)
    }
    this.#ledger.schedule()
  }

  // The life of a job.

  insert(request: InsertRequest): Inserted {
    const plan = this.#plan(request)
    this.#assertRoom(plan.existing ? 0 : 1)
    return this.#carryOut(plan)
  }

  insertMany(requests: readonly InsertRequest[]): Inserted[] {
    this.#assertOpen()
    // First all that may refuse, then all that changes: all or none.
    const plans = requests.map((request) => this.#plan(request))
    this.#assertRoom(plans.filter(({ existing }) => !existing).length)
    const byId = new Map<string, Inserted>()
    return plans.map((plan) => {
      const twin = byId.get(plan.id)
      if (twin) return { job: twin.job, disposition: 'existing' }
      const inserted = this.#carryOut(plan)
      byId.set(plan.id, inserted)
      return inserted
    })
  }

  #plan(request: InsertRequest): Plan {
    this.#assertOpen()
    const ownId = request.options?.id
    if (ownId === undefined) return { request, id: this.#nextId(), existing: undefined, replaced: undefined }
    const there = this.#jobs.get(ownId)
    const refuse = (why: string) =>
      new OffstageError('DUPLICATE_ID', `There is a job '${ownId}' already${why}.`, { jobId: ownId })
    const plan = { request, id: ownId, existing: undefined, replaced: undefined }
    if (!there) return plan
    const { name, state } = there.record
    const ifExists = request.options?.ifExists ?? 'return'
    if (ifExists === 'reject') throw refuse('')
    if (ifExists === 'replace' && state === 'running') throw refuse(', and it is running')
    if (ifExists === 'replace') return { ...plan, replaced: there }
    if (name !== request.name) throw refuse(` of another type: '${name}', not '${request.name}'`)
    return { ...plan, existing: there }
  }

  #carryOut({ request, id, existing, replaced }: Plan): Inserted {
    if (existing) return { job: existing, disposition: 'existing' }
    if (replaced) this.#replace(replaced)
    return { job: this.#insert(request, id), disposition: replaced ? 'replaced' : 'created' }
  }

  #insert({ name, input, options, defaults, transfer }: InsertRequest, id: string): LiveJob {
    const now = this.#clock.now()
    this.#lineTime = Math.max(this.#lineTime, now)
    const identity = { id, name, input, seq: ++this.#seq, lineTime: this.#lineTime }
    const record = createRecord(identity, options, defaults, now)
    const job = new LiveJob(record, this.#line(record.queue))
    job.transfer = transfer
    this.#jobs.set(id, job)
    this.#added.add(now)
    this.#count(undefined, record)
    this.#place(job)
    this.#write(job, 'insert', undefined, record)
    return job
  }

  #replace(job: LiveJob): void {
    if (!isTerminal(job.record.state))
      this.#move(job, { type: 'cancel', error: cancelled(job, 'another job was put in its place') })
    this.#remove(job, 'replaced')
  }

  cancel(job: LiveJob, error: unknown): boolean {
    if (!this.#has(job) || !isLegal(job.record.state, 'cancel')) return false
    const { run } = job
    this.#move(job, { type: 'cancel', error })
    if (run && !run.isStale) this.#abort(run, error)
    return true
  }

  retry(job: LiveJob): boolean {
    this.#assertOpen()
    if (!this.#has(job) || !isLegal(job.record.state, 'retry')) return false
    this.#retention.drop(job)
    this.#move(job, { type: 'retry' })
    return true
  }

  remove(job: LiveJob): boolean {
    if (!this.#has(job)) return false
    this.cancel(job, cancelled(job, 'it was removed'))
    this.#remove(job, 'removed')
    return true
  }

  setPriority(job: LiveJob, priority: number): boolean {
    if (!this.#has(job) || !isLegal(job.record.state, 'prioritize')) return false
    this.#move(job, { type: 'prioritize', priority })
    return true
  }

  promote(job: LiveJob): boolean {
    if (!this.#has(job) || !isLegal(job.record.state, 'due')) return false
    this.#move(job, { type: 'due' })
    return true
  }

  #has(job: LiveJob): boolean {
    if (this.isEnded) throw closedError()
    return this.#jobs.get(job.record.id) === job
  }

  /** The one way in which a job changes. */
  #move(job: LiveJob, action: Action, then?: () => void): void {
    const before = job.record
    const after = transition(before, action, this.#clock.now())
    job.record = after
    this.#count(before, after)
    this.#place(job)
    this.#write(job, action.type, before, after, then)
  }

  #remove(job: LiveJob, reason: Removal): void {
    const before = job.record
    this.#jobs.delete(before.id)
    this.#retention.drop(job)
    this.#count(before, undefined)
    this.#write(job, 'remove', before, undefined, () => this.#announce(job, 'removed', { reason }))
  }

  #write(
    job: LiveJob,
    type: Step['type'],
    before: JobRecord | undefined,
    after: JobRecord | undefined,
    then?: () => void,
  ): void {
    this.#ledger.write({ job, type, before, after, then })
  }

  #count(before: JobRecord | undefined, after: JobRecord | undefined): void {
    if (before) {
      this.#counts[before.state]--
      if (isRetrying(before)) this.#retrying--
    }
    if (after) {
      this.#counts[after.state]++
      if (isRetrying(after)) this.#retrying++
    }
    this.#mayHaveChanged = true
  }

  /** Puts a job where its record says it is: in its line, in the timetable, in neither. */
  #place(job: LiveJob): void {
    const { record, line } = job
    if (job.heapIndex !== -1) line.quit(job)
    this.#timetable.cancel(job.alarm)
    job.alarm = undefined
    const { state, runAt, expiresAt } = record
    // An earlier attempt may not be off its thread yet; until then the next must not start.
    if (state === 'queued' && !job.run) line.join(job)
    if (state === 'scheduled')
      job.alarm = this.#timetable.at(Math.min(runAt as number, dueToExpire(record)), () => this.#ring(job), true)
    else if (expiresAt !== undefined && isWaiting(state) && canExpire(record))
      job.alarm = this.#timetable.at(expiresAt, () => this.#ring(job))
  }

  #ring(job: LiveJob): void {
    this.#move(job, { type: this.#hasExpired(job) ? 'expire' : 'due' })
  }

  #hasExpired({ record }: LiveJob): boolean {
    return record.expiresAt !== undefined && dueToExpire(record) <= this.#clock.now()
  }

  // Starting and ending attempts.

  /** Starts what may start, in the order of all lines. */
  #pump(): void {
    if (!this.#mayStart || this.#isPaused || this.opening) return
    const refused = new Set<Line<LiveJob>>()
    let ahead = 0
    for (;;) {
      const line = this.#nextLine(refused)
      const job = line?.head
      if (!line || !job) return this.#pool.grow(ahead)
      if (this.#hasExpired(job)) {
        this.#move(job, { type: 'expire' }) // Its alarm is late: timers are, when the thread was busy or asleep.
        continue
      }
      const slot = this.#pool.roomFor(job.record.name, job.mustRunAlone)
      if (!slot) return this.#pool.grow(ahead + this.#startable())
      if (!line.gate.enter()) {
        refused.add(line)
        continue
      }
      if (!slot.isIdle) ahead++
      this.#start(job, slot)
    }
  }

  #nextLine(refused: ReadonlySet<Line<LiveJob>>): Line<LiveJob> | undefined {
    let next: Line<LiveJob> | undefined
    for (const line of this.#lines.values()) {
      if (line.size === 0 || refused.has(line) || !line.gate.hasRoom()) continue
      if (!next || isBefore((line.head as LiveJob).record, (next.head as LiveJob).record)) next = line
    }
    return next
  }

  /** How many more threads would have something to do. */
  #startable(): number {
    let startable = 0
    for (const { size, gate } of this.#lines.values()) {
      if (size > 0 && gate.hasRoom()) startable += Math.min(size, gate.concurrency - gate.running)
    }
    return startable
  }

  #start(job: LiveJob, slot: Slot): void {
    this.#runs++
    this.#waitMs.add(this.#clock.now() - job.record.dueAt)
    this.#move(job, { type: 'start' })
    job.progress = undefined
    job.run = this.#pool.reserve(slot, job, job.record, transferOf(job), job.mustRunAlone)
  }

  /** A thread has let go of an attempt, one way or another. */
  #end(run: Run<LiveJob>): void {
    const job = run.owner
    this.#runs--
    if (job.run === run) job.run = undefined
    this.#timetable.cancel(run.timeout)
    const { line } = job
    // An attempt that no longer counted may have kept the next one waiting.
    if (run.isStale && job.record.state === 'queued' && job.heapIndex === -1 && this.#jobs.get(job.record.id) === job)
      line.join(job)
    line.gate.leave(line.size > 0)
    if (run.isStale) this.#ledger.schedule()
  }

  #abort(run: Run<LiveJob>, reason: unknown): void {
    this.#timetable.cancel(run.timeout)
    this.#pool.abort(run, reason)
  }

  #timeOut(run: Run<LiveJob>): void {
    const { id, attempt, rules } = run.record
    const error = new OffstageError(
      'JOB_TIMEOUT',
      `Attempt ${attempt} of job '${id}' ran for longer than ${rules.timeoutMs} ms.`,
      { jobId: id, attempt },
    )
    this.#abort(run, error)
    this.#moveFailed(run.owner, error, false)
  }

  #moveFailed(job: LiveJob, error: unknown, isFinal: boolean): void {
    this.#move(job, { type: 'fail', error, isFinal, random: this.#options.random() })
  }

  readonly #poolListener: PoolListener<LiveJob> = {
    onBegun: (run) => {
      const { timeoutMs } = run.record.rules
      if (timeoutMs !== undefined) run.timeout = this.#timetable.after(timeoutMs, () => this.#timeOut(run))
    },
    onDone: (run, runMs, result) => {
      this.#end(run)
      if (run.isStale) return
      this.#runMs.add(runMs)
      this.#move(run.owner, { type: 'complete', result })
      this.#completed.add(run.owner.record.finishedAt as number)
    },
    onFailed: (run, _runMs, error, isFinal) => {
      this.#end(run)
      if (run.isStale) return
      this.#failed.add(this.#clock.now())
      this.#moveFailed(run.owner, error, isFinal)
    },
    onProgress: (run, progress) => {
      const job = run.owner
      job.progress = progress
      this.#announce(job, 'progress', { progress })
      this.#notify(job)
    },
    onValue: (run, value) => {
      if (run.owner.attend().receive(value)) run.slot.taken(run, 1)
      this.#announce(run.owner, 'value', { value })
    },
    onLog: (run, args) => this.#announce(run.owner, 'log', { args }),
    onKeep: (run, call, key, value) => {
      const action: Action = key === '' ? { type: 'checkpoint', checkpoint: value } : { type: 'step', key, value }
      this.#move(run.owner, action, () => run.slot.kept(run, call))
    },
    onLost: (run, loss, error) => this.#lost(run, loss, error),
    onRoom: () => {
      if (this.#counts.queued > 0) this.#ledger.schedule()
      else this.#settleWaits()
    },
    onOnline: (workerId) => {
      this.#changed()
      this.bus.tell('worker:online', { workerId })
    },
    onExit: (workerId, error) => {
      this.#changed()
      this.bus.tell('worker:exit', { workerId, error })
    },
    onLoadFailed: (error) => {
      for (const job of [...this.#jobs.values()]) if (job.record.state === 'queued') this.#moveFailed(job, error, false)
    },
  }

  #lost(run: Run<LiveJob>, loss: Loss, error: OffstageError): void {
    const job = run.owner
    this.#end(run)
    if (run.isStale) return
    if (loss === 'blamed' || loss === 'suspected') job.mustRunAlone = true
    if (loss === 'released' || (loss === 'suspected' && !run.isBegun)) return this.#move(job, { type: 'release' })
    if (run.transfer) return this.#moveFailed(job, inputGone(job, error), true)
    this.#move(job, { type: 'interrupt', error, isOwnMaking: loss === 'blamed' })
  }

  // Telling what is safe.

  readonly #ledgerListener: LedgerListener = {
    beforeCommit: () => this.#pump(),
    tell: (step) => this.#tell(step),
    afterTell: () => this.#afterTell(),
    onRefused: (steps, error) => this.#onRefused(steps, error),
  }

  #tell({ job, type, before, after, then }: Step): void {
    if (after) job.told = after
    if (after && type !== 'checkpoint' && type !== 'step') this.#tellMove(job, type, after)
    then?.()
    if (before) this.#notify(job)
  }

  #tellMove(job: LiveJob, type: Step['type'], record: JobRecord): void {
    const { state, error } = record
    if (type === 'insert') return this.#announce(job, 'added', { state, priority: record.priority })
    if (type === 'start') return this.#tellStart(job, record)
    if (state === 'completed') this.#tellEnd(job, 'completed', { result: record.result })
    else if (state === 'failed') this.#tellEnd(job, 'failed', { error })
    else if (state === 'cancelled') this.#tellEnd(job, 'cancelled', { error })
    else if (type === 'interrupt') this.#announce(job, 'interrupted', { error })
    else if (type === 'fail') this.#announce(job, 'retrying', { error, runAt: record.runAt ?? this.#clock.now() })
  }

  #tellStart(job: LiveJob, record: JobRecord): void {
    const { run } = job
    // It may have been cancelled, or its thread may have died, while the start was on its way to the store.
    if (run?.record !== record || run.isStale) return
    this.#pool.send(run)
    this.#announce(job, 'started', {})
  }

  #tellEnd<Type extends 'completed' | 'failed' | 'cancelled'>(job: LiveJob, type: Type, details: Details<Type>): void {
    this.#announce(job, type, details)
    job.settle(job.safe)
    // Removed or moved on while this was on its way.
    if (job.record === job.told && this.#jobs.get(job.record.id) === job) this.#retention.add(job)
  }

  #announce<Type extends JobEventType>(job: LiveJob, type: Type, details: Details<Type>): void {
    const watchers = job.audience?.watchers
    if (!watchers?.size && !this.bus.isHeard(type)) return
    const { id: jobId, name, queue, attempt } = job.safe
    const event = this.bus.make(type, { jobId, name, queue, attempt, ...details } as never)
    this.bus.emit(event as never)
    for (const watcher of [...(watchers ?? [])]) this.bus.call(watcher, event as never)
  }

  #notify(job: LiveJob): void {
    if (job.audience) for (const observer of [...job.audience.observers]) this.bus.call(observer)
  }

  #afterTell(): void {
    this.#settleWaits()
    this.#changed()
    const isIdle = this.#isIdle()
    if (isIdle && !this.#wasIdle) this.bus.tell('idle', {})
    this.#wasIdle = isIdle
  }

  #onRefused(steps: readonly Step[], error: OffstageError): Step[] {
    this.bus.tell('store:error', { error })
    const refused = new Set(steps.filter(({ type }) => type === 'insert').map(({ job }) => job))
    for (const job of refused) this.#forget(job, error)
    return steps.filter(({ job }) => !refused.has(job))
  }

  /** A job that never was: the store did not take it. */
  #forget(job: LiveJob, error: unknown): void {
    const { record, run } = job
    if (run) this.#pool.abort(run, error)
    if (job.heapIndex !== -1) job.line.quit(job)
    this.#timetable.cancel(job.alarm)
    this.#count(record, undefined)
    this.#jobs.delete(record.id)
    job.abandon(error)
  }

  whenSafe(): Promise<void> {
    return this.#ledger.whenSafe()
  }

  // Looking.

  get(id: string): LiveJob | undefined {
    return this.#jobs.get(id)
  }

  find({ limit = findLimitDefault, after, ...filter }: FindOptions): LiveJob[] {
    const found: LiveJob[] = []
    let isBehind = after === undefined
    for (const job of this.#jobs.values()) {
      if (found.length === limit) break
      if (isBehind && fits(job.record, filter)) found.push(job)
      if (job.record.id === after) isBehind = true
    }
    return found
  }

  counts(): Counts {
    return { ...this.#counts }
  }

  result(job: LiveJob): Promise<unknown> {
    if (this.isEnded && !isTerminal(job.safe.state)) return Promise.reject(closedError())
    return job.result()
  }

  values(job: LiveJob): EventStream<unknown> {
    const stream = job.values(() => {
      const { run } = job
      run?.slot.taken(run, 1)
    })
    if (this.isEnded) stream.end()
    return stream
  }

  lastEvent(job: LiveJob): JobEvent | undefined {
    const { id: jobId, name, queue, attempt, state, result, error } = job.safe
    if (!isTerminal(state)) return undefined
    const details = state === 'completed' ? { result } : { error }
    return this.bus.make(state as 'completed', { jobId, name, queue, attempt, ...details } as never)
  }

  snapshot(): SchedulerSnapshot {
    const before = this.#snapshot
    if (!before || this.#mayHaveChanged) {
      const isPaused = this.#isPaused
      const isIdle = this.#isIdle()
      const workers = this.#pool.online
      const isSame =
        before?.isPaused === isPaused &&
        before.isIdle === isIdle &&
        before.workers === workers &&
        states.every((state) => before.counts[state] === this.#counts[state])
      if (!isSame) this.#snapshot = Object.freeze({ counts: Object.freeze(this.counts()), isPaused, isIdle, workers })
      this.#mayHaveChanged = false
    }
    return this.#snapshot as SchedulerSnapshot
  }

  observe(observer: () => void): () => void {
    if (this.#observers.size === 0) this.#observed = this.snapshot()
    this.#observers.add(observer)
    return () => this.#observers.delete(observer)
  }

  #changed(): void {
    this.#mayHaveChanged = true
    if (this.#observers.size === 0 || this.snapshot() === this.#observed) return
    this.#observed = this.#snapshot
    for (const observer of [...this.#observers]) this.bus.call(observer)
  }

  stats(): Stats {
    const now = this.#clock.now()
    const { online, busy, starting } = this.#pool
    return {
      workers: { online, busy, starting },
      depth: this.#counts.queued,
      rates: {
        added: this.#added.perSecond(now),
        completed: this.#completed.perSecond(now),
        failed: this.#failed.perSecond(now),
      },
      latencies: { wait: this.#waitMs.percentiles(), run: this.#runMs.percentiles() },
    }
  }

  // Lines and pauses.

  queue(name: string): QueueControl {
    const line = this.#line(name)
    const { gate } = line
    const engine = this
    return {
      get isPaused() {
        return gate.isPaused
      },
      get size() {
        return line.size
      },
      get running() {
        return gate.running
      },
      pause() {
        if (gate.isPaused) return
        gate.pause()
        engine.bus.tell('paused', { queue: name })
      },
      resume() {
        if (!gate.isPaused) return
        engine.bus.tell('resumed', { queue: name })
        gate.resume()
      },
      setConcurrency: (concurrency) => gate.setConcurrency(concurrency),
      setRateLimit: (rateLimit) => gate.setRateLimit(rateLimit),
    }
  }

  #line(name: string): Line<LiveJob> {
    return this.#lines.get(name) ?? this.#addLine(name, {})
  }

  #addLine(name: string, options: LineOptions): Line<LiveJob> {
    const line = new Line<LiveJob>(name, options, () => this.#pump())
    this.#lines.set(name, line)
    return line
  }

  get isPaused(): boolean {
    return this.#isPaused
  }

  pause(): void {
    this.#assertOpen()
    if (this.#isPaused) return
    this.#isPaused = true
    this.bus.tell('paused', { queue: undefined })
    this.#changed()
  }

  resume(): void {
    this.#assertOpen()
    if (!this.#isPaused) return
    this.#isPaused = false
    this.bus.tell('resumed', { queue: undefined })
    this.#changed()
    this.#ledger.schedule()
  }

  // Idling and closing.

  #isIdle(): boolean {
    return this.#counts.queued + this.#counts.running + this.#retrying === 0
  }

  onIdle(): Promise<void> {
    return this.#when(() => this.#isIdle())
  }

  /** Resolves once it is true of what is safe and told. */
  async #when(isOver: () => boolean): Promise<void> {
    if (this.isEnded) return
    const waiting = defer<void>()
    this.#waits.push({ isOver, resolve: () => waiting.resolve() })
    this.#ledger.schedule()
    return waiting.promise
  }

  #settleWaits(): void {
    if (this.#waits.length === 0) return
    const over = this.#waits.filter(({ isOver }) => isOver())
    this.#waits = this.#waits.filter((wait) => !over.includes(wait))
    for (const { resolve } of over) resolve()
  }

  get isClosed(): boolean {
    return this.#closing !== undefined
  }

  #assertOpen(): void {
    if (this.#closing) throw closedError()
  }

  #assertRoom(added: number): void {
    const waiting = this.#counts.queued + this.#counts.scheduled + this.#counts.blocked
    const { maxQueued } = this.#options
    if (waiting + added > maxQueued)
      throw new OffstageError('QUEUE_FULL', `${waiting} jobs wait already; \`maxQueued\` is ${maxQueued}.`)
  }

  #nextId(): string {
    return `${this.#idPrefix}${(++this.#lastId).toString(36)}`
  }

  onClose(callback: () => void): () => void {
    this.#closers.add(callback)
    return () => this.#closers.delete(callback)
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
    try {
      await this.opening
    } catch {
      // It never opened, so there is nothing to wait for, and whoever waited has been told.
    }
    this.#mayStart = mode === 'drain'
    if (mode === 'drain') this.#resumeAll()
    const hasEnded = mode === 'drain' ? () => this.#isIdle() && this.#runs === 0 : () => this.#runs === 0
    if (this.#closing !== 'now') await this.#inTime(this.#when(hasEnded), timeoutMs)
    this.#mayStart = false
    await this.#pool.close()
    await this.#ledger.whenSafe().catch(() => {})
    await this.#options.store.close()
    await this.#options.peer.leave()
    this.isEnded = true
    this.#timetable.close()
    for (const { gate } of this.#lines.values()) gate.drain()
    for (const job of this.#jobs.values()) if (!isTerminal(job.safe.state)) job.abandon(closedError())
    for (const { resolve } of this.#waits.splice(0)) resolve()
    for (const callback of [...this.#closers]) callback()
    this.#changed()
  }

  /** A pause must not keep a drain waiting for ever. */
  #resumeAll(): void {
    this.#isPaused = false
    for (const { gate } of this.#lines.values()) if (gate.isPaused) gate.resume()
    this.#ledger.schedule()
  }

  /** Waits no longer than `timeoutMs`, nor than until somebody closes with `now`. */
  #inTime(waiting: Promise<void>, timeoutMs: number | undefined): Promise<void> {
    return new Promise((resolve) => {
      this.#escalate = resolve
      const alarm = timeoutMs === undefined ? undefined : this.#timetable.after(timeoutMs, resolve, true)
      void waiting.then(() => {
        this.#timetable.cancel(alarm)
        resolve()
      })
    })
  }
}

type Details<Type extends JobEventType> = Omit<
  JobEventMap[Type],
  'type' | 'seq' | 'at' | 'jobId' | 'name' | 'queue' | 'attempt'
>

export const closedError = (): OffstageError => new OffstageError('SCHEDULER_CLOSED', 'The scheduler is closed.')

/** What a job rejects with that is cancelled for `reason`. */
export const cancelled = ({ record }: LiveJob, reason: unknown): OffstageError => {
  const why = typeof reason === 'string' ? `: ${reason}` : reason instanceof Error ? `: ${reason.message}` : ''
  return new OffstageError('JOB_CANCELLED', `The job '${record.id}' was cancelled${why}.`, {
    ...(reason !== undefined && { cause: reason }),
    jobId: record.id,
    attempt: record.attempt,
  })
}

const inputGone = ({ record }: LiveJob, cause: OffstageError): OffstageError =>
  new OffstageError(
    'WORKER_CRASHED',
    `The thread of job '${record.id}' ended, and its input, which was moved there, with it.`,
    {
      cause,
      jobId: record.id,
      attempt: record.attempt,
    },
  )

const dueToExpire = (record: JobRecord): number =>
  canExpire(record) ? (record.expiresAt as number) : Number.POSITIVE_INFINITY

/**
 * What moves to the thread. While another attempt may follow, buffers are copied instead; what cannot be copied has to
 * move all the same.
 */
function transferOf({ transfer, record }: LiveJob): Transferable[] | undefined {
  if (!transfer) return undefined
  const isLastAttempt = record.failures + 1 >= record.rules.attempts
  return isLastAttempt || transfer.some((item) => !(item instanceof ArrayBuffer)) ? transfer : undefined
}

function fits({ name, queue, state, rules }: JobRecord, filter: JobFilter): boolean {
  if (filter.name !== undefined && filter.name !== name) return false
  if (filter.queue !== undefined && filter.queue !== queue) return false
  if (filter.tag !== undefined && !rules.tags.includes(filter.tag)) return false
  if (filter.state === undefined) return true
  return typeof filter.state === 'string' ? filter.state === state : filter.state.includes(state)
}
