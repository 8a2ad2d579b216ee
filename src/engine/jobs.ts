import { EventBus } from '../events/event-bus.ts'
import type { JobEventType } from '../events/event-map.ts'
import type { JobOptions } from '../job/job-options.ts'
import { isTerminal, type JobRecord, parentHeader, type Rules } from '../job/record.ts'
import { type Action, isLegal, type JobChanges, type MutableRecord, transition } from '../job/transition.ts'
import { knownVersion } from '../job/version.ts'
import { childrenKey, entriesMax, type Signal, signalKey } from '../job/waits.ts'
import type { Attempt } from '../pool/pool-worker.ts'
import type { SentWait } from '../pool/protocol.ts'
import type { Clock } from '../shared/clock.ts'
import type { OffstageError } from '../shared/errors.ts'
import type { Row, Store } from '../store/store.ts'
import { TimerQueue } from '../timers/timer-queue.ts'
import { Dashboard, type Threads } from './dashboard.ts'
import type { EngineQueues } from './engine.ts'
import type { ExtensionHooks } from './extension-hooks.ts'
import { GroupCommit } from './group-commit.ts'
import { cancelled, tooManySignals } from './job-errors.ts'
import { JobIndex, makeChance, type Tally } from './job-index.ts'
import { JobLists } from './job-lists.ts'
import { KeptSettings } from './kept-settings.ts'
import { KeptValues } from './kept-values.ts'
import { Lines } from './lines.ts'
import { LiveJob, noRecord } from './live-job.ts'
import { Notifier } from './notifier.ts'
import { joinLine, leavePlace, placeJob, quitLine, watchExpiry } from './places.ts'
import { type KeepByState, Retention } from './retention.ts'
import { type Removal, rowStep, type Step } from './steps.ts'

export interface JobsOptions {
  readonly store: Store
  readonly clock: Clock
  readonly random: () => number
  readonly queues: EngineQueues
  readonly keep: KeepByState
  readonly reportUnhandled: (error: unknown) => void
  /** The bus of an engine that replaces another one, or may be replaced. By default a new one is made. */
  readonly bus?: EventBus
}

/** Starts jobs; the dispatcher. */
export interface JobStarter {
  readonly pool: Threads
  /** Starts the jobs that may start. */
  pump(): void
  /** Takes over a job that may have ended its process. It waits for its trial, and not in line. */
  suspect(job: LiveJob): void
  /** Stops the attempt of a job, if there is one. */
  abort(job: LiveJob, reason: unknown): void
}

/** What follows from the end of a job for those that have run it, or that it has run; see children.ts. */
export interface Family {
  /** `waits`: what a handler waits for, among them perhaps jobs that it runs. */
  begin(parent: LiveJob, waits: readonly SentWait[]): void
  /** Records once more which of the jobs that it waits for have ended. */
  look(parent: LiveJob): void
  /** A job with a parent has ended. */
  ended(child: JobRecord, call: object | undefined): void
  /** A job with children has ended. `steps`: what it had recorded. */
  parentEnded(parent: JobRecord, steps: JobRecord['steps'], call: object | undefined): void
}

type Start = Action & { type: 'start' }
type Complete = Action & { type: 'complete' }

const starting: Start = { type: 'start' }

/**
 * The jobs of one engine, and the only way in which they are added, changed and removed: `transition` decides, the job goes to
 * its new place, the step is written.
 *
 * Without a durable store and without listeners, the moves that every job makes need no step; see `#isUnseen`.
 */
export class Jobs {
  readonly store: Store
  readonly clock: Clock
  readonly random: () => number
  readonly bus: EventBus
  readonly timers: TimerQueue
  readonly index: JobIndex
  readonly lines: Lines
  readonly commits: GroupCommit
  readonly retention: Retention
  readonly notifier: Notifier
  readonly dashboard: Dashboard
  readonly lists: JobLists
  readonly settings: KeptSettings
  readonly values: KeptValues
  /** Set by the dispatcher in its constructor, before there are jobs. */
  starter!: JobStarter
  /** Set by the engine. */
  family!: Family
  /** `undefined` until the first extension is attached. Without extensions they cost nothing. */
  extensions: ExtensionHooks | undefined
  /** By id: attempts that are still on a worker although their jobs are removed. A new job with the same id waits for them. */
  readonly #staleAttempts = new Map<string, Attempt<LiveJob>>()

