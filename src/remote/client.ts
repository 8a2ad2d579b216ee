/**
 * Reaches an engine that runs jobs somewhere else, over anything that carries messages there and back:
 *
 *   client.connect((messages) => port.postMessage(messages))     ──▶   session.receive(messages)
 *   client.receive(messages)                                     ◀──   post(messages)
 *
 * A session begins with its `welcome`. Then the client asks every question again that has no answer, and names the jobs that it
 * watches and the values that it reads. So connections may come and go: handles, callbacks and promises belong to objects that
 * stay.
 */
import type {
  CloseMode,
  Counts,
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
} from '../engine/engine.ts'
import { closedError } from '../engine/job-errors.ts'
import type { JobObservers } from '../engine/job-observers.ts'
import type { JobView } from '../engine/job-view.ts'
import type { EventBus } from '../events/event-bus.ts'
import type { AnyEvent, EventType, JobEvent } from '../events/event-map.ts'
import type { BufferedStream } from '../events/stream.ts'
import type { JobChanges } from '../job/transition.ts'
import type { QueueSettings } from '../queue/settings.ts'
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
import { Questions } from './questions.ts'
import { Readings } from './readings.ts'
import { momentOf, named } from './requests.ts'
import { fromSession, isAnswer, messagesOf } from './shapes.ts'
import { eventFromWire, isJob, type Message, refOf, sharedTypes, type WireRecord } from './wire.ts'

export interface ClientOptions extends KnownJobsOptions {
  /** What the ids that the client makes up begin with. No other client has the same. */
  readonly idPrefix: string
}

export class Client {
  readonly bus: EventBus
  readonly opening = undefined
  protected readonly clock: Clock
  readonly #errors: readonly ErrorClass[]
  readonly #idPrefix: string
  #lastId = 0
  readonly #makeId = () => `${this.#idPrefix}${(++this.#lastId).toString(36)}`
  protected readonly jobs: KnownJobs
  protected readonly questions: Questions
  protected readonly board: BoardView
  /** What is paused: queues by name, and `undefined` for all of them. */
  readonly #paused = new Set<string | undefined>()
  protected readonly lists: WatchedLists
  protected readonly readings = new Readings()
  /** Set from `connect` on, before the session has sent its welcome. */
  #post: Post | undefined
  #connection: Connection | undefined
  /** The event types that can be listened to here, with those of extensions. */
  readonly #eventTypes = [...sharedTypes]
  /** The event types that the session sends. */
  #listenedTypes = ''
  readonly #closers = new Closers()
  #closed: Promise<void> | undefined
  /** Set when the client has ended, and says why. */
  #end: OffstageError | undefined
  /** Ends the wait of a close: a caller cannot wait any longer, or there is nothing to wait for. */
  stopWaiting: () => void = () => {}

  constructor(options: ClientOptions) {
    const { bus, clock, errors, idPrefix } = options
    this.bus = bus
    this.clock = clock
    this.#errors = errors
    this.#idPrefix = idPrefix
    this.jobs = new KnownJobs(options)
    this.questions = new Questions(clock, (question, give) => this.jobs.answered(question, give))
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
    this.readings.readFrom(undefined)
    this.lists.keepBy(undefined)
    this.questions.askOf(undefined)
  }

