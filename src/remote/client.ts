/**
 * Reaches an engine that runs jobs somewhere else, over whatever carries messages there and back:
 *
 *   client.connect((messages) => port.postMessage(messages))     ──▶   session.hear(messages)
 *   client.hear(messages)                                        ◀──   post(messages)
 *
 * A session begins with its `welcome`. What was asked and is not answered is asked again then, and what is watched or read here is
 * watched and read there. So connections may come and go: handles, callbacks and promises hang on objects that stay.
 */
import type {
  CloseMode,
  Counts,
  Disposition,
  FindOptions,
  Inserted,
  InsertRequest,
  JobFilter,
  JobList,
  MakeExtensions,
  NamedExtension,
  QueueControl,
  QueueState,
  SchedulerSnapshot,
  Stats,
  Verb,
  WaitReason,
} from '../engine/engine.ts'
import { closedError } from '../engine/job-errors.ts'
import type { JobObservers } from '../engine/job-observers.ts'
import type { JobView } from '../engine/job-view.ts'
import type { EventBus } from '../events/event-bus.ts'
import type { AnyEvent, EventType, JobEvent } from '../events/event-map.ts'
import type { EventStream } from '../events/stream.ts'
import type { JobChanges } from '../job/transition.ts'
import type { Clock } from '../shared/clock.ts'
import { cloneError } from '../shared/clone.ts'
import { Closers } from '../shared/closers.ts'
import { type ErrorClass, thrownFromWire, type WireThrown } from '../shared/error-wire.ts'
import type { OffstageError } from '../shared/errors.ts'
import type { QuestionKind } from './answers.ts'
import { type Board, BoardView } from './board.ts'
import { Connection, type Post } from './connection.ts'
import { KnownJobs, type KnownJobsOptions } from './known-jobs.ts'
import { WatchedLists } from './lists.ts'
import { momentOf } from './moment.ts'
import { type Question, Questions } from './questions.ts'
import { Readings } from './readings.ts'
import { named, type Wish } from './requests.ts'
import { fromSession, isAnswer, messagesOf } from './shapes.ts'
import { isSameSetting, queueControl, type Steer, Steers } from './steers.ts'
import { eventFromWire, isJob, sharedTypes, type WireRecord } from './wire.ts'

export interface ClientOptions extends KnownJobsOptions {
  /** What the ids that it makes up begin with; nobody else's do. */
  readonly idPrefix: string
}

export class Client {
  readonly bus: EventBus
  readonly opening = undefined
  readonly steers = new Steers()
  protected readonly clock: Clock
  readonly #errors: readonly ErrorClass[]
  readonly #idPrefix: string
  #lastId = 0
  readonly #makeId = () => `${this.#idPrefix}${(++this.#lastId).toString(36)}`
  readonly #readings = new Readings()
  protected readonly jobs: KnownJobs
  protected readonly questions: Questions
  protected readonly board: BoardView
  protected readonly lists: WatchedLists
  /** Of a connection whose session has not said welcome yet, too. */
  #post: Post | undefined
  #connection: Connection | undefined
  /** That may be heard here: with those of extensions. */
  readonly #eventTypes = [...sharedTypes]
  /** The event types that the session knows to be heard here. */
  #heard = ''
  readonly #closers = new Closers()
  #closed: Promise<void> | undefined
  /** Why everything is over. */
  #end: OffstageError | undefined
  /** Ends the wait of a close: somebody is in a hurry, or nothing more will come of it. */
  hurry: () => void = () => {}

