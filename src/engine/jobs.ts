import { EventBus } from '../events/event-bus.ts'
import type { JobEventType } from '../events/event-map.ts'
import type { JobOptions } from '../job/job-options.ts'
import { isWaiting, type JobRecord } from '../job/record.ts'
import { type Action, canExpire, isLegal, type JobChanges, type MutableRecord, transition } from '../job/transition.ts'
import type { Attempt } from '../pool/pool-worker.ts'
import type { Clock } from '../shared/clock.ts'
import type { Store } from '../store/store.ts'
import { type Timer, TimerQueue } from '../timers/timer-queue.ts'
import { Dashboard, type Threads } from './dashboard.ts'
import type { EngineQueues } from './engine.ts'
import type { ExtensionHooks } from './extension-hooks.ts'
import { GroupCommit } from './group-commit.ts'
import { cancelled } from './job-errors.ts'
import { JobIndex, makeChance, type Tally } from './job-index.ts'
import { JobLists } from './job-lists.ts'
import { Lines } from './lines.ts'
import type { LiveJob } from './live-job.ts'
import { Notifier } from './notifier.ts'
import { type KeepByState, Retention } from './retention.ts'
import type { Removal, Step } from './steps.ts'

export interface JobsOptions {
  readonly store: Store
  readonly clock: Clock
  readonly random: () => number
  readonly queues: EngineQueues
  readonly keep: KeepByState
  readonly reportUnheard: (error: unknown) => void
  /** Of an engine that takes over, or makes way, in mid-life; else one is made. */
  readonly bus?: EventBus
}

/** Who starts the jobs. */
export interface JobStarter {
  readonly pool: Threads
  /** Starts what may start. */
  pump(): void
  /** A job that may have ended its process waits for its trial, and not in line. */
  suspect(job: LiveJob): void
}

type Start = Action & { type: 'start' }
type Complete = Action & { type: 'complete' }

const starting: Start = { type: 'start' }

