import { cancelled } from '../engine/job-errors.ts'
import type { JobView } from '../engine/job-view.ts'
import { Notifier } from '../engine/notifier.ts'
import type { EventBus } from '../events/event-bus.ts'
import type { AnyEvent, JobEvent } from '../events/event-map.ts'
import { isTerminal, type JobRecord } from '../job/record.ts'
import type { Clock } from '../shared/clock.ts'
import type { ErrorClass } from '../shared/error-wire.ts'
import { OffstageError } from '../shared/errors.ts'
import { type Moment, wallOf } from './moment.ts'
import type { Readings } from './readings.ts'
import { draftRecord, type Wish } from './requests.ts'
import { type NamedRequest, recordFromWire, type WireRecord } from './wire.ts'

interface Wanted {
  readonly job: JobView
  readonly since: Moment
}

export interface KnownJobsOptions {
  readonly clock: Clock
  readonly errors: readonly ErrorClass[]
  readonly bus: EventBus
  /** Makes the object that handles, callbacks and promises hang on. */
  readonly makeJob: (record: JobRecord) => JobView
}

/** What a client knows of the jobs of another engine, and tells of them here. */
export class KnownJobs {
  readonly #options: KnownJobsOptions
  readonly #readings: Readings
  readonly #notifier: Notifier
  /** All that were ever added, found or got here, until they are removed. */
  #known = new Map<string, JobView>()
  /** From when they are asked for until that is answered: callbacks hang on them, and events may come before the answer. */
  readonly #wanted = new Map<string, Wanted>()
  /** Why jobs were aborted here: their promises reject with the very object. */
  readonly #reasons = new WeakMap<JobView, unknown>()
  /** Of jobs that are gone, why nothing more will be heard of them. */
  readonly #gone = new WeakMap<JobView, OffstageError>()

  constructor(options: KnownJobsOptions, readings: Readings) {
    this.#options = options
    this.#readings = readings
    this.#notifier = new Notifier(options.bus)
  }

  /** Those of which something may still be heard, and whether somebody here looks on. */
  get watched(): [id: string, isAttended: boolean][] {
    const known = [...this.#known].filter(([, job]) => !job.hasEnded || job.observers)
    return known.map(([id, job]) => [id, job.observers !== undefined])
  }

  /** Known or wanted. */
  find(id: string): JobView | undefined {
    return this.#known.get(id) ?? this.#wanted.get(id)?.job
  }

  /** Something is heard of it that only who asked for it would hear: one that is wanted has been added. */
  #meet(id: string): JobView | undefined {
    const job = this.find(id)
    if (job) this.#known.set(id, job)
    return job
  }

  // Wanting.

  isWanted(id: string): boolean {
    return this.#wanted.has(id)
  }

  /** An object for callbacks to hang on before anything is heard of the job. */
  want(request: NamedRequest, since: Moment): Wish {
    const { id, ifExists } = request.options
    const known = ifExists === 'replace' ? undefined : this.#known.get(id)
    const job = known ?? this.#wanted.get(id)?.job ?? this.#options.makeJob(draftRecord(request, since.wallMs))
    if (!known) this.wantAgain(job, since)
    request.attach?.(job)
    return { ...request, job }
  }

  wantAgain(job: JobView, since: Moment): void {
    this.#wanted.set(job.record.id, { job, since })
  }

  inserted({ job, attach, options }: Wish, given: JobView): void {
    this.#wanted.delete(options.id)
    // There was one of which nothing was known here.
    if (given !== job) attach?.(given)
  }

  notInserted({ job, options }: Wish, error: OffstageError): void {
    if (this.#wanted.delete(options.id) && this.#known.get(options.id) !== job) this.#forget(job, error)
  }

  // Hearing.

  hear(event: AnyEvent, change: WireRecord | undefined): void {
    const { jobId } = event as Partial<JobEvent>
    const job = jobId === undefined ? undefined : change ? this.#meet(jobId) : this.#known.get(jobId)
    if (!job) return this.#emit(event, undefined)
    if (event.type === 'started') job.progress = undefined
    if (event.type === 'progress') job.progress = event.progress
    if (change) this.#update(job, change, event)
    else {
      this.#emit(event, job)
      this.#notifier.snapshotChanged(job)
    }
    if (event.type === 'removed') this.#known.delete(jobId as string)
  }

  /** With a number of this bus. */
  #emit({ type, seq, ...details }: AnyEvent, job: JobView | undefined): void {
    const { bus } = this.#options
    const event = bus.make(type, details as never) as AnyEvent
    if (bus.isHeard(type)) bus.emit(event)
    for (const watcher of [...(job?.observers?.watchers ?? [])]) bus.call(watcher, event as JobEvent)
  }