  constructor(options: ClientOptions) {
    const { bus, clock, errors, idPrefix } = options
    this.bus = bus
    this.clock = clock
    this.#errors = errors
    this.#idPrefix = idPrefix
    this.jobs = new KnownJobs(options, this.#readings)
    this.questions = new Questions(clock, (question, give) => this.#answered(question, give))
    this.board = new BoardView(bus, (queues, isObserving) => {
      this.#connection?.send('look', queues, isObserving)
      return this.#connection !== undefined
    })
    this.lists = new WatchedLists(bus, errors)
    bus.onListening = () => this.#listen()
  }

  // Connecting.

  /** Nothing is sent before the session has said welcome. */
  connect(post: Post): void {
    this.disconnect()
    this.#post = post
  }

  /** Also when it is broken: what is asked waits until there is another. */
  disconnect(): void {
    this.#post = undefined
    this.#connection?.close()
    this.#connection = undefined
    this.lists.keepBy(undefined)
    this.questions.askOf(undefined)
  }

  /** Whatever came: what is no message of a session is dropped. */
  hear(messages: unknown): void {
    for (const [type, ...details] of messagesOf(messages, fromSession))
      if (this.#connection || type === 'welcome') this.#verbs[type]?.(...(details as never[]))
  }

  readonly #verbs: Readonly<Record<string, (...details: never[]) => void>> = {
    welcome: (steers: readonly Steer[]) => this.#begin(steers),
    board: (board: Board) => this.board.see(board),
    steer: (steer: Steer) => {
      if (!this.questions.steers.some((asked) => isSameSetting(asked, steer))) this.#steered(steer)
    },
    answer: (id: number, answer: unknown) => {
      const { kind, args } = this.questions.get(id) ?? {}
      if (kind && args && isAnswer(kind, args, answer))
        this.questions.answered(id, (question) => this.#fromWire(question, answer))
    },
    refusal: (id: number, thrown: WireThrown) => this.#refused(id, thrownFromWire(thrown, this.#errors)),
    event: (event: AnyEvent, change: WireRecord | undefined) =>
      this.jobs.hear(eventFromWire(event, this.#errors), change),
    change: (change: WireRecord) => this.jobs.change(change),
    listed: (number: number, pieces: readonly never[]) => this.lists.hear(number, pieces),
    gone: (id: string) => this.jobs.lose(id),
    stranded: (ids: readonly string[], thrown: WireThrown) => {
      const error = thrownFromWire(thrown, this.#errors)
      for (const id of ids) this.jobs.find(id)?.letDown(error)
      this.hurry()
    },
    value: (reading: number, value: unknown) => this.#readings.job(reading)?.observe().receive(value),
    end: (reading: number, thrown: WireThrown | undefined) => {
      const job = this.#readings.job(reading)
      this.#readings.end(reading)
      job?.observers?.endValues()
      if (thrown) this.bus.report(thrownFromWire(thrown, this.#errors))
    },
  }

  #begin(steers: readonly Steer[]): void {
    if (!this.#post) return
    this.#connection?.close()
    const connection = new Connection(this.#post, {
      repair: ([type, id, , args], cause) => {
        if (type === 'ask') this.#refused(id as number, cloneError(args, 'input', cause))
        return undefined
      },
      onBroken: () => {
        if (connection === this.#connection) this.disconnect()
      },
    })
    this.#connection = connection
    this.steers.clear()
    for (const steer of [...steers, ...this.questions.steers]) this.steers.keep(steer)
    this.#heard = ''
    this.#listen()
    connection.send('watch', this.jobs.watched)
    for (const [reading, job] of this.#readings.all) connection.send('read', reading, job.record.id)
    this.lists.keepBy(connection)
    this.board.lookAnew()
    this.questions.askOf(connection)
  }

  /** Tells which events somebody here listens to; no others are sent. */
  #listen(): void {
    if (!this.#connection) return
    const types = this.#eventTypes.filter((type) => this.bus.isHeard(type))
    if (types.join() === this.#heard) return
    this.#heard = types.join()
    this.#connection.send('hear', types)
  }

  // Asking.

  ask(kind: QuestionKind, ...args: unknown[]): Promise<never> {
    return this.#end ? Promise.reject(this.#end) : this.questions.ask(kind, args)
  }

  #answered({ kind, args }: Question, give: () => unknown): unknown {
    if (kind !== 'insert') return give()
    const wishes = args[0] as readonly Wish[]
    try {
      const inserted = give() as readonly Inserted[]
      for (const [at, wish] of wishes.entries()) this.jobs.inserted(wish, (inserted[at] as Inserted).job)
      return inserted
    } catch (error) {
      for (const wish of wishes) this.jobs.notInserted(wish, error as OffstageError)
      throw error
    }
  }

  #refused(id: number, error: unknown): void {
    this.questions.answered(id, () => {
      throw error
    })
  }

  #fromWire({ kind, args }: Question, answer: unknown): unknown {
    if (kind === 'get') return answer && this.jobs.learn(answer as WireRecord)
    if (kind === 'find') return (answer as WireRecord[]).map((wire) => this.jobs.learn(wire))
    if (kind !== 'insert') return answer
    return (answer as [WireRecord, Disposition][]).map(([wire, disposition], at): Inserted => {
      const wish = (args[0] as readonly Wish[])[at] as Wish
      const record = 'input' in wire ? wire : { ...wire, input: wish.input }
      return { job: this.jobs.learn(record, wish), disposition }
    })
  }

  // Adding.

  insert(request: InsertRequest): Inserted | Promise<Inserted> {
    return this.insertMany([request]).then(([inserted]) => inserted as Inserted)
  }

  insertMany(requests: readonly InsertRequest[]): Promise<Inserted[]> {
    if (this.isClosed) return Promise.reject(this.closedError())
    const since = momentOf(this.clock)
    const wishes = requests.map((request) => this.jobs.want(named(request, this.#makeId), since))
    return this.ask('insert', wishes, since)
  }

  /** What was answered is committed; what is gone never was, or will not be heard of. */
  async whenCommitted(inserted: JobView): Promise<void> {
    const gone = !inserted.committed && this.#gone(inserted)
    if (gone) throw gone
  }

  #gone(job: JobView): OffstageError | undefined {
    return this.jobs.goneError(job) ?? this.#end
  }

  // Looking up and acting.

  get(id: string): Promise<JobView | undefined> {
    return this.ask('get', id)
  }

  find(options: FindOptions): Promise<JobView[]> {
    return this.ask('find', options)
  }

  counts(): Promise<Counts> {
    return this.ask('counts')
  }

  queues(): Promise<readonly QueueState[]> {
    return this.ask('queues')
  }

  whyWaiting(id: string): Promise<readonly WaitReason[]> {
    return this.ask('whyWaiting', id)
  }

  update(id: string, changes: JobChanges): Promise<boolean> {
    return this.ask('update', id, changes)
  }

  onIdle(): Promise<void> {
    return this.ask('idle')
  }

  /** It is carried out at the other end. What it tells is heard here. */
  attach({ events = [] }: NamedExtension, _make?: MakeExtensions): void {
    this.#eventTypes.push(...(events as readonly EventType[]))
    this.#listen()
  }

  command(extension: string, name: string, args: readonly unknown[]): Promise<unknown> {
    return this.ask('command', extension, name, args)
  }

  act(verb: Verb, target: JobView | string | JobFilter, argument?: unknown): Promise<number> {
    if (verb === 'abort' && isJob(target)) this.jobs.abort(target, argument)
    return this.ask('act', verb, target, argument)
  }

  // Looking on.

  watch(filter: FindOptions): JobList {
    return this.lists.watch(filter)
  }

  observersOf(job: JobView): JobObservers {
    if (!job.observers) this.#connection?.send('attend', job.record.id)
    return job.observe()
  }

  result(job: JobView): Promise<unknown> {
    const gone = this.#gone(job)
    return gone && !job.hasEnded ? Promise.reject(gone) : job.result()
  }

  lastEvent(job: JobView): JobEvent | undefined {
    return this.jobs.lastEvent(job)
  }

  values(job: JobView, onTake = () => this.taken(job)): EventStream<unknown> {
    const onLeave = () => this.unread(job)
    if (this.#gone(job)) {
      const stream = job.values(onTake, onLeave)
      stream.end()
      return stream
    }
    // Even of a job that has ended: the other side may have kept some.
    const stream = this.observersOf(job).read(onTake, onLeave)
    this.#connection?.send('read', this.#readings.begin(job), job.record.id)
    return stream
  }

  /** The reader took a value: one more may come. */
  taken(job: JobView): void {
    const reading = this.#readings.of(job)
    if (reading !== undefined) this.#connection?.send('taken', reading)
  }

  /** The reader has left. */
  unread(job: JobView): void {
    const reading = this.#readings.of(job)
    if (reading === undefined) return
    this.#readings.end(reading)
    this.#connection?.send('unread', reading)
  }

  snapshot(): SchedulerSnapshot {
    return this.board.look().snapshot
  }

  stats(): Stats {
    return this.board.look().stats
  }

  subscribe(observer: () => void): () => void {
    return this.board.observe(observer)
  }

  // Steering.

  get isPaused(): boolean {
    return this.steers.isPaused(undefined)
  }

  pause(): void {
    this.steer([undefined, 'isPaused', true])
  }

  resume(): void {
    this.steer([undefined, 'isPaused', false])
  }

  queue(name: string): QueueControl {
    this.board.expect(name)
    const look = () => {
      const [size, running] = this.board.lookAt(name)
      return { isPaused: this.steers.isPaused(name), size, running }
    }
    return queueControl(name, look, (steer) => this.steer(steer))
  }

  /** It holds here at once, whenever the other side hears of it. Nobody waits for the answer. */
  steer(steer: Steer): void {
    if (this.isClosed) throw this.closedError()
    this.#steered(steer)
    this.ask('steer', steer).catch(() => {})
  }

  #steered(steer: Steer): void {
    const [queue] = steer
    this.steers.keep(steer)
    if (queue === undefined) this.board.seePause(this.isPaused)
  }

  // Closing.

  get isClosed(): boolean {
    return this.#closed !== undefined || this.isEnded
  }

  get isEnded(): boolean {
    return this.#end !== undefined
  }

  closedError(): OffstageError {
    return this.#end ?? closedError()
  }

  onClose(callback: () => void): () => void {
    return this.#closers.add(callback)
  }

  /** The jobs go on without it. With `drain` it waits first until nothing is left to do on the other side. */
  close(mode: CloseMode, timeoutMs: number | undefined): Promise<void> {
    if (mode === 'now') this.hurry()
    this.#closed ??= this.shutDown(mode, timeoutMs)
    return this.#closed
  }

  protected async shutDown(mode: CloseMode, timeoutMs: number | undefined): Promise<void> {
    if (mode === 'drain' && !this.isEnded) await this.drained(timeoutMs)
    this.end(closedError())
  }

  /** Resolves when nothing is left to do, after `timeoutMs`, or with `hurry`. */
  protected drained(timeoutMs: number | undefined): Promise<void> {
    return new Promise((resolve) => {
      const stopTimer = timeoutMs === undefined ? undefined : this.clock.startTimer(() => this.hurry(), timeoutMs, true)
      this.hurry = () => {
        stopTimer?.()
        resolve()
      }
      this.ask('idle').then(this.hurry, this.hurry)
    })
  }

  /** Whoever waits for anything here is told that it is over, and why. */
  protected end(error: OffstageError, isFailure = false): void {
    if (this.#end) return
    this.#end = error
    this.letGo()
    this.jobs.end(error)
    this.questions.end(error, !isFailure)
    this.lists.end()
    this.#closers.call()
    this.board.notify()
  }

  /** Of whatever leads to the other side. */
  protected letGo(): void {
    this.disconnect()
  }
}
