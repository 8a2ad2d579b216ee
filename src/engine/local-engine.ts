/**
 * The engine of one process: records in memory, a line for each queue, a pool of threads, a ledger to the store.
 *
 * Every change of a job goes through `#move`: the pure `transition` decides, the job changes its place, the step is
 * written. Everything that anybody hears goes through `#tell`, once the step is safe.
 */
import { EventBus } from '../events/event-bus.ts'
import type { JobEvent, JobEventType } from '../events/event-map.ts'
import type { EventStream } from '../events/stream.ts'
import { createRecord } from '../job/job-options.ts'
import { finishedAt, isTerminal, isWaiting, type JobRecord } from '../job/record.ts'
import { type Action, canExpire, type Draft, isLegal, transition } from '../job/transition.ts'
import { nextTask } from '../platform/hop.ts'
import { warn } from '../platform/host.ts'
import { atOnceMax, inSlices } from '../platform/in-slices.ts'
import { type Loss, Pool, type PoolListener, type PoolOptions } from '../pool/pool.ts'
import type { Run, Slot } from '../pool/slot.ts'
import { restMsAfter } from '../pool/starter.ts'
import type { Line } from '../queue/line.ts'
import { type Alarm, Timetable } from '../schedule/timetable.ts'
import type { Clock } from '../shared/clock.ts'
import { type Deferred, defer } from '../shared/deferred.ts'
import type { OffstageError } from '../shared/errors.ts'
import { isThenable } from '../shared/thenable.ts'
import type { Store, StoreHost } from '../store/store.ts'
import type { Audience } from './audience.ts'
import { Dashboard } from './dashboard.ts'
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
  Verb,
} from './engine.ts'
import { Herald } from './herald.ts'
import { Ledger, type LedgerListener } from './ledger.ts'
import { Lines } from './lines.ts'
import { hasMoved, LiveJob } from './live-job.ts'
import {
  cancelled,
  closedError,
  duplicate,
  inputGone,
  lost,
  queueFull,
  timedOut,
  unrecorded,
  unstartable,
} from './reasons.ts'
import { type KeepByState, Retention } from './retention.ts'
import { makeChance, makeId, Roster, type Tally } from './roster.ts'
import type { Removal, Step } from './steps.ts'
import { Stranded } from './stranded.ts'
import { Suspects, type SuspectsHost } from './suspects.ts'

export interface LocalEngineOptions {
  readonly store: Store
  readonly clock: Clock
  readonly random: () => number
  readonly pool: PoolOptions
  readonly queues: EngineQueues
  readonly maxQueued: number
  readonly keep: KeepByState
  readonly reportUnheard: (error: unknown) => void
  /** Of an engine that takes over, or makes way, in mid-life; else one is made. */
  readonly bus?: EventBus
  /** The object on which handles, callbacks and promises for this record hang already; `isNew`: it is just being added. */
  readonly adopt?: (record: JobRecord, isNew: boolean) => LiveJob | undefined
  /** Asked when the store is open: whether the one before let go of it in peace, so that nothing is held against what ran. */
  readonly wasLetGo?: () => boolean
}

export class LocalEngine implements Engine {
  readonly bus: EventBus
  readonly #options: LocalEngineOptions
  readonly #clock: Clock
  readonly #timetable: Timetable
  readonly #ledger: Ledger
  readonly #pool: Pool<LiveJob>
  readonly #retention: Retention
  readonly #roster: Roster
  readonly #lines: Lines
  readonly #herald: Herald
  readonly #dashboard: Dashboard
  readonly #stranded: Stranded
  /** Made when there are some. */
  #suspects: Suspects | undefined
  readonly #chance: string
  #seq = 0
  #lineTime = 0
  /** Attempts that are on a thread or on their way to one, those included that no longer count. */
  #runs = 0
  /** Of what is being heard, or started: one look at the clock for all that comes in one message. */
  #now = 0
  #wasIdle = true
  #mayStart = true
  #closing: CloseMode | undefined
  #closed: Promise<void> | undefined
  #escalate: (() => void) | undefined
  isEnded = false
  /** The store was opened, and so is ours to close. */
  #hasStore = false
  /** The store has stopped, and with it everything. */
  #failure: OffstageError | undefined
  /** By id: attempts that are still on a thread, although their jobs are gone. Another job of that id waits for them. */
  readonly #staleRuns = new Map<string, Run<LiveJob>>()
  /** Why the store did not take a new job. */
  readonly #refusals = new WeakMap<LiveJob, OffstageError>()
  readonly #closers = new Set<() => void>()
  readonly #strandedListeners = new Set<OnStranded>()
  #waits: { readonly isOver: () => boolean; readonly waiting: Deferred<void> }[] = []
  opening: Promise<unknown> | undefined
  /** Aborted when nobody waits for the opening any more. */
  readonly #closer = new AbortController()

  constructor(options: LocalEngineOptions) {
    const { clock, random, store, pool, keep, queues } = options
    this.#options = options
    this.#clock = clock
    this.#chance = makeChance(random)
    this.#roster = new Roster(this.#chance)
    this.bus = options.bus ?? new EventBus(() => clock.now(), options.reportUnheard)
    this.#timetable = new Timetable(clock)
    this.#ledger = new Ledger(store, clock, this.#ledgerListener)
    this.#retention = new Retention(keep, this.#timetable, (job) => this.#remove(job, 'retention'))
    this.#pool = new Pool<LiveJob>(pool, this.#timetable, this.#poolListener)
    this.#lines = new Lines(queues, this.#timetable, () => this.#opened())
    this.#herald = new Herald(this.bus)
    this.#dashboard = new Dashboard(() => this.#committed, this.#pool, this.bus)
    this.#stranded = new Stranded(clock, pool.startTimeoutMs)
    this.#open()
  }

  // Opening.

