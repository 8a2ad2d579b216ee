/**
 * Reaches an engine that runs jobs somewhere else, over anything that carries messages there and back:
 *
 *   client.connect((messages) => port.postMessage(messages))     ──▶   session.hear(messages)
 *   client.hear(messages)                                        ◀──   post(messages)
 *
 * A session begins with its `welcome`. Then the client asks every question again that has no answer, and names the jobs that it
 * watches and the values that it reads. So connections may come and go: handles, callbacks and promises belong to objects that
 * stay.
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
import type { BufferedStream } from '../events/stream.ts'
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
import { type Question, Questions } from './questions.ts'
import { momentOf, named, type Wish } from './requests.ts'
import { fromSession, isAnswer, messagesOf } from './shapes.ts'
import { isSameSetting, queueControl, type Steer, Steers } from './steers.ts'
import { eventFromWire, isJob, type Message, refOf, sharedTypes, type WireRecord } from './wire.ts'

export interface ClientOptions extends KnownJobsOptions {
  /** What the ids that the client makes up begin with. No other client has the same. */
  readonly idPrefix: string
}

/** Values of a job that are read here while it runs somewhere else. */
interface Reading {
  readonly job: JobView
  /** How many values have come and wait for the reader. */
  ahead: number
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
  /** By the number under which a session sends the values. */
  readonly #readings = new Map<number, Reading>()
  #lastReading = 0
  protected readonly jobs: KnownJobs
  protected readonly questions: Questions
  protected readonly board: BoardView
  protected readonly lists: WatchedLists
  /** Set from `connect` on, before the session has sent its welcome. */
  #post: Post | undefined
  #connection: Connection | undefined
  /** The event types that can be heard here, with those of extensions. */
  readonly #eventTypes = [...sharedTypes]
  /** The event types that the session sends. */
  #heard = ''
  readonly #closers = new Closers()
  #closed: Promise<void> | undefined
  /** Set when the client has ended, and says why. */
  #end: OffstageError | undefined
  /** Ends the wait of a close: a caller cannot wait any longer, or there is nothing to wait for. */
  hurry: () => void = () => {}

  constructor(options: ClientOptions) {
    const { bus, clock, errors, idPrefix } = options
    this.bus = bus
    this.clock = clock
    this.#errors = errors
    this.#idPrefix = idPrefix
    this.jobs = new KnownJobs(options)
    this.questions = new Questions(clock, (question, give) => this.#answered(question, give))
    this.board = new BoardView(bus, clock, (queues, isObserving) => {
      this.#send('look', queues, isObserving)
      return this.#connection !== undefined
    })
    this.lists = new WatchedLists(bus, errors)
    bus.onListening = () => this.#listen()
  }

  // Connecting.

  /** Sends nothing before the session has sent its welcome. */
  connect(post: Post): void {
    this.disconnect()
    if (!this.isEnded) this.#post = post
  }

  /** Questions wait for the next connection. A wire that breaks disconnects by itself. */
  disconnect(): void {
    this.#post = undefined
    this.#connection?.close()
    this.#connection = undefined
    this.lists.keepBy(undefined)
    this.questions.askOf(undefined)
  }

  #send(...message: Message): void {
    this.#connection?.send(...message)
  }