  /** Of one that nobody here knows a change tells too little. */
  change(change: WireRecord): void {
    if (this.find(change.id)) this.learn(change)
  }

  /** `asked`: of what was asked for, only that is told which may change. */
  learn(wire: WireRecord, asked?: NamedRequest): JobView {
    const record = () => (asked ? draftRecord(asked, 0) : ({ ...wire, error: undefined } as JobRecord))
    const job = this.find(wire.id) ?? this.#options.makeJob(record())
    this.#known.set(wire.id, job)
    this.#update(job, wire, undefined)
    return job
  }

  #update(job: JobView, change: WireRecord, event: AnyEvent | undefined): void {
    const before = job.committed
    let record = recordFromWire(job.record, change, this.#options.errors)
    if (record.state === 'cancelled' && this.#reasons.has(job) && !isCancel(record))
      record = { ...record, error: this.#reasons.get(job) }
    job.record = record
    job.committed = record
    if (event) this.#emit('error' in event && record.error ? { ...event, error: record.error } : event, job)
    else this.#notifier.catchUp(job, before)
    if (isTerminal(record.state)) job.settle(record, this.#readings.of(job) !== undefined)
    this.#notifier.snapshotChanged(job)
  }

  /** Its promises reject with `reason` itself. */
  abort(job: JobView, reason: unknown): void {
    this.#reasons.set(job, reason)
  }

  lastEvent(job: JobView): JobEvent | undefined {
    return this.#notifier.lastEvent(job)
  }

  // Losing.

  /** It was removed while nobody could tell. */
  lose(id: string): void {
    const job = this.#known.get(id)
    if (!job) return
    this.#known.delete(id)
    const error = cancelled(job.record, 'it was removed while nothing could be heard of it')
    if (!job.hasEnded) this.#notifier.announce(job, 'cancelled', { error })
    this.#notifier.announce(job, 'removed', { reason: job.hasEnded ? 'retention' : 'removed' })
    this.#forget(job, error)
  }

  /** Nothing more will be heard of it here. */
  #forget(job: JobView, error: OffstageError): void {
    this.#gone.set(job, error)
    this.#readings.end(this.#readings.of(job))
    job.abandon(error)
  }

  goneError(job: JobView): OffstageError | undefined {
    return this.#gone.get(job)
  }

  end(error: OffstageError): void {
    for (const job of [...this.#known.values(), ...[...this.#wanted.values()].map(({ job }) => job)])
      if (!job.hasEnded) job.abandon(error)
    this.#known.clear()
    this.#wanted.clear()
  }

  // Changing places with an engine that has the jobs themselves.

  /** The object on which handles hang already, for a record that such an engine finds or makes. */
  adopt({ id, addedAt, seq }: JobRecord, isNew: boolean): JobView | undefined {
    const known = isNew ? undefined : this.#known.get(id)
    if (known?.record.addedAt === addedAt && known.record.seq === seq) return known
    const wanted = this.#wanted.get(id)
    return wanted && addedAt >= wallOf(wanted.since, this.#options.clock) ? wanted.job : undefined
  }

  /** It has adopted those that there are, and tells of them. */
  handOver(has: (job: JobView) => boolean): void {
    for (const [id, job] of this.#known) if (!has(job)) this.lose(id)
    this.#known = new Map()
    this.#readings.clear()
  }

  /** It tells nothing of them any more. */
  takeBack(jobs: readonly JobView[]): void {
    for (const job of jobs) this.#known.set(job.record.id, job)
    for (const job of jobs) if (job.observers?.isRead) this.#readings.begin(job)
  }
}

/** Not for its signal's sake. */
const isCancel = ({ id, error }: JobRecord): boolean =>
  error instanceof OffstageError && error.code === 'JOB_CANCELLED' && error.jobId === id