  constructor({ store, clock, random, queues, keep, reportUnhandled, bus }: JobsOptions) {
    this.store = store
    this.clock = clock
    this.random = random
    this.bus = bus ?? new EventBus(() => clock.now(), reportUnhandled)
    this.timers = new TimerQueue(clock)
    this.index = new JobIndex(makeChance(random))
    const onOpen = () => {
      // What the limiter lets through must start at once. The steps that this writes are committed as usual.
      this.starter.pump()
      this.commits.schedule()
    }
    const onLimited = (waitMs: number, queue: string, group: string | undefined) =>
      this.bus.publish('rate-limited', { queue, group, nextStartAt: clock.now() + waitMs })
    this.lines = new Lines(queues, this.timers, onOpen, onLimited, (error) => this.bus.report(error))
    this.commits = new GroupCommit(store, clock)
    this.retention = new Retention(keep, this.timers, (job) => this.remove(job, 'retention'))
    this.notifier = new Notifier(this.bus)
    this.dashboard = new Dashboard(this)
    this.lists = new JobLists(this.index, this.bus, this.timers)
    this.settings = new KeptSettings(this, queues)
    this.values = new KeptValues(this)
  }

  /** How many jobs are in which state, as committed. Without a durable store every decision counts as committed. */
  get committed(): Tally {
    const isSo = this.commits.isClear || !this.store.isDurable
    return isSo ? this.index : this.index.before(this.commits.pending)
  }

  // Adding and removing.

