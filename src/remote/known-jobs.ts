import type { Disposition, Inserted } from '../engine/engine.ts'
import { cancelled } from '../engine/job-errors.ts'
import type { JobView } from '../engine/job-view.ts'
import { Notifier } from '../engine/notifier.ts'
import type { EventBus } from '../events/event-bus.ts'
import type { AnyEvent, JobEvent } from '../events/event-map.ts'
import { isTerminal, type JobRecord, type State } from '../job/record.ts'
import type { Clock } from '../shared/clock.ts'
import type { ErrorClass } from '../shared/error-wire.ts'
import { OffstageError } from '../shared/errors.ts'
import type { Question } from './questions.ts'
import { draftRecord, type Moment, type NamedRequest, type PendingAdd, wallOf } from './requests.ts'
import { type JobRef, recordFromWire, refOf, type WireRecord } from './wire.ts'

interface Adding {
  readonly job: JobView
  readonly since: Moment
  /** Listeners were notified of its end, although the client did not know the job. */
  hasEnded: boolean
}

export interface KnownJobsOptions {
  readonly clock: Clock
  readonly errors: readonly ErrorClass[]
  readonly bus: EventBus
  /** Makes the object that handles, callbacks and promises of a job belong to. */
  readonly makeJob: (record: JobRecord) => JobView
}

/** The jobs of another engine that a client knows. It notifies listeners here of what happens to them there. */
export class KnownJobs {
  readonly #options: KnownJobsOptions
  readonly #notifier: Notifier
  /** All jobs that were added, found or got here, until they are removed. */
  readonly #known = new Map<string, JobView>()
  /** From the call that adds a job until its answer. Callbacks are attached before, and events may come before. */
  readonly #adding = new Map<string, Adding>()
  /** Why jobs were aborted here: their promises reject with the very object. */
  readonly #reasons = new WeakMap<JobView, unknown>()
  /** Why the client will receive nothing more about a job. */
  readonly #gone = new WeakMap<JobView, OffstageError>()

  constructor(options: KnownJobsOptions) {
    this.#options = options
    this.#notifier = new Notifier(options.bus)
  }

  /** For a new session to watch. With those that have ended: they may be retried, and they will be removed. */
  get watched(): [job: JobRef, isAttended: boolean, finishMs: number | undefined][] {
    return [...this.#known.values()].map((job) => [refOf(job.record), job.observers !== undefined, job.record.finishMs])
  }

  /** Returns a job that is known or being added. */
  find(id: string): JobView | undefined {
    return this.#known.get(id) ?? this.#adding.get(id)?.job
  }

  // Adding.

  isAdding(id: string): boolean {
    return this.#adding.has(id)
  }

  /** Attaches callbacks before the client receives anything about the job. */
  add(request: NamedRequest, since: Moment): PendingAdd {
    const { id, ifExists } = request.options
    const known = ifExists === 'replace' ? undefined : this.#known.get(id)
    const job = known ?? this.#adding.get(id)?.job ?? this.#options.makeJob(draftRecord(request, since.wallMs))
    if (!known) this.addAgain(job, since)
    request.attach?.(job)
    return { ...request, job }
  }

  addAgain(job: JobView, since: Moment): void {
    this.#adding.set(job.record.id, { job, since, hasEnded: false })
  }

  // Answers.

  /** Returns what the call resolves with. `give` returns the answer to the question, or throws the refusal. */
  answered({ kind, args }: Question, give: () => unknown): unknown {
    if (kind !== 'insert') return give()
    const adds = args[0] as readonly PendingAdd[]
    try {
      const inserted = give() as readonly Inserted[]
      for (const [at, add] of adds.entries()) this.#inserted(add, (inserted[at] as Inserted).job)
      return inserted
    } catch (error) {
      for (const add of adds) this.#notInserted(add, error as OffstageError)
      throw error
    }
  }

  /** `given` is another object than the one that is added if the id was taken by a job that was unknown here. */
  #inserted({ job, attach, options }: PendingAdd, given: JobView): void {
    this.#adding.delete(options.id)
    if (given !== job) attach?.(given)
  }

  #notInserted({ job, detach, options }: PendingAdd, error: OffstageError): void {
    detach?.()
    if (this.#adding.delete(options.id) && this.#known.get(options.id) !== job) this.#forget(job, error)
  }

  /** Returns the answer of a session with the jobs that it is about, in place of their records. */
  fromAnswer({ kind, args }: Question, answer: unknown): unknown {
    if (kind === 'get' || kind === 'restart') return answer && this.learn(answer as WireRecord)
    if (kind === 'find') return (answer as WireRecord[]).map((wire) => this.learn(wire))
    if (kind !== 'insert') return answer
    return (answer as [WireRecord, Disposition][]).map(
      ([wire, disposition], at): Inserted => ({
        job: this.learn(wire, disposition === 'existing' ? undefined : (args[0] as readonly PendingAdd[])[at]),
        disposition,
      }),
    )
  }

  // Receiving.