  /** Takes whatever has come over the wire, and drops what is no message of a session. */
  hear(messages: unknown): void {
    for (const [type, ...details] of messagesOf(messages, fromSession))
      if (this.#connection || type === 'welcome') this.#verbs[type]?.(...(details as never[]))
  }

  readonly #verbs: Readonly<Record<string, (...details: never[]) => void>> = {
    welcome: (steers: readonly Steer[]) => this.#begin(steers),
    board: (board: Board) => {
      // A board that was sent before a pause came does not show it.
      const isAsked = this.questions.steers.some(([queue, what]) => queue === undefined && what === 'isPaused')
      const isPaused = isAsked ? this.isPaused : board.snapshot.isPaused
      this.board.receive({ ...board, snapshot: { ...board.snapshot, isPaused } })
    },
    steer: (steer: Steer) => {
      if (!this.questions.steers.some((asked) => isSameSetting(asked, steer))) this.#steered(steer)
    },
    answer: (id: number, answer: unknown) => {
      const { kind, args } = this.questions.get(id) ?? {}
      if (kind && args && isAnswer(kind, args, answer))
        this.questions.answered(id, (question) => this.#fromWire(question, answer))
    },
    refusal: (id: number, thrown: WireThrown) => this.#refused(id, thrownFromWire(thrown, this.#errors)),
    event: (event: AnyEvent, change: WireRecord | undefined) => {
      this.jobs.hear(eventFromWire(event, this.#errors), change)
      // Its last listener was there for one event, and the bus does not report that it has left.
      if (!change && !this.bus.isHeard(event.type)) this.#listen()
    },
    change: (change: WireRecord) => this.jobs.change(change),
    listed: (number: number, pieces: readonly never[]) => this.lists.hear(number, pieces),
    progress: (id: string, progress: unknown) => this.jobs.progress(id, progress),
    gone: (id: string, isAnnounced: boolean) => this.jobs.lose(id, isAnnounced),
    stranded: (ids: readonly string[], thrown: WireThrown) => {
      const error = thrownFromWire(thrown, this.#errors)
      for (const id of ids) this.jobs.find(id)?.letDown(error)
      this.hurry()
    },
    value: (number: number, value: unknown) => {
      const reading = this.#readings.get(number)
      if (!reading) return
      reading.ahead++
      reading.job.observe().receive(value)
    },
    end: (number: number, thrown: WireThrown | undefined) => {
      const reading = this.#readings.get(number)
      this.#readings.delete(number)
      reading?.job.observers?.endValues()
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
      onBroken: () => this.disconnect(),
    })
    this.#connection = connection
    this.steers.clear()
    for (const steer of [...steers, ...this.questions.steers]) this.steers.keep(steer)
    this.#heard = ''
    this.#listen()
    connection.send('watch', this.jobs.watched)
    for (const number of this.#readings.keys()) this.#sendRead(number)
    this.lists.keepBy(connection)
    this.board.askAnew()
    this.questions.askOf(connection)
  }

  /** Sends which event types have listeners here. The session sends no others. */
  #listen(): void {
    if (!this.#connection) return
    const types = this.#eventTypes.filter((type) => this.bus.isHeard(type))
    if (types.join() === this.#heard) return
    this.#heard = types.join()
    this.#send('hear', types)
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
    return (answer as [WireRecord, Disposition][]).map(
      ([wire, disposition], at): Inserted => ({
        job: this.jobs.learn(wire, disposition === 'existing' ? undefined : (args[0] as readonly Wish[])[at]),
        disposition,
      }),
    )
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

  /** An answer means that the job is committed. A job that is gone never was, or the client will hear nothing more of it. */
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

  /** The other end carries out its commands. Its events are heard here. */
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

  // Observing.

  watch(filter: FindOptions): JobList {
    return this.lists.watch(filter)
  }

  observersOf(job: JobView): JobObservers {
    if (!job.observers && job.committed) this.#send('attend', refOf(job.record))
    return job.observe()
  }

  result(job: JobView): Promise<unknown> {
    const gone = this.#gone(job)
    return gone && !job.hasEnded ? Promise.reject(gone) : job.result()
  }

  lastEvent(job: JobView): JobEvent | undefined {
    return this.jobs.lastEvent(job)
  }

  /** Asks the session even for values of a job that has ended: it may have kept some. */
  values(job: JobView): BufferedStream<unknown> {
    const number = ++this.#lastReading
    const stream = this.observersOf(job).read(
      () => this.taken(job, number),
      () => {
        if (this.#readings.delete(number)) this.#send('unread', number)
      },
    )
    if (this.#gone(job)) stream.end()
    else {
      this.#readings.set(number, { job, ahead: 0 })
      this.#sendRead(number)
    }
    return stream
  }

  #sendRead(number: number): void {
    const { job, ahead } = this.#readings.get(number) as Reading
    this.#send('read', number, refOf(job.record), ahead)
  }

  /** The reader took a value: the session may send one more. */
  protected taken(_job: JobView, number: number): void {
    const reading = this.#readings.get(number)
    if (!reading) return
    if (reading.ahead > 0) reading.ahead--
    this.#send('taken', number)
  }

  /** Ends the values of jobs of which no more can come. */
  protected endReadings(isOver: (job: JobView) => boolean): void {
    for (const { job } of this.#readings.values()) if (isOver(job)) job.observers?.endValues()
  }

  snapshot(): SchedulerSnapshot {
    return this.board.look().snapshot
  }

  stats(): Stats {
    return this.board.look().stats
  }

  /** Jobs run elsewhere, and whoever runs them renews its own. */
  renewWorkers(): void {}

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
    // So that the first `size` that the caller reads a moment later is right.
    this.board.lookAt(name)
    const look = () => {
      const [size, running] = this.board.lookAt(name)
      return { isPaused: this.steers.isPaused(name), size, running }
    }
    return queueControl(name, look, (steer) => this.steer(steer))
  }

  /** Holds here at once, whenever it comes to the other end. No caller waits for the answer. */
  steer(steer: Steer): void {
    if (this.isClosed) throw this.closedError()
    this.#steered(steer)
    this.ask('steer', steer).catch(() => {})
  }

  #steered(steer: Steer): void {
    const [queue] = steer
    this.steers.keep(steer)
    if (queue === undefined) this.board.showPause(this.isPaused)
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

  /** The jobs go on at the other end. With `drain`, the client first waits until nothing is left to do there. */
  close(mode: CloseMode, timeoutMs: number | undefined): Promise<void> {
    if (mode === 'now') this.hurry()
    this.#closed ??= this.shutDown(mode, timeoutMs)
    return this.#closed
  }

  protected async shutDown(mode: CloseMode, timeoutMs: number | undefined): Promise<void> {
    if (mode === 'drain' && !this.isEnded) await this.drained(timeoutMs)
    this.end(closedError())
  }

  /** Resolves when nothing is left to do, after `timeoutMs`, or when `hurry` is called. */
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

  /** Ends all that waits here with the reason. */
  protected end(error: OffstageError, isFailure = false): void {
    if (this.#end) return
    this.#end = error
    this.letGo()
    this.jobs.end(error)
    this.endReadings(() => true)
    this.questions.end(error, !isFailure)
    this.lists.end()
    this.#closers.call()
    this.board.notify()
  }

  /** Lets go of everything that leads to the other end. */
  protected letGo(): void {
    this.disconnect()
  }
}