  /** `isWatched`: a caller is about to attach callbacks or a signal. `call`: the call that the step is part of. */
  add(job: LiveJob, options: JobOptions | undefined, isWatched: boolean, call: object | undefined): void {
    const { record } = job
    this.index.add(job, options?.id === undefined)
    if (this.#staleAttempts.size > 0 && options?.id !== undefined) job.attempt = this.#staleAttempts.get(record.id)
    this.dashboard.added.add(record.addedAt)
    watchExpiry(this, job, record.addedAt)
    placeJob(this, job, options?.runAt === undefined ? record.addedAt : undefined)
    if (isWatched || job.observers || !this.#isUnseen('added', 'insert', record))
      return this.#write(job, 'insert', undefined, record, undefined, call)
    job.committed = record
    this.commits.schedule()
  }

  /**
   * Puts a job of an earlier process or page in its place, once it is in the index. `end`: the action for a job that was
   * running.
   */
  restore(job: LiveJob, end: Action): void {
    if (job.record.state === 'running') this.move(job, end)
    else placeJob(this, job, undefined)
    watchExpiry(this, job, undefined)
    this.retryWithCode(job)
  }

  /** Cancels and removes a job, because a new job takes its id. */
  replace(job: LiveJob, call: object | undefined): void {
    const before = job.record
    if (isLegal(before.state, 'cancel')) {
      const error = cancelled(before, 'another job was put in its place')
      this.move(job, { type: 'cancel', error }, undefined, undefined, call)
    }
    this.remove(job, 'replaced', call)
  }

  remove(job: LiveJob, reason: Removal, call?: object): void {
    const isUnseen = job.hasEnded && !job.observers && this.#isUnseen('removed', reason, job.record)
    this.index.remove(job)
    this.retention.drop(job)
    if (job.attempt) this.#staleAttempts.set(job.record.id, job.attempt)
    if (!isUnseen) return this.#write(job, reason, job.record, undefined, undefined, call)
    this.values.forget(job)
    this.commits.schedule()
  }

  /** Drops a job that the store refused. As far as the store knows it never existed. */
  forget(job: LiveJob): void {
    leavePlace(this, job)
    this.index.remove(job)
  }

  // Changing.

  /** `call`: if the store refuses that call, this move is taken back. */
  move(job: LiveJob, action: Action, afterwards?: () => void, now = this.clock.now(), call?: object): void {
    const before = job.record
    this.#change(job, action, now)
    this.#write(job, action.type, before, job.record, afterwards, call)
  }

  /** Cancels a job with another one. */
  cancelIn(job: LiveJob, error: OffstageError, call: object | undefined): void {
    this.move(job, { type: 'cancel', error }, undefined, undefined, call)
    if (this.extensions) this.extensions.abort(job)
    else this.starter.abort(job, error)
  }

  moveIfLegal(job: LiveJob, action: Action, now?: number): boolean {
    if (!isLegal(job.record.state, action.type)) return false
    this.move(job, action, undefined, now)
    return true
  }

  /** `retryMs`: the wait before the next attempt, in place of the back-off; `never` if there is none. */
  fail(job: LiveJob, error: unknown, retryMs: number | undefined): void {
    const { expiresAt } = job.record
    const now = this.clock.now()
    this.move(job, { type: 'fail', error, retryMs, random: this.random() }, undefined, now)
    if (job.record.expiresAt === expiresAt) return
    // The time for retries has begun.
    this.timers.cancel(job.expiry)
    watchExpiry(this, job, now)
  }

  /** Queues a scheduled job. It goes behind all jobs that were added before, even if the clock was set back. */
  fallDue(job: LiveJob): boolean {
    return this.moveIfLegal(job, { type: 'due' }, this.#lineTime)
  }

  unblock(job: LiveJob): boolean {
    const now = this.clock.now()
    return this.moveIfLegal(job, { type: 'unblock', lineTime: Math.max(this.lines.time, now) }, now)
  }

  /** Runs a job again that waits for newer code, because the code may be newer now. */
  retryWithCode(job: LiveJob): void {
    if (knownVersion(job.record) !== undefined) this.unblock(job)
  }

  /** The time that orders new jobs in their lines. Unlike the clock it never goes back. */
  get #lineTime(): number {
    return Math.max(this.lines.time, this.clock.now())
  }

  /**
   * Returns `false` if the job no longer waits. A `runAt` that has passed puts the job no further ahead than `fallDue` does.
   */
  update(job: LiveJob, changes: JobChanges): boolean {
    if (!isLegal(job.record.state, 'update')) return false
    const now = this.clock.now()
    const { runAt } = changes
    const isDue = runAt !== undefined && runAt <= now
    this.move(job, { type: 'update', changes }, undefined, isDue ? this.#lineTime : now)
    // It belonged to the old input.
    if ('input' in changes) job.transfer = undefined
    if (changes.version !== undefined) this.retryWithCode(job)
    return true
  }

  /** Keeps a message for the handler. A message that is there already is not kept twice. Returns whether the job can receive it. */
  signal(job: LiveJob, signal: Signal): boolean {
    if (!isLegal(job.record.state, 'signal')) return false
    const [id, name, value] = signal
    const { steps } = job.record
    if (steps?.has(signalKey(id))) return true
    if (steps && steps.size >= entriesMax) throw tooManySignals(job.record.id)
    this.move(job, { type: 'signal', signal }, () => {
      this.notifier.announce(job, 'signal', { signal: name, value })
      job.attempt?.worker.signal(job.attempt, signal)
    })
    return true
  }

  /** Gives a job other rules, in whatever state it is. If it has ended, it is kept according to them. */
  setRules(job: LiveJob, rules: Rules): void {
    if (!isTerminal(job.record.state)) return this.move(job, { type: 'mark', rules })
    this.retention.drop(job)
    this.move(job, { type: 'mark', rules }, () => {
      // Since then it may have been removed, retried, or changed once more.
      if (job.isListed && isTerminal(job.record.state) && job.record.rules === rules) this.retention.add(job)
    })
  }

  retry(job: LiveJob): boolean {
    if (!isLegal(job.record.state, 'retry') || job.isInputGone) return false
    this.retention.drop(job)
    this.move(job, { type: 'retry' })
    return true
  }

  /** Returns whether the step needs no notification. */
  start(job: LiveJob, now: number): boolean {
    return this.#advance(job, starting, 'started', now)
  }

  complete(job: LiveJob, result: unknown, now: number): void {
    if (this.#advance(job, { type: 'complete', result }, 'completed', now)) this.settle(job, job.record)
  }

  /** Called when it is committed that the job has ended. */
  settle(job: LiveJob, record: JobRecord): void {
    this.dashboard.ended(record.state)
    job.settle(record)
    // The job may have been removed, or retried, while the commit was under way.
    if (job.record === record && job.isListed) this.retention.add(job, true)
  }

  /** Undoes a step that the store refused. Either its whole call is refused, or its job fails instead. */
  takeBack({ job, type, before, after }: Step): void {
    if (type === 'value') return this.values.takeBack(job)
    // Its attempt may have left the worker while another job had the id.
    if (job.attempt && !job.attempt.worker.has(job.attempt)) job.attempt = undefined
    if (!after) {
      this.#staleAttempts.delete(job.record.id)
      this.lists.changed(job, false)
      return this.index.putBack(job)
    }
    this.#leave(job)
    this.#become(job, before as JobRecord)
    placeJob(this, job, undefined)
  }

  /**
   * Changes a job, for the two moves that most jobs make. If nothing is stored durably and the job has no observers, the record
   * itself is changed instead of copied. The copy would be young, and the garbage collector keeps a young object that an old
   * job points to as if it were still needed. With many waiting jobs, most of the time would go into that. Changing it is safe
   * because nothing else can happen to the record until the step is committed: a started job is sent only then, and a completed
   * job makes no further move.
   *
   * Returns whether the step needs no notification.
   */
  #advance(job: LiveJob, action: Start | Complete, event: JobEventType, now: number): boolean {
    const { record } = job
    const isSeen = job.observers || isInFamily(record) || this.extensions?.needs(action.type, record)
    const isInPlace = !this.store.isDurable && job.committed === record && !isSeen
    const isUnseen = isInPlace && this.#isUnseen(event, action.type, record)
    this.#change(job, action, now, isInPlace ? record : undefined)
    if (!isUnseen) this.#write(job, action.type, record, job.record)
    return isUnseen
  }

  /** `into`: the record to write into; by default a new one. */
  #change(job: LiveJob, action: Action, now: number, into?: MutableRecord): void {
    const { state, runAt } = job.record
    this.#leave(job)
    this.#become(job, transition(job.record, action, now, into))
    // While the state stays the same, so does everything else that the job waits for.
    const isPutOff = action.type === 'update' && job.record.runAt !== runAt
    if (job.record.state === state && state !== 'queued' && !isPutOff) return joinLine(this, job)
    // A delay goes on while the job is blocked. If it is over by now, the timer fires once more.
    if (job.timer && job.record.runAt !== undefined && job.record.runAt === runAt && !isPutOff)
      return this.timers.set(job.timer)
    placeJob(this, job, isPutOff ? undefined : now)
  }

  #leave(job: LiveJob): void {
    this.index.leave(job.record)
    quitLine(this, job)
  }

  #become(job: LiveJob, record: JobRecord): void {
    job.record = record
    this.index.enter(record)
  }