  #send(...message: Message): void {
    this.#connection?.send(...message)
  }

  /** Takes whatever has come over the wire, and drops what is no message of a session. */
  receive(messages: unknown): void {
    for (const [type, ...details] of messagesOf(messages, fromSession))
      if (this.#connection || type === 'welcome') this.#verbs[type]?.(...(details as never[]))
  }

  readonly #verbs: Readonly<Record<string, (...details: never[]) => void>> = {
    welcome: (isPaused: boolean, queues: readonly string[]) => this.#begin(isPaused, queues),
    board: (board: Board) => {
      // A board that was sent before a pause came does not show it.
      const isPaused = this.#isSetting(undefined) ? this.isPaused : board.snapshot.isPaused
      this.board.receive({ ...board, snapshot: { ...board.snapshot, isPaused } })
    },
    paused: (queue: string | undefined, isPaused: boolean) => this.#hearOfPause(queue, isPaused),
    answer: (id: number, answer: unknown) => {
      const { kind, args } = this.questions.get(id) ?? {}
      if (!kind || !args || !isAnswer(kind, args, answer)) return
      this.questions.answered(id, (question) => this.jobs.fromAnswer(question, answer))
      if (kind === 'set') this.#hearOfPause(args[0] as string | undefined, answer as boolean | undefined)
    },
    refusal: (id: number, thrown: WireThrown) => this.#refused(id, thrownFromWire(thrown, this.#errors)),
    event: (event: AnyEvent, change: WireRecord | undefined) => {
      this.jobs.receive(eventFromWire(event, this.#errors), change)
      // Its last listener was there for one event, and the bus does not report that it has left.
      if (!change && !this.bus.hasListener(event.type)) this.#listen()
    },
    change: (change: WireRecord) => this.jobs.change(change),
    listed: (number: number, pieces: readonly never[]) => this.lists.receive(number, pieces),
    progress: (id: string, progress: unknown) => this.jobs.progress(id, progress),
    gone: (id: string, isAnnounced: boolean) => this.jobs.lose(id, isAnnounced),
    stranded: (ids: readonly string[], thrown: WireThrown) => {
      const error = thrownFromWire(thrown, this.#errors)
      for (const id of ids) this.jobs.find(id)?.reject(error)
      this.stopWaiting()
    },
    value: (reading: number, value: unknown, number: number | undefined) =>
      this.readings.receive(reading, value, number),
    end: (reading: number, thrown: WireThrown | undefined) => {
      const error = thrown && thrownFromWire(thrown, this.#errors)
      if (!this.readings.end(reading, error) && thrown) this.bus.report(error)
    },
  }

  #begin(isPaused: boolean, pausedQueues: readonly string[]): void {
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
    this.showPauses(isPaused, pausedQueues)
    for (const [queue, settings] of this.questions.settings) this.#showSetting(queue, settings)
    this.#listenedTypes = ''
    this.#listen()
    connection.send('watch', this.jobs.watched)
    this.readings.readFrom(connection)
    this.lists.keepBy(connection)
    this.board.askAnew()
    this.questions.askOf(connection)
  }

  /** Sends which event types have listeners here. The session sends no others. */
  #listen(): void {
    if (!this.#connection) return
    const types = this.#eventTypes.filter((type) => this.bus.hasListener(type))
    if (types.join() === this.#listenedTypes) return
    this.#listenedTypes = types.join()
    this.#send('listen', types)
  }

  // Asking.

  ask(kind: QuestionKind, ...args: unknown[]): Promise<never> {
    return this.#end ? Promise.reject(this.#end) : this.questions.ask(kind, args)
  }

  #refused(id: number, error: unknown): void {
    this.questions.answered(id, () => {
      throw error
    })
  }

  // Adding.

  insert(request: InsertRequest): Inserted | Promise<Inserted> {
    return this.insertMany([request]).then(([inserted]) => inserted as Inserted)
  }

  insertMany(requests: readonly InsertRequest[]): Promise<Inserted[]> {
    if (this.isClosed) return Promise.reject(this.closedError())
    const since = momentOf(this.clock)
    const adds = requests.map((request) => this.jobs.add(named(request, this.#makeId), since))
    return this.ask('insert', adds, since)
  }

  /** An answer means that the job is committed. A job that is gone never was, or the client will receive nothing more about it. */
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

  recorded(id: string): Promise<Recorded | undefined> {
    return this.ask('recorded', id)
  }

  restart(id: string, from: string | undefined, newId: string): Promise<JobView> {
    return this.ask('restart', id, from, newId)
  }

  update(id: string, changes: JobChanges): Promise<boolean> {
    return this.ask('update', id, changes)
  }

  onIdle(queue?: string, limit?: number): Promise<void> {
    return this.ask('idle', queue, limit)
  }

  /** The other end carries out its commands. Its events are emitted here. */
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
  values(job: JobView, after?: number): BufferedStream<unknown> {
    const isOver = this.#gone(job) !== undefined
    return this.readings.read(job, this.observersOf(job), after, isOver, (number) => this.ack(job, number))
  }

  /** The reader took a value: the session may send one more. */
  protected ack(_job: JobView, reading: number): void {
    this.readings.ack(reading)
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

  // Settings.

  get isPaused(): boolean {
    return this.#paused.has(undefined)
  }

  queue(name: string): QueueView {
    const [size, running, nextStartAt] = this.board.lookAt(name)
    return { isPaused: this.#paused.has(name), size, running, nextStartAt: nextStartAt || undefined }
  }

  /** It shows here at once, whenever it comes to the other end. */
  set(queue: string | undefined, settings: QueueSettings | null): Promise<unknown> {
    if (this.isClosed) throw this.closedError()
    this.#showSetting(queue, settings)
    return this.ask('set', queue, settings)
  }

  #showSetting(queue: string | undefined, settings: QueueSettings | null): void {
    const { isPaused } = settings ?? { isPaused: false }
    if (isPaused !== undefined) this.#showPause(queue, isPaused)
  }

  /** All that is paused. */
  protected showPauses(isPaused: boolean, queues: readonly string[]): void {
    this.#paused.clear()
    for (const queue of queues) this.#paused.add(queue)
    this.#showPause(undefined, isPaused)
  }

  #showPause(queue: string | undefined, isPaused: boolean): void {
    if (isPaused) this.#paused.add(queue)
    else this.#paused.delete(queue)
    if (queue === undefined) this.board.showPause(isPaused)
  }

  /** What comes from the other end before it has carried out a call that was made here does not show. */
  #hearOfPause(queue: string | undefined, isPaused: boolean | undefined): void {
    if (isPaused !== undefined && !this.#isSetting(queue)) this.#showPause(queue, isPaused)
  }

  /** Whether a setting of this queue has no answer yet. */
  #isSetting(queue: string | undefined): boolean {
    return this.questions.settings.some(([asked]) => asked === queue)
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
    if (mode === 'now') this.stopWaiting()
    this.#closed ??= this.shutDown(mode, timeoutMs)
    return this.#closed
  }

  protected async shutDown(mode: CloseMode, timeoutMs: number | undefined): Promise<void> {
    if (mode === 'drain' && !this.isEnded) await this.drained(timeoutMs)
    this.end(closedError())
  }

  /** Resolves when nothing is left to do, after `timeoutMs`, or when `stopWaiting` is called. */
  protected drained(timeoutMs: number | undefined): Promise<void> {
    return new Promise((resolve) => {
      const stopTimer =
        timeoutMs === undefined ? undefined : this.clock.startTimer(() => this.stopWaiting(), timeoutMs, true)
      this.stopWaiting = () => {
        stopTimer?.()
        resolve()
      }
      this.ask('idle').then(this.stopWaiting, this.stopWaiting)
    })
  }

  /** Ends all that waits here with the reason. */
  protected end(error: OffstageError, isFailure = false): void {
    if (this.#end) return
    this.#end = error
    this.release()
    this.jobs.end(error)
    this.readings.endAll(() => true)
    this.questions.end(error, !isFailure)
    this.lists.end()
    this.#closers.call()
    this.board.notify()
  }

  /** Closes everything that leads to the other end. */
  protected release(): void {
    this.disconnect()
  }
}