  #open(): void {
    const { store, clock, random, pool } = this.#options
    const host: StoreHost = {
      clock,
      random,
      errors: pool.errors,
      signal: this.#closer.signal,
      report: (error) => this.bus.tell('store:error', { error }),
      stopped: (error) => this.#fail(error),
    }
    const records = store.open(host)
    if (!isThenable(records)) {
      this.#hasStore = true
      return this.#restore(records)
    }
    // One of our own, whose reactions run in order: this one, those of the calls that wait, and then the ledger's turn, in
    // which jobs start. Each call that waits gets the failure; nobody may be waiting yet.
    const opening = Promise.resolve(records).then((stored) => stored)
    this.opening = opening
    const over = () => {
      this.opening = undefined
    }
    opening.then(
      (stored) => {
        void opening.then(over)
        this.#hasStore = true
        this.#restore(stored)
      },
      () => {},
    )
  }

  #restore(records: readonly JobRecord[]): void {
    if (this.isEnded) return
    const finished: LiveJob[] = []
    const end = this.#options.wasLetGo?.() ? interruption : ({ type: 'crash' } as const)
    for (const record of inOrder(records)) {
      const job = this.#adopted(new LiveJob(record), false)
      const before = job.told
      job.told = record
      this.#roster.add(job)
      if (before || job.audience) this.#catchUp(job, before)
      this.#seq = Math.max(this.#seq, record.seq)
      // What is still to become due, or was cancelled before, says nothing of when things were added.
      if (record.state === 'queued' || record.state === 'running')
        this.#lineTime = Math.max(this.#lineTime, record.dueAt)
      if (record.state === 'running') this.#move(job, end)
      else {
        this.#watchExpiry(job, undefined)
        this.#place(job, undefined)
      }
      if (isTerminal(record.state)) finished.push(job)
    }
    this.#roster.lastRestored = this.#seq
    finished.sort((a, b) => (finishedAt(a.record) as number) - (finishedAt(b.record) as number))
    for (const job of finished) this.#retention.add(job)
    this.#ledger.schedule()
  }

  /** This job, or the object that is its own already. */
  #adopted(job: LiveJob, isNew: boolean): LiveJob {
    const adopted = this.#options.adopt?.(job.record, isNew)
    if (!adopted) return job
    adopted.record = job.record
    return adopted
  }

  /** What happened to an adopted job while nobody could tell. */
  #catchUp(job: LiveJob, before: JobRecord | undefined): void {
    this.#herald.catchUp(job, before)
    if (job.hasEnded) job.settle(job.safe)
    this.#herald.notify(job)
  }

  // The life of a job.

  insert(request: InsertRequest): Inserted {
    this.#assertTaking()
    const there = this.#there(request)
    if (!there || mustReplace(request)) this.#assertRoom(1)
    return this.#carryOut(request, request, there)
  }

  /** First all that may refuse, then all that changes: all or none. `drafts`: what was made of them beforehand. */
  insertMany(requests: readonly InsertRequest[], drafts?: readonly LiveJob[]): Inserted[] | Promise<Inserted[]> {
    const unsafe = this.#checkMany(requests)
    if (unsafe) return this.#retryBehind(unsafe, requests)
    return drafts || requests.length <= atOnceMax ? this.#insertAll(requests, drafts) : this.#insertSlowly(requests)
  }

  /** What takes time is done in slices beforehand, and known to nobody. Then it is checked again: much may have happened. */
  async #insertSlowly(requests: readonly InsertRequest[]): Promise<Inserted[]> {
    let seq = this.#seq
    const drafts = await inSlices(requests, (request) =>
      this.#draft(request, request.options?.id ?? makeId(this.#chance, seq + 1), ++seq),
    )
    // The one long step has a task of its own, without the last slice before it and the first behind it.
    await nextTask()
    const inserted = await this.insertMany(requests, drafts)
    await nextTask()
    return inserted
  }

  /** Throws when one is refused. Answers a job that has to be safe first: we could not be told all or none of it. */
  #checkMany(requests: readonly InsertRequest[]): LiveJob | undefined {
    this.#assertTaking()
    const firstOfId = new Map<string, InsertRequest>()
    let added = 0
    let unsafe: LiveJob | undefined
    for (const request of requests) {
      const id = request.options?.id
      const there = this.#there(request)
      const first = id === undefined ? undefined : firstOfId.get(id)
      if (first && (first.name !== request.name || request.options?.ifExists === 'reject'))
        throw duplicate(id as string, ' among those that are added with it')
      if (first) continue
      if (id !== undefined) firstOfId.set(id, request)
      if (!there || mustReplace(request)) added++
      else if (!there.told) unsafe = there
    }
    // If the store does not take that one, it is ours to add.
    if (unsafe && this.#options.store.isDurable) return unsafe
    this.#assertRoom(added)
    return undefined
  }

  #insertAll(requests: readonly InsertRequest[], drafts?: readonly LiveJob[]): Inserted[] {
    const insertedById = new Map<string, Inserted>()
    return requests.map((request, index) => {
      const id = request.options?.id
      const twin = id === undefined ? undefined : insertedById.get(id)
      if (twin) {
        request.attach?.(twin.job)
        return { job: twin.job, disposition: 'existing' }
      }
      const inserted = this.#carryOut(request, requests, this.#there(request), drafts?.[index])
      if (id !== undefined) insertedById.set(id, inserted)
      return inserted
    })
  }

  async #retryBehind(unsafe: LiveJob, requests: readonly InsertRequest[]): Promise<Inserted[]> {
    await this.whenSafe(unsafe).catch(() => {})
    return this.insertMany(requests)
  }

  /** The job that has the id already, if what is requested may meet it. */
  #there({ name, options }: InsertRequest): LiveJob | undefined {
    const id = options?.id
    const there = id === undefined ? undefined : this.#roster.get(id)
    if (id === undefined || !there) return undefined
    const { ifExists } = options ?? {}
    if (ifExists === 'reject') throw duplicate(id, '')
    if (ifExists === 'replace') {
      if (there.record.state === 'running') throw duplicate(id, ', and it is running')
    } else if (there.record.name !== name)
      throw duplicate(id, ` of another type: '${there.record.name}', not '${name}'`)
    return there
  }

  /** `call`: the request, or those that it is one of. */
  #carryOut(request: InsertRequest, call: object, there: LiveJob | undefined, draft?: LiveJob): Inserted {
    const isReplaced = there !== undefined && mustReplace(request)
    if (isReplaced) this.#replace(there, call)
    const job = there && !isReplaced ? there : this.#insert(request, call, draft)
    request.attach?.(job)
    return { job, disposition: isReplaced ? 'replaced' : there ? 'existing' : 'created' }
  }

  #insert(request: InsertRequest, call: object, draft?: LiveJob): LiveJob {
    const { options, transfer, attach } = request
    const made = draft
      ? this.#number(draft, options?.id)
      : this.#draft(request, options?.id ?? this.#nextId(), ++this.#seq)
    const job = this.#adopted(made, true)
    const { record } = job
    // What is stored is copied to its thread, so that it is there for another attempt.
    if (transfer && !this.#options.store.isDurable) job.transfer = transfer
    this.#roster.add(job, options?.id === undefined)
    if (this.#staleRuns.size > 0 && options?.id !== undefined) job.run = this.#staleRuns.get(record.id)
    this.#dashboard.added.add(record.addedAt)
    this.#watchExpiry(job, record.addedAt)
    this.#place(job, options?.runAt === undefined ? record.addedAt : undefined)
    if (!attach && !job.audience && this.#isUnseen('added')) this.#passOver(job)
    else this.#write(job, 'insert', undefined, record, undefined, call)
    return job
  }

  /** A job that is not there yet. */
  #draft({ name, input, options, defaults }: InsertRequest, id: string, seq: number): LiveJob {
    const now = this.#clock.now()
    this.#lineTime = Math.max(this.#lineTime, now)
    return new LiveJob(createRecord({ id, name, input, seq, lineTime: this.#lineTime }, options, defaults, now))
  }

  /** The number that it was drafted with holds, unless others came meanwhile. It is known to nobody, so it may still be written. */
  #number(draft: LiveJob, id: string | undefined): LiveJob {
    const record = draft.record as Draft
    if (record.seq <= this.#seq || this.#roster.isNamed(record.id)) {
      record.id = id ?? this.#nextId()
      record.seq = this.#seq + 1
    }
    this.#seq = record.seq
    return draft
  }

  /** Its number will be the next. */
  #nextId(): string {
    let id = makeId(this.#chance, this.#seq + 1)
    while (this.#roster.isNamed(id)) id = makeId(this.#chance, ++this.#seq + 1)
    return id
  }

  #replace(job: LiveJob, call: object): void {
    if (!isTerminal(job.record.state)) {
      const before = job.record
      const error = cancelled(before, 'another job was put in its place')
      this.#change(job, { type: 'cancel', error }, this.#clock.now())
      this.#write(job, 'cancel', before, job.record, undefined, call)
    }
    this.#remove(job, 'replaced', call)
  }

  act(verb: Verb, target: LiveJob | string | JobFilter, argument?: unknown): number | Promise<number> {
    // Nothing is written any more, so nothing may change.
    if (this.#ledger.failure) throw this.closedError()
    if (verb === 'retry') this.#assertTaking()
    const moved = this.#meant(target).filter((job) => this.#actOn(job, verb, argument))
    return moved.every(({ told }) => told) ? moved.length : this.#countTaken(moved)
  }

  /** Some are just being added; what the store does not take was not moved either. */
  async #countTaken(moved: readonly LiveJob[]): Promise<number> {
    await this.whenSafe()
    return moved.filter((job) => !this.#refusals.has(job)).length
  }

  #meant(target: LiveJob | string | JobFilter): LiveJob[] {
    if (target instanceof LiveJob) return target.isListed ? [target] : []
    if (typeof target !== 'string') return this.#roster.find({ ...target, limit: Number.POSITIVE_INFINITY })
    const job = this.#roster.get(target)
    return job ? [job] : []
  }

  #actOn(job: LiveJob, verb: Verb, argument: unknown): boolean {
    switch (verb) {
      case 'cancel':
        return this.#cancel(job, cancelled(job.record, argument))
      case 'abort':
        return this.#cancel(job, argument)
      case 'retry':
        return this.#retry(job)
      case 'remove':
        this.#cancel(job, cancelled(job.record, 'it was removed'))
        this.#remove(job, 'removed')
        return true
      case 'setPriority':
        return this.#moveIfLegal(job, { type: 'prioritize', priority: argument as number })
      case 'promote':
        return this.#fallDue(job)
    }
  }

  #cancel(job: LiveJob, error: unknown): boolean {
    const { run } = job
    if (!this.#moveIfLegal(job, { type: 'cancel', error })) return false
    if (run && !run.isStale) this.#abort(run, error)
    return true
  }

  #retry(job: LiveJob): boolean {
    if (!isLegal(job.record.state, 'retry') || job.isInputGone) return false
    this.#retention.drop(job)
    this.#move(job, { type: 'retry' })
    return true
  }

  #moveIfLegal(job: LiveJob, action: Action, now?: number): boolean {
    if (!isLegal(job.record.state, action.type)) return false
    this.#move(job, action, undefined, now)
    return true
  }

  #move(job: LiveJob, action: Action, afterwards?: () => void, now = this.#clock.now()): void {
    const before = job.record
    this.#change(job, action, now)
    this.#write(job, action.type, before, job.record, afterwards)
  }

  /**
   * The same for the two moves that most jobs make. Where nothing is stored and nobody looks on at the job, its record itself is
   * changed. A copy would be young, and all that is young and that an old job points to is kept as if the job were needed still:
   * where many wait, most of the time would go to that. Until the step is told nothing else can happen to the record: only
   * then is the job sent, and of a completed one nothing more is to come.
   *
   * Answers whether nobody needs to be told.
   */
  #advance(job: LiveJob, action: Start | Complete, event: JobEventType, now: number): boolean {
    const { record } = job
    const isInPlace = !this.#options.store.isDurable && job.told === record && !job.audience
    const isUnseen = isInPlace && this.#isUnseen(event)
    this.#change(job, action, now, isInPlace ? record : undefined)
    if (!isUnseen) this.#write(job, action.type, record, job.record)
    return isUnseen
  }

  /** The one way in which a job changes. `into`: what its next record is written into, if not into a new one. */
  #change(job: LiveJob, action: Action, now: number, into?: Draft): void {
    const { state } = job.record
    this.#leave(job)
    this.#become(job, transition(job.record, action, now, into))
    // What else it waits for is the same as long as its state is.
    if (job.record.state !== state || state === 'queued') this.#place(job, now)
  }

  #leave(job: LiveJob): void {
    this.#roster.leave(job.record)
    if (job.heapIndex !== -1) this.#lines.quit(job)
  }

  #become(job: LiveJob, record: JobRecord): void {
    job.record = record
    this.#roster.enter(record)
  }

  /** Whether a step is over as soon as it is made: nothing is stored, nobody listens, and nothing is to be told before it. */
  #isUnseen(event: JobEventType): boolean {
    return !this.#options.store.isDurable && this.#ledger.isClear && !this.bus.isHeard(event)
  }

  #passOver(job: LiveJob): void {
    job.told = job.record
    this.#ledger.schedule()
  }

  #remove(job: LiveJob, reason: Removal, call?: object): void {
    const isUnseen = job.hasEnded && !job.audience && this.#isUnseen('removed')
    this.#roster.remove(job)
    this.#retention.drop(job)
    if (job.run) this.#staleRuns.set(job.record.id, job.run)
    if (isUnseen) this.#ledger.schedule()
    else this.#write(job, reason, job.record, undefined, undefined, call)
  }

  #write(
    job: LiveJob,
    type: Step['type'],
    before: JobRecord | undefined,
    after: JobRecord | undefined,
    afterwards?: () => void,
    call?: object,
  ): void {
    this.#ledger.write({ job, type, before, after, call, afterwards })
  }

  /**
   * Puts a job, which is in no line, where its record says it is: in its line, in the timetable, in neither. `since`: when its
   * delay began, if that was in this process.
   */
  #place(job: LiveJob, since: number | undefined): void {
    const { record, expiry } = job
    if (job.alarm) this.#timetable.cancel(job.alarm)
    job.alarm = undefined
    this.#join(job)
    if (record.state === 'scheduled')
      job.alarm = this.#setAlarm(record.runAt as number, since, () => this.#fallDue(job), true)
    if (!expiry) return
    if (isWaiting(record.state) && canExpire(record)) this.#timetable.set(expiry)
    else this.#timetable.cancel(expiry)
  }

  /** An earlier attempt may not be off its thread yet; until then the next must not start, nor while it lets others go first. */
  #join(job: LiveJob): void {
    if (job.record.state !== 'queued' || job.run || job.alarm) return
    if (job.record.crashes > 0) this.#suspect(job)
    else this.#lines.join(job)
  }

  #suspect(job: LiveJob): void {
    this.#suspects ??= new Suspects(this.#timetable, this.#lines, this.#suspectsHost)
    this.#suspects.join(job)
  }

  readonly #suspectsHost: SuspectsHost = {
    runs: () => this.#runs,
    startOthers: () => this.#startInOrder(),
    start: (job, line) => {
      const slot = this.#pool.roomFor(job.record.name, job.mustRunAlone)
      if (slot && line.gate.enter()) this.#start(job, line, slot)
    },
    acquit: (job) => this.#move(job, { type: 'acquit' }),
    wake: () => this.#ledger.schedule(),
  }

  /** What began in this process is a span; what was stored before, or was given as a moment, goes by the wall clock. */
  #setAlarm(wallMs: number, since: number | undefined, callback: () => void, keepsProcessAlive = false): Alarm {
    return since === undefined
      ? this.#timetable.at(wallMs, callback, keepsProcessAlive)
      : this.#timetable.within(wallMs - since, wallMs, callback, keepsProcessAlive)
  }

  #watchExpiry(job: LiveJob, since: number | undefined): void {
    const { record } = job
    if (record.expiresAt === undefined || !isWaiting(record.state) || !canExpire(record)) return
    job.expiry = this.#setAlarm(record.expiresAt, since, () => this.#moveIfLegal(job, { type: 'expire' }))
  }

  #hasExpired({ record, expiry }: LiveJob): boolean {
    return expiry !== undefined && canExpire(record) && this.#timetable.isDue(expiry)
  }

  /** Never before those that were added before, though the clock was set back. */
  #fallDue(job: LiveJob): boolean {
    return this.#moveIfLegal(job, { type: 'due' }, Math.max(this.#lineTime, this.#clock.now()))
  }

  // Starting and ending attempts.

  /** A gate lets somebody through, who has to go at once: what follows from that goes the way of all else. */
  #opened(): void {
    this.#pump()
    this.#ledger.schedule()
  }

  #pump(): void {
    if (!this.#mayStart || this.isPaused || this.opening) return
    this.#now = this.#clock.now()
    this.#pool.grow(this.#suspects ? this.#suspects.pump() : this.#startInOrder())
  }

  /** Starts what may start, in the order of all lines. Returns how many more threads there would be work for. */
  #startInOrder(): number {
    let ahead = 0
    for (;;) {
      const line = this.#lines.next()
      const job = line?.head
      if (!line || !job) return ahead
      if (this.#hasExpired(job)) {
        this.#move(job, { type: 'expire' }) // Its alarm is late: timers are, when the thread was busy or asleep.
        continue
      }
      const slot = this.#pool.roomFor(job.record.name, job.mustRunAlone)
      if (!slot) return ahead + this.#lines.startable(this.#options.pool.max)
      if (!line.gate.enter()) {
        this.#lines.park(line)
        continue
      }
      if (!slot.isIdle) ahead++
      this.#start(job, line, slot)
    }
  }

  #start(job: LiveJob, line: Line<LiveJob>, slot: Slot): void {
    const now = this.#now
    this.#runs++
    this.#dashboard.waitMs.add(now - job.record.dueAt)
    const isUnseen = this.#advance(job, starting, 'started', now)
    job.progress = undefined
    job.line = line
    job.run = this.#pool.reserve(slot, job, job.record, transferOf(job), job.mustRunAlone)
    if (!isUnseen) return
    this.#pool.send(job.run)
    job.line?.gate.sent()
  }

  /** A thread has let go of an attempt, one way or another. */
  #end(run: Run<LiveJob>): void {
    const job = run.owner
    this.#runs--
    if (job.run === run) job.run = undefined
    this.#suspects?.ended(run)
    if (hasMoved(run)) job.loseInput()
    this.#timetable.cancel(run.timeout)
    if (!run.isBegun) job.line?.gate.began()
    this.#lines.leave(job)
    if (run.isStale) this.#letNext(run)
    if (run.isStale) this.#ledger.schedule()
  }

  /** An attempt that no longer counted may have kept another waiting: of its job, or of one that has got its id. */
  #letNext(run: Run<LiveJob>): void {
    const { id } = run.record
    this.#staleRuns.delete(id)
    const job = this.#roster.get(id)
    if (job?.run === run) job.run = undefined
    if (job?.heapIndex === -1) this.#join(job)
  }

  #abort(run: Run<LiveJob>, reason: unknown): void {
    this.#timetable.cancel(run.timeout)
    this.#pool.abort(run, reason)
  }

  #timeOut(run: Run<LiveJob>): void {
    const error = timedOut(run.record)
    this.#abort(run, error)
    this.#moveFailed(run.owner, error, hasMoved(run))
  }

  /** Why the store cannot keep a value that came from a thread. */
  #unstorable(value: unknown, what: string): OffstageError | undefined {
    try {
      this.check(value, what)
      return undefined
    } catch (error) {
      return error as OffstageError
    }
  }

  #moveFailed(job: LiveJob, error: unknown, isFinal: boolean): void {
    this.#move(job, { type: 'fail', error, isFinal, random: this.#options.random() })
  }

  readonly #poolListener: PoolListener<LiveJob> = {
    onBegun: (run) => {
      this.#lines.gateOf(run.owner)?.began()
      const { timeoutMs } = run.record.rules
      if (timeoutMs !== undefined) run.timeout = this.#timetable.after(timeoutMs, () => this.#timeOut(run))
    },
    onDone: (run, runMs, result) => {
      this.#end(run)
      if (run.isStale) return
      this.#dashboard.runMs.add(runMs)
      const unstorable = this.#unstorable(result, 'result')
      if (unstorable) return this.#moveFailed(run.owner, unstorable, true)
      const job = run.owner
      const now = this.#now
      this.#dashboard.completed.add(now)
      if (this.#advance(job, { type: 'complete', result }, 'completed', now)) this.#tellEnd(job, job.record)
    },
    onFailed: (run, _runMs, error, isFinal) => {
      this.#end(run)
      if (run.isStale) return
      this.#dashboard.failed.add(this.#clock.now())
      this.#moveFailed(run.owner, error, isFinal || hasMoved(run))
    },
    onProgress: (run, progress) => {
      const job = run.owner
      job.progress = progress
      this.#herald.announce(job, 'progress', { progress })
      this.#herald.notify(job)
    },
    onValue: (run, value) => {
      if (run.owner.attend().receive(value)) run.slot.taken(run, 1)
      this.#herald.announce(run.owner, 'value', { value })
    },
    onLog: (run, args) => this.#herald.announce(run.owner, 'log', { args }),
    onKeep: (run, call, key, value) => {
      const unstorable = this.#unstorable(value, key === '' ? 'checkpoint' : `value of step '${key}'`)
      if (unstorable) {
        this.#abort(run, unstorable)
        return this.#moveFailed(run.owner, unstorable, true)
      }
      const action: Action = key === '' ? { type: 'checkpoint', checkpoint: value } : { type: 'step', key, value }
      this.#move(run.owner, action, () => run.slot.kept(run, call))
    },
    onLost: (run, loss, error) => this.#lost(run, loss, error),
    onHearing: () => {
      this.#now = this.#clock.now()
    },
    onHeard: () => {
      this.#timetable.look()
      this.#ledger.schedule()
    },
    onRoom: () => this.#ledger.schedule(),
    onOnline: (workerId) => {
      this.#dashboard.changed()
      this.bus.tell('worker:online', { workerId })
    },
    onExit: (workerId, error) => {
      this.#dashboard.changed()
      this.bus.tell('worker:exit', { workerId, error })
    },
    onStartFailed: (workerId, { error, isFirst, retryMs, since }) => {
      const { queued } = this.#roster.counts
      const told = unstartable(error, `It is tried again in ${retryMs} ms; jobs that wait for it: ${queued}.`)
      if (isFirst && !this.bus.isHeard('worker:exit')) warn(`offstage: ${told.message}`)
      this.bus.tell('worker:exit', { workerId, error: told })
      if (since !== undefined) this.#tellStranded(error, since)
      this.#ledger.schedule()
    },
    hasWork: () => this.#mayStart && !this.isPaused && this.#lines.startable(1) > 0,
  }

  /**
   * No thread could be started since then: whoever has waited for as long as a thread may take to start is told. What is stored
   * waits on; else the jobs fail.
   */
  #tellStranded(cause: OffstageError, since: number): void {
    const overdue = this.isPaused ? [] : this.#stranded.overdue(this.#roster.jobs, since)
    if (overdue.length === 0) return
    const waitedMs = Math.round(this.#clock.monotonic() - since)
    const error = unstartable(
      cause,
      `None could be started for ${waitedMs} ms; jobs that waited for one: ${overdue.length}.`,
    )
    if (!this.#options.store.isDurable) {
      for (const job of overdue) this.#moveFailed(job, error, true)
      return
    }
    for (const job of overdue) if (job.letDown(error) || job.audience) this.#stranded.waitsAnew(job)
    for (const listener of this.#strandedListeners) listener(overdue, error)
    // There may never be one, and the jobs are as safe as they were.
    if (this.#closing === 'drain') this.#escalate?.()
  }

  /** Calls back with stored jobs that wait for a thread in vain, and why. */
  onStranded(listener: OnStranded): () => void {
    this.#strandedListeners.add(listener)
    return () => this.#strandedListeners.delete(listener)
  }

  #lost(run: Run<LiveJob>, loss: Loss, error: OffstageError): void {
    const job = run.owner
    this.#end(run)
    if (loss === 'blamed' || loss === 'suspected') job.mustRunAlone = true
    if (loss === 'interrupted') job.disturb()
    if (!run.isStale) this.#moveLost(run, loss, error)
    if (loss === 'blamed' && job.record.state === 'queued' && job.isListed) this.#rest(job)
  }

  #moveLost(run: Run<LiveJob>, loss: Loss, error: OffstageError): void {
    const job = run.owner
    // On closing the job is given up with all others.
    if (hasMoved(run) && !this.#pool.isClosed) return this.#moveFailed(job, inputGone(run.record, error), true)
    if (loss === 'released' || (loss === 'suspected' && !run.isBegun)) return this.#move(job, { type: 'release' })
    this.#move(job, { type: 'interrupt', error, isOwnMaking: loss === 'blamed' })
  }

  /** It has cost a thread. So that it does not cost one after the other, it lets others go first for a while; its place is kept. */
  #rest(job: LiveJob): void {
    const { failures, interruptions } = job.record
    if (job.heapIndex !== -1) this.#lines.quit(job)
    job.alarm = this.#timetable.after(
      restMsAfter(Math.max(failures + interruptions, 1)),
      () => {
        this.#place(job, undefined)
        this.#ledger.schedule()
      },
      true,
    )
  }

  // Telling what is safe.

  readonly #ledgerListener: LedgerListener = {
    beforeCommit: () => this.#pump(),
    tell: (step) => this.#tell(step),
    afterSlice: () => this.#pool.flush(),
    afterTell: () => this.#afterTell(),
    blamed: (steps, error) => this.#blamed(steps, error),
    onRefused: (fallen, error) => this.#onRefused(fallen, error),
  }

  #tell({ job, type, before, after, afterwards }: Step): void {
    if (!after) return this.#tellRemoved(job, type as Removal)
    job.told = after
    if (type === 'start') this.#tellStart(job, after)
    else if (type !== 'checkpoint' && type !== 'step') this.#tellMove(job, type, after)
    afterwards?.()
    if (before) this.#herald.notify(job)
  }

  #tellRemoved(job: LiveJob, reason: Removal): void {
    this.#herald.announce(job, 'removed', { reason })
    this.#herald.notify(job)
  }

  #tellMove(job: LiveJob, type: Step['type'], record: JobRecord): void {
    this.#herald.announceStep(job, type, record)
    if (isTerminal(record.state)) this.#tellEnd(job, record)
  }

  #tellStart(job: LiveJob, record: JobRecord): void {
    const { run } = job
    // It may have been cancelled, or its thread may have died, while the start was on its way to the store.
    const isOn = run?.record === record && !run.isStale
    if (isOn) this.#pool.send(run)
    this.#lines.gateOf(job)?.sent()
    if (isOn) this.#herald.announce(job, 'started', noDetails)
  }

  #tellEnd(job: LiveJob, record: JobRecord): void {
    this.#dashboard.ended(record.state)
    job.settle(record)
    // Unless it was removed, or moved on, while this was on its way.
    if (job.record === record && job.isListed) this.#retention.add(job, true)
  }

  #afterTell(): void {
    this.#pool.rest()
    this.#settleWaits()
    this.#dashboard.changed()
    const { isIdle } = this.#roster
    if (isIdle && !this.#wasIdle) this.bus.tell('idle', {})
    this.#wasIdle = isIdle
  }

  /**
   * What cannot be encoded, although it was checked, must not take with it what is written beside it, nor be tried for ever.
   * For anything else all calls are refused.
   */
  #blamed(steps: readonly Step[], error: OffstageError): readonly Step[] {
    const culprits = error.code === 'DATA_CLONE' ? steps.filter((step) => this.#isUnstorable(step, error, steps)) : []
    return culprits.length > 0 ? culprits : steps.filter(({ call }) => call)
  }

  #isUnstorable({ type, before, after }: Step, error: OffstageError, { length }: readonly Step[]): unknown {
    if (!after) return false
    const isNamed = after.id === error.jobId
    if (before) return (isNamed || length === 1) && keeping.includes(type)
    return isNamed || this.#unstorable(after.input, 'input') || this.#unstorable(after.rules, 'rules')
  }

  /** Nobody is told before all is taken back, and no time passes: what came of it would be written of jobs that never were. */
  #onRefused(fallen: readonly Step[], error: OffstageError): void {
    const unborn = new Set(fallen.flatMap(({ job, before }) => (before ? [] : job)))
    for (const step of fallen) {
      const { job, type, before } = step
      if (type === 'start') this.#lines.gateOf(job)?.sent()
      // Whatever came of one that never was goes with it; to bring it back for a moment would take its id from another.
      if (!unborn.has(job)) this.#takeBack(step)
      else if (!before) this.#forget(job, error)
    }
    this.#failUnstorable(fallen, error)
    const isFinished = ({ job, before, after }: Step) => !after && job.isListed && job.hasEnded && job.told === before
    this.#retention.putBack(fallen.filter(isFinished).map(({ job }) => job))
    this.bus.tell('store:error', { error })
    if (!this.#ledger.isRefusing) return
    for (const { waiting } of this.#waits.splice(0)) waiting.reject(unrecorded(error))
  }

  /** It was done for a call that is refused, or to a job that fails instead. */
  #takeBack({ job, before, after }: Step): void {
    // Its attempt may have left the thread while another job had its id.
    if (job.run && !job.run.slot.has(job.run)) job.run = undefined
    if (after) {
      this.#leave(job)
      this.#become(job, before as JobRecord)
      return this.#place(job, undefined)
    }
    this.#roster.putBack(job)
  }

  /** What its thread has handed over cannot be kept. Whatever was decided since was decided without knowing that. */
  #failUnstorable(fallen: readonly Step[], error: OffstageError): void {
    const steps = fallen.filter(({ job, call }) => !call && job.told)
    for (const job of new Set(steps.map(({ job }) => job))) {
      if (job.run && !job.run.isStale) this.#abort(job.run, error)
      this.#moveFailed(job, error, true)
      if (steps.some((step) => step.job === job && !step.after)) this.#remove(job, 'removed')
    }
  }

  /** A job that never was: the store did not take it. */
  #forget(job: LiveJob, error: OffstageError): void {
    this.#refusals.set(job, error)
    if (job.run && !job.run.isStale) this.#pool.abort(job.run, error)
    if (job.heapIndex !== -1) this.#lines.quit(job)
    this.#dashboard.refused++
    this.#timetable.cancel(job.alarm)
    this.#timetable.cancel(job.expiry)
    this.#roster.remove(job)
    job.abandon(error)
  }

  check(value: unknown, what: string): void {
    this.#options.store.check(value, what)
  }

  /** Not async: one promise for each that waits is enough. */
  whenSafe(inserted?: LiveJob): Promise<void> {
    if (inserted?.told) return Promise.resolve()
    return this.#ledger.whenSafe().then(
      () => this.#assertTaken(inserted),
      (error) => {
        this.#assertTaken(inserted)
        if (error === this.#ledger.failure) throw error
        if (!inserted && this.#ledger.isRefusing) throw unrecorded(error)
        // Of a batch that the store refused, only what can be is given up; the rest goes with the next.
        return this.whenSafe(inserted)
      },
    )
  }

  /** Also when all went well: what was waited for may be a batch behind that of the job. */
  #assertTaken(inserted: LiveJob | undefined): void {
    const refusal = inserted && this.#refusals.get(inserted)
    if (refusal) throw refusal
  }

  // Looking.

  /** As decided: it may not be committed. */
  job(id: string): LiveJob | undefined {
    return this.#roster.get(id)
  }

  // Each sees what was called before it and nothing that was called after, as committed.

  async get(id: string): Promise<LiveJob | undefined> {
    const job = this.#roster.get(id)
    if (await this.#isWritten()) return job?.told && job
    const there = this.#roster.get(id)
    return there?.told ? there : this.#leaving.find(({ record }) => record.id === id)
  }

  async find(options: FindOptions): Promise<LiveJob[]> {
    const found = this.#roster.find(options)
    return (await this.#isWritten()) ? found.filter(({ told }) => told) : this.#roster.find(options, this.#leaving)
  }

  async counts(): Promise<Counts> {
    const counts = { ...this.#roster.counts }
    return (await this.#isWritten()) ? counts : { ...this.#committed.counts }
  }

  /**
   * Answers when all that is decided has been committed; or that not all of it was, because the store refused jobs, or takes
   * nothing. Then it is what the store has that counts.
   */
  async #isWritten(): Promise<boolean> {
    const { refused } = this.#dashboard
    if (this.#ledger.isRefusing) return false
    try {
      await this.whenSafe()
    } catch (error) {
      if (error === this.#ledger.failure) throw error
      return false
    }
    return refused === this.#dashboard.refused && !this.#ledger.isRefusing
  }

  /** Where nothing is stored, what is decided is so. */
  get #committed(): Tally {
    const isSo = this.#ledger.isClear || !this.#options.store.isDurable
    return isSo ? this.#roster : this.#roster.before(this.#ledger.pending)
  }

  /** Committed, and removed since. */
  get #leaving(): LiveJob[] {
    return this.#ledger.pending.flatMap(({ job, after }) => (after || !job.told ? [] : job))
  }

  attend(job: LiveJob): Audience {
    return job.attend()
  }

  result(job: LiveJob): Promise<unknown> {
    const refusal = this.#refusals.get(job) ?? (this.isEnded && !job.hasEnded && this.closedError())
    return refusal ? Promise.reject(refusal) : job.result()
  }

  values(job: LiveJob): EventStream<unknown> {
    const stream = job.values(() => job.taken())
    if (this.isEnded) stream.end()
    return stream
  }

  lastEvent(job: LiveJob): JobEvent | undefined {
    return this.#herald.lastEvent(job)
  }

  snapshot(): SchedulerSnapshot {
    return this.#dashboard.snapshot()
  }

  observe(observer: () => void): () => void {
    return this.#dashboard.observe(observer)
  }

  stats(): Stats {
    return this.#dashboard.stats(this.#clock.now())
  }

  // Queues and pauses.

  queue(name: string): QueueControl {
    return this.#lines.control(name, this.bus)
  }

  get isPaused(): boolean {
    return this.#dashboard.isPaused
  }

  pause(): void {
    this.#assertOpen()
    if (this.isPaused) return
    this.#dashboard.isPaused = true
    this.bus.tell('paused', { queue: undefined })
  }

  resume(): void {
    this.#assertOpen()
    if (!this.isPaused) return
    this.#dashboard.isPaused = false
    this.bus.tell('resumed', { queue: undefined })
    this.#ledger.schedule()
  }

  // Idling and closing.

  onIdle(): Promise<void> {
    return this.#when(() => this.#roster.isIdle)
  }

  /** Resolves once it is true of what is safe and told; rejects when the store refuses that. */
  async #when(isOver: () => boolean): Promise<void> {
    if (this.isEnded) return
    const waiting = defer<void>()
    this.#waits.push({ isOver, waiting })
    this.#ledger.schedule()
    return waiting.promise
  }

  #settleWaits(): void {
    if (this.#waits.length === 0) return
    const over = this.#waits.filter(({ isOver }) => isOver())
    this.#waits = this.#waits.filter((wait) => !over.includes(wait))
    for (const { waiting } of over) waiting.resolve()
  }

  get isClosed(): boolean {
    return this.#closing !== undefined
  }

  #assertOpen(): void {
    if (this.#closing) throw this.closedError()
  }

  /** What was asked for before `close`, while the store was opening, still has its turn. */
  #assertTaking(): void {
    if (!this.opening) this.#assertOpen()
  }

  #assertRoom(added: number): void {
    const { waiting } = this.#roster
    if (waiting + added > this.#options.maxQueued) throw queueFull(waiting, this.#options.maxQueued)
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
    this.#closer.abort()
    try {
      await this.opening
    } catch {
      // It never opened, so there is nothing to wait for, and whoever waited has been told.
    }
    this.#mayStart = mode === 'drain'
    if (mode === 'drain') this.#resumeAll()
    const hasEnded = mode === 'drain' ? () => this.#roster.isIdle && this.#runs === 0 : () => this.#runs === 0
    if (this.#closing !== 'now') await this.#inTime(this.#waitFor(hasEnded), timeoutMs)
    this.#mayStart = false
    await this.#shutDown()
  }

  /** Waits until it is true; while the store takes nothing and so starts nothing, only for what is on a thread. */
  async #waitFor(hasEnded: () => boolean): Promise<void> {
    try {
      await this.#when(hasEnded)
    } catch {
      const unsent = this.#ledger.pending.filter(
        ({ type, job, after }) => type === 'start' && job.run?.record === after,
      )
      if (this.#runs > unsent.length) await this.#waitFor(hasEnded)
    }
  }

  closedError(): OffstageError {
    return this.#failure ?? closedError()
  }

  /** Nothing can be made safe any more, so nothing can go on. */
  #fail(error: OffstageError): void {
    if (this.isEnded || this.#failure) return
    this.#failure = error
    this.#closing = 'now'
    this.#mayStart = false
    this.bus.tell('store:error', { error })
    this.#ledger.stop(error)
    if (this.#closed) this.#escalate?.()
    else this.#closed = this.#shutDown()
  }

  /**
   * Ends as a crash would end it, but for the jobs in memory: they are answered, for another engine to adopt, and what was
   * not committed. Nothing more is written or told. `ended`: the threads and the store are closed.
   */
  drop(error: OffstageError): Dropped {
    this.#failure = error
    this.#closing = 'now'
    this.#mayStart = false
    this.isEnded = true
    this.#ledger.stop(error)
    const ended = Promise.all([this.#pool.close(), this.#options.store.close()])
    this.#timetable.close()
    this.#lines.close()
    const { pending } = this.#ledger
    for (const { job, after } of pending) if (!after && !job.told) job.abandon(cancelled(job.record, 'it was removed'))
    // What was removed was not, as far as the store knows.
    const jobs = [...this.#roster.jobs, ...this.#leaving]
    for (const job of jobs) job.quit()
    return { jobs: jobs.filter(({ told }) => told), pending, ended }
  }

  async #shutDown(): Promise<void> {
    await this.#pool.close()
    try {
      const written = this.whenSafe()
      this.#ledger.tryAgain()
      await written
    } catch (error) {
      if (!this.#failure) this.bus.tell('store:error', { error: lost(this.#ledger.pending.length, error) })
    }
    const closed = this.closedError()
    // What the store refused to the last is found as it was, when it is opened again.
    this.#ledger.stop(closed)
    try {
      // One that was refused may be somebody else's.
      if (this.#hasStore) await this.#options.store.close()
    } catch (error) {
      this.bus.tell('store:error', { error })
    }
    this.isEnded = true
    this.#timetable.close()
    this.#lines.close()
    // One error for all: a million stacks take ten seconds.
    const removed = this.#ledger.pending.flatMap(({ job, after }) => (after ? [] : job))
    for (const job of [...this.#roster.jobs, ...removed]) if (!job.hasEnded) job.abandon(closed)
    for (const { waiting } of this.#waits.splice(0)) waiting.resolve()
    for (const callback of [...this.#closers]) callback()
    this.#dashboard.changed()
  }

  /** A pause must not keep a drain waiting for ever. */
  #resumeAll(): void {
    this.#dashboard.isPaused = false
    this.#lines.resumeAll()
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

export interface Dropped {
  readonly jobs: readonly LiveJob[]
  readonly pending: readonly Step[]
  readonly ended: Promise<unknown>
}

const noDetails = {}
type OnStranded = (jobs: readonly LiveJob[], error: OffstageError) => void
type Start = Action & { type: 'start' }
type Complete = Action & { type: 'complete' }

const starting: Start = { type: 'start' }
/** What a thread has handed over is in them. */
const keeping: readonly Step['type'][] = ['complete', 'checkpoint', 'step']
const interruption: Action = { type: 'interrupt', error: undefined, isOwnMaking: false }

const mustReplace = ({ options }: InsertRequest): boolean => options?.ifExists === 'replace'

/** In the order of adding. A store may have another, but a copy of a million is not made for nothing. */
function inOrder(records: readonly JobRecord[]): readonly JobRecord[] {
  const isSorted = records.every(({ seq }, index) => index === 0 || (records[index - 1] as JobRecord).seq < seq)
  return isSorted ? records : [...records].sort((a, b) => a.seq - b.seq)
}

/**
 * What moves to the thread. While another attempt may follow, buffers are copied instead; what cannot be copied has to
 * move all the same.
 */
function transferOf({ transfer, record }: LiveJob): Transferable[] | undefined {
  if (!transfer) return undefined
  const isLastAttempt = record.failures + 1 >= record.rules.attempts
  return isLastAttempt || transfer.some((item) => !(item instanceof ArrayBuffer)) ? transfer : undefined
}