  /**
   * Whether a step is finished as soon as it is made: nothing is stored, no listener needs it, and no earlier step still waits
   * to be announced.
   */
  #isUnseen(event: JobEventType, type: Step['type'], record: JobRecord): boolean {
    const isClear = !this.store.isDurable && this.commits.isClear && !this.lists.isWatched
    return isClear && !this.bus.hasListener(event) && !this.extensions?.needs(type, record)
  }

  #write(
    job: LiveJob,
    type: Step['type'],
    before: JobRecord | undefined,
    after: JobRecord | undefined,
    afterwards?: () => void,
    call?: object,
  ): void {
    const rows = before && !after ? this.values.rowsToDrop(before) : undefined
    const step: Step = { job, type, before, after, call, afterwards, turn: undefined, rows }
    this.commits.write(step)
    this.extensions?.wrote(step)
    if (after && before && isInFamily(before) && isTerminal(after.state) && !isTerminal(before.state)) {
      this.family.ended(after, call)
      if (before.steps?.has(childrenKey)) this.family.parentEnded(after, before.steps, call)
    }
  }

  /** Writes a row of the engine itself. */
  keep(row: Row, afterwards: () => void): void {
    if (!this.store.isDurable) return afterwards()
    this.commits.write(rowStep(new LiveJob(noRecord), 'setting', row, afterwards))
  }

  /** A stale attempt has left its worker. A job may have waited for that: its own job, or a later one with the same id. */
  letNext(attempt: Attempt<LiveJob>): void {
    const { id } = attempt.record
    this.#staleAttempts.delete(id)
    const job = this.index.get(id)
    if (job?.attempt === attempt) job.attempt = undefined
    if (job?.heapIndex === -1) joinLine(this, job)
  }
}

/** Whether the job may have run others, or was run by one. */
const isInFamily = ({ rules, steps }: JobRecord): boolean =>
  rules.headers?.[parentHeader] !== undefined || steps?.has(childrenKey) === true