/**
 * The jobs of one engine, and the one way in which they come, change and go: `transition` decides, the job changes its place,
 * the step is written.
 *
 * Where nothing is stored and nobody listens, the moves that all jobs make take no step; see `#isUnseen`.
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
  /** Set by itself, before there are jobs. */
  starter!: JobStarter
  /** Until the first is attached there are none, and nobody pays for them. */
  extensions: ExtensionHooks | undefined
  /** By id: attempts that are still on a thread, although their jobs are gone. Another job of that id waits for them. */
  readonly #staleAttempts = new Map<string, Attempt<LiveJob>>()

  constructor({ store, clock, random, queues, keep, reportUnheard, bus }: JobsOptions) {
    this.store = store
    this.clock = clock
    this.random = random
    this.bus = bus ?? new EventBus(() => clock.now(), reportUnheard)
    this.timers = new TimerQueue(clock)
    this.index = new JobIndex(makeChance(random))
    this.lines = new Lines(queues, this.timers, () => {
      // A limiter lets somebody through, who has to go at once: what follows from that goes the way of all else.
      this.starter.pump()
      this.commits.schedule()
    })
    this.commits = new GroupCommit(store, clock)
    this.retention = new Retention(keep, this.timers, (job) => this.remove(job, 'retention'))
    this.notifier = new Notifier(this.bus)
    this.dashboard = new Dashboard(this)
    this.lists = new JobLists(this.index, this.bus, this.timers)
  }

  /** How many are in which state, as committed. Where nothing is stored, what is decided is so. */
  get committed(): Tally {
    const isSo = this.commits.isClear || !this.store.isDurable
    return isSo ? this.index : this.index.before(this.commits.pending)
  }

  // Coming and going.

  /** `isWatched`: somebody is going to look on at it. `call`: the step falls with it. */
  add(job: LiveJob, options: JobOptions | undefined, isWatched: boolean, call: object | undefined): void {
    const { record } = job
    this.index.add(job, options?.id === undefined)
    if (this.#staleAttempts.size > 0 && options?.id !== undefined) job.attempt = this.#staleAttempts.get(record.id)
    this.dashboard.added.add(record.addedAt)
    this.#watchExpiry(job, record.addedAt)
    this.#place(job, options?.runAt === undefined ? record.addedAt : undefined)
    if (isWatched || job.observers || !this.#isUnseen('added', 'insert', record))
      return this.#write(job, 'insert', undefined, record, undefined, call)
    job.committed = record
    this.commits.schedule()
  }

  /** For a job of an earlier process or page, once it is listed. `end`: what happens to one that was running. */
  restore(job: LiveJob, end: Action): void {
    if (job.record.state === 'running') return this.move(job, end)
    this.#watchExpiry(job, undefined)
    this.#place(job, undefined)
  }

  /** The job goes, to make room for another of its id. */
  replace(job: LiveJob, call: object | undefined): void {
    const before = job.record
    if (isLegal(before.state, 'cancel')) {
      const error = cancelled(before, 'another job was put in its place')
      this.#change(job, { type: 'cancel', error }, this.clock.now())
      this.#write(job, 'cancel', before, job.record, undefined, call)
    }
    this.remove(job, 'replaced', call)
  }

  remove(job: LiveJob, reason: Removal, call?: object): void {
    const isUnseen = job.hasEnded && !job.observers && this.#isUnseen('removed', reason, job.record)
    this.index.remove(job)
    this.retention.drop(job)
    if (job.attempt) this.#staleAttempts.set(job.record.id, job.attempt)
    if (isUnseen) this.commits.schedule()
    else this.#write(job, reason, job.record, undefined, undefined, call)
  }

  /** A job that never was: the store did not take it. */
  forget(job: LiveJob): void {
    this.#quitLine(job)
    this.timers.cancel(job.timer)
    this.timers.cancel(job.expiry)
    this.index.remove(job)
  }

  // Changing.

  move(job: LiveJob, action: Action, afterwards?: () => void, now = this.clock.now()): void {
    const before = job.record
    this.#change(job, action, now)
    this.#write(job, action.type, before, job.record, afterwards)
  }

  moveIfLegal(job: LiveJob, action: Action, now?: number): boolean {
    if (!isLegal(job.record.state, action.type)) return false
    this.move(job, action, undefined, now)
    return true
  }

  fail(job: LiveJob, error: unknown, isFinal: boolean): void {
    this.move(job, { type: 'fail', error, isFinal, random: this.random() })
  }

  /** Never before those that were added before, though the clock was set back. */
  fallDue(job: LiveJob): boolean {
    return this.moveIfLegal(job, { type: 'due' }, this.#lineTime)
  }

  unblock(job: LiveJob): boolean {
    return this.moveIfLegal(job, { type: 'unblock', lineTime: this.#lineTime })
  }

  /** Never goes back, as the clock may. */
  get #lineTime(): number {
    return Math.max(this.lines.time, this.clock.now())
  }

  /** Returns whether the job still waits. A time that has come puts it no further ahead than `fallDue` does. */
  update(job: LiveJob, changes: JobChanges): boolean {
    if (!isLegal(job.record.state, 'update')) return false
    const now = this.clock.now()
    const { input, runAt } = changes
    const isDue = runAt !== undefined && runAt <= now
    this.move(job, { type: 'update', changes }, undefined, isDue ? this.#lineTime : now)
    // It went with the input before.
    if (input !== undefined) job.transfer = undefined
    return true
  }

  retry(job: LiveJob): boolean {
    if (!isLegal(job.record.state, 'retry') || job.isInputGone) return false
    this.retention.drop(job)
    this.move(job, { type: 'retry' })
    return true
  }

  /** Returns whether nobody needs to be notified. */
  start(job: LiveJob, now: number): boolean {
    return this.#advance(job, starting, 'started', now)
  }

  complete(job: LiveJob, result: unknown, now: number): void {
    if (this.#advance(job, { type: 'complete', result }, 'completed', now)) this.settle(job, job.record)
  }

  /** It is committed that the job has ended so. */
  settle(job: LiveJob, record: JobRecord): void {
    this.dashboard.ended(record.state)
    job.settle(record)
    // Unless it was removed, or moved on, while this was on its way.
    if (job.record === record && job.isListed) this.retention.add(job, true)
  }

  /** The store refused this step: it was for a call that is refused as well, or of a job that fails instead. */
  takeBack({ job, before, after }: Step): void {
    // Its attempt may have left the thread while another job had its id.
    if (job.attempt && !job.attempt.worker.has(job.attempt)) job.attempt = undefined
    if (!after) return this.index.putBack(job)
    this.#leave(job)
    this.#become(job, before as JobRecord)
    this.#place(job, undefined)
  }

  /**
   * A change for the two moves that most jobs make. Where nothing is stored and nobody looks on at the job, its record itself is
   * changed. A copy would be young, and all that is young and that an old job points to is kept as if the job were needed still:
   * where many wait, most of the time would go to that. Until the step is committed nothing else can happen to the record: only
   * then is the job sent, and of a completed one nothing more is to come.
   *
   * Returns whether nobody needs to be notified.
   */
  #advance(job: LiveJob, action: Start | Complete, event: JobEventType, now: number): boolean {
    const { record } = job
    const isSeen = job.observers || this.extensions?.needs(action.type, record)
    const isInPlace = !this.store.isDurable && job.committed === record && !isSeen
    const isUnseen = isInPlace && this.#isUnseen(event, action.type, record)
    this.#change(job, action, now, isInPlace ? record : undefined)
    if (!isUnseen) this.#write(job, action.type, record, job.record)
    return isUnseen
  }

  /** `into`: what its next record is written into, if not into a new one. */
  #change(job: LiveJob, action: Action, now: number, into?: MutableRecord): void {
    const { state, runAt } = job.record
    this.#leave(job)
    this.#become(job, transition(job.record, action, now, into))
    // What else it waits for is the same as long as its state is.
    const isPutOff = action.type === 'update' && job.record.runAt !== runAt
    if (job.record.state === state && state !== 'queued' && !isPutOff) return
    // What a job waits for that was blocked, or has got another time, did not begin now.
    this.#place(job, state === 'blocked' || isPutOff ? undefined : now)
  }

  #leave(job: LiveJob): void {
    this.index.leave(job.record)
    this.#quitLine(job)
  }

  #become(job: LiveJob, record: JobRecord): void {
    job.record = record
    this.index.enter(record)
  }

  /** Whether a step is over as soon as it is made: nothing is stored, nobody listens, and nothing is to be announced before it. */
  #isUnseen(event: JobEventType, type: Step['type'], record: JobRecord): boolean {
    const isClear = !this.store.isDurable && this.commits.isClear && !this.lists.isWatched
    return isClear && !this.bus.isHeard(event) && !this.extensions?.needs(type, record)
  }

  #write(
    job: LiveJob,
    type: Step['type'],
    before: JobRecord | undefined,
    after: JobRecord | undefined,
    afterwards?: () => void,
    call?: object,
  ): void {
    const step: Step = { job, type, before, after, call, afterwards, turn: undefined }
    this.commits.write(step)
    this.extensions?.wrote(step)
  }

  // Where a job waits.

  /**
   * Puts a job, which is in no line, where its record says it is: in its line, in the timer queue, in neither. `since`: when its
   * delay began, if that was in this process.
   */
  #place(job: LiveJob, since: number | undefined): void {
    const { record, expiry } = job
    if (job.timer) this.timers.cancel(job.timer)
    job.timer = undefined
    this.#join(job)
    if (record.state === 'scheduled')
      job.timer = this.#setAlarm(record.runAt as number, since, () => this.fallDue(job), true)
    if (!expiry) return
    if (isWaiting(record.state) && canExpire(record)) this.timers.set(expiry)
    else this.timers.cancel(expiry)
  }

  /** An earlier attempt may not be off its thread yet; until then the next must not start, nor while it lets others go first. */
  #join(job: LiveJob): void {
    if (job.record.state !== 'queued' || job.attempt || job.timer) return
    if (job.record.crashes > 0) this.starter.suspect(job)
    else this.lines.join(job)
  }

  #quitLine(job: LiveJob): void {
    if (job.heapIndex !== -1) this.lines.quit(job)
  }

  /** For a while it lets others go first; its place in line is kept. */
  holdBack(job: LiveJob, ms: number): void {
    this.#quitLine(job)
    job.timer = this.timers.after(
      ms,
      () => {
        this.#place(job, undefined)
        this.commits.schedule()
      },
      true,
    )
  }

  /** What began in this process is a span; what was stored before, or was given as a moment, goes by the wall clock. */
  #setAlarm(wallMs: number, since: number | undefined, callback: () => void, keepsProcessAlive = false): Timer {
    return since === undefined
      ? this.timers.at(wallMs, callback, keepsProcessAlive)
      : this.timers.within(wallMs - since, wallMs, callback, keepsProcessAlive)
  }

  #watchExpiry(job: LiveJob, since: number | undefined): void {
    const { record } = job
    if (record.expiresAt === undefined || !isWaiting(record.state) || !canExpire(record)) return
    job.expiry = this.#setAlarm(record.expiresAt, since, () => this.moveIfLegal(job, { type: 'expire' }))
  }

  /** Its timer may be late: timers are, when the thread was busy or asleep. */
  hasExpired({ record, expiry }: LiveJob): boolean {
    return expiry !== undefined && canExpire(record) && this.timers.isDue(expiry)
  }

  /** A stale attempt is off its thread. It may have kept another waiting: of its job, or of one that has got its id. */
  letNext(attempt: Attempt<LiveJob>): void {
    const { id } = attempt.record
    this.#staleAttempts.delete(id)
    const job = this.index.get(id)
    if (job?.attempt === attempt) job.attempt = undefined
    if (job?.heapIndex === -1) this.#join(job)
  }
}