  /** An event comes with a change if the session watches the job. Then a job that was being added is there. */
  receive(event: AnyEvent, change: WireRecord | undefined): void {
    const id = (event as Partial<JobEvent>).jobId ?? ''
    const job = change ? this.find(id) : this.#known.get(id)
    const adding = this.#adding.get(id)
    if (!job) {
      if (adding) adding.hasEnded ||= isTerminal(event.type as State)
      return this.#emit(event, undefined)
    }
    this.#known.set(id, job)
    if (event.type === 'progress') job.progress = event.progress
    if (change) this.#update(job, change, event)
    else {
      this.#emit(event, job)
      this.#notifier.snapshotChanged(job)
    }
    if (event.type === 'removed') this.#known.delete(id)
  }

  /** Numbers the event anew: each bus counts its own. */
  #emit({ type, seq, ...details }: AnyEvent, job: JobView | undefined): void {
    const { bus } = this.#options
    const event = bus.make(type, details as never) as AnyEvent
    if (bus.hasListener(type)) bus.emit(event)
    for (const watcher of [...(job?.observers?.watchers ?? [])]) bus.call(watcher, event as JobEvent)
  }

  /** A change is not enough to make an unknown job from. */
  change(change: WireRecord): void {
    if (this.find(change.id)) this.learn(change)
  }

  progress(id: string, progress: unknown): void {
    const job = this.#known.get(id)
    if (!job) return
    job.progress = progress
    this.#notifier.snapshotChanged(job)
  }

  /** `added`: the request, if the record is of a job that was added for it; then the record may lack what never changes. */
  learn(wire: WireRecord, added?: NamedRequest): JobView {
    const record = () => (added ? draftRecord(added, 0) : ({ ...wire, error: undefined } as JobRecord))
    const job = this.find(wire.id) ?? this.#options.makeJob(record())
    // If it has ended already, its events were lost with the last session.
    const isMissed = added && !this.#adding.get(wire.id)?.hasEnded
    this.#known.set(wire.id, job)
    this.#update(job, wire, undefined, isMissed ? job.record : undefined)
    return job
  }

  /** `before`: what listeners know of a job that was never committed here. */
  #update(job: JobView, change: WireRecord, event: AnyEvent | undefined, before?: JobRecord): void {
    const last = job.committed ?? before
    let record = recordFromWire(job.record, change, this.#options.errors)
    if (record.state === 'cancelled' && this.#reasons.has(job) && !isCancel(record))
      record = { ...record, error: this.#reasons.get(job) }
    // Progress belongs to an attempt.
    if (record.attempt !== job.record.attempt) job.progress = undefined
    job.record = record
    job.committed = record
    if (event) this.#emit('error' in event && record.error ? { ...event, error: record.error } : event, job)
    else this.#notifier.catchUp(job, last)
    // The last values may still be on their way; their reading ends by itself.
    if (isTerminal(record.state)) job.settle(record, job.observers?.isRead)
    this.#notifier.snapshotChanged(job)
  }

  /** Makes the promises of the job reject with `reason` itself. */
  abort(job: JobView, reason: unknown): void {
    this.#reasons.set(job, reason)
  }

  lastEvent(job: JobView): JobEvent | undefined {
    return this.#notifier.lastEvent(job)
  }

  // Losing.

  /** The job was removed. `isAnnounced`: by a session that has sent the event; else while there was none. */
  lose(id: string, isAnnounced: boolean): void {
    const job = this.#known.get(id)
    this.#known.delete(id)
    if (job && !isAnnounced) this.announceLoss(job)
  }

  announceLoss(job: JobView): void {
    const error = cancelled(job.record, 'it was removed while the connection was lost')
    if (!job.hasEnded) this.#notifier.announce(job, 'cancelled', { error })
    this.#notifier.announce(job, 'removed', { reason: job.hasEnded ? 'retention' : 'removed' })
    this.#forget(job, error)
  }

  #forget(job: JobView, error: OffstageError): void {
    this.#gone.set(job, error)
    job.abandon(error)
  }

  goneError(job: JobView): OffstageError | undefined {
    return this.#gone.get(job)
  }

  end(error: OffstageError): void {
    for (const job of [...this.#known.values(), ...[...this.#adding.values()].map(({ job }) => job)]) job.abandon(error)
    this.#known.clear()
    this.#adding.clear()
  }

  // Handing the jobs to an engine in this process, and taking them back.

  /** Returns the object that handles belong to already, for a record that the engine restores or adds. */
  adopt({ id, addedAt, seq }: JobRecord, isNew: boolean): JobView | undefined {
    const known = isNew ? undefined : this.#known.get(id)
    if (known?.record.addedAt === addedAt && known.record.seq === seq) return known
    const adding = this.#adding.get(id)
    return adding && addedAt >= wallOf(adding.since, this.#options.clock) ? adding.job : undefined
  }

  /** The engine has adopted its jobs, and notifies of them from now on. Returns the jobs that it does not have. */
  handOver(has: (job: JobView) => boolean): JobView[] {
    const lost = [...this.#known.values()].filter((job) => !has(job))
    this.#known.clear()
    return lost
  }

  /** The engine notifies no longer. */
  takeBack(jobs: readonly JobView[]): void {
    for (const job of jobs) this.#known.set(job.record.id, job)
  }
}

/** Whether it was cancelled with a reason, not aborted by a signal. */
const isCancel = ({ id, error }: JobRecord): boolean =>
  error instanceof OffstageError && error.code === 'JOB_CANCELLED' && error.jobId === id
