/** The other end of a client, where the engine is that runs the jobs: answers what it asks, and tells it of what it looks at. */
import type { FindOptions, Inserted, JobFilter, Verb } from '../engine/engine.ts'
import type { JobView } from '../engine/job-view.ts'
import type { LocalEngine } from '../engine/local-engine.ts'
import { type AnyEvent, type EventType, isExtensionEvent, type JobEvent } from '../events/event-map.ts'
import type { EventStream } from '../events/stream.ts'
import type { JobRecord } from '../job/record.ts'
import type { Clock } from '../shared/clock.ts'
import { readable } from '../shared/clone.ts'
import { type ErrorClass, thrownFromWire, thrownToWire, type WireThrown } from '../shared/error-wire.ts'
import type { OffstageError } from '../shared/errors.ts'
import { answer, type QuestionKind } from './answers.ts'
import type { Board } from './board.ts'
import { Connection, type Post } from './connection.ts'
import { ListSender } from './lists.ts'
import { noDefaults } from './requests.ts'
import { fromClient, messagesOf } from './shapes.ts'
import type { Steer } from './steers.ts'
import { changeToWire, eventToWire, isJob, type Message, recordToWire, type WireInsert } from './wire.ts'

export interface SessionOptions {
  readonly clock: Clock
  readonly errors: readonly ErrorClass[]
  /** How everything is set. */
  readonly steers: readonly Steer[]
  /** The client has set something: to be carried out, and passed on to all sessions. */
  readonly onSteer: (steer: Steer) => void
}

/** A job of which the client is told. */
interface Watched {
  readonly job: JobView
  /** The record as the client has it. */
  sent: JobRecord | undefined
  /** One with the input and the rules that the client has. */
  known: JobRecord | undefined
  /** Somebody there looks on: progress, logs and values go there too. */
  isAttended: boolean
  readonly stop: () => void
}

/** Reads the values of a job for the client. */
interface Reader {
  taken(): void
  leave(): void
}

/** How many values are on their way to a reader; the handler's `send` waits for more. */
const valuesAhead = 16
/** Observers elsewhere are told no more often than this: the board changes with every job. */
const boardMs = 50

/** Only those who look on at the job hear these. */
const isPassing = (type: string): boolean => type === 'progress' || type === 'log' || type === 'value'

export class Session {
  readonly #engine: LocalEngine
  readonly #options: SessionOptions
  readonly #connection: Connection
  readonly #watched = new Map<string, Watched>()
  /** Those too that are being replaced by one of the same id. */
  readonly #allWatched = new Set<Watched>()
  readonly #readers = new Map<number, Reader>()
  readonly #lists = new Map<number, ListSender>()
  readonly #heard = new Map<EventType, () => void>()
  readonly #stopStranded: () => void
  #queues: readonly string[] = []
  /** While the client wants to know of every change of the board. */
  #stopObserving: (() => void) | undefined
  #stopBoardTimer: (() => void) | undefined
  #isClosed = false

  constructor(engine: LocalEngine, post: Post, options: SessionOptions) {
    this.#engine = engine
    this.#options = options
    this.#connection = new Connection(post, {
      // Whatever of it cannot be cloned goes as a few words.
      repair: (message) => message.map(readable) as unknown as Message,
      onBroken: () => this.close(),
    })
    this.#connection.send('welcome', options.steers)
    this.#stopStranded = engine.onStranded((jobs, error) => {
      const ids = jobs.map(({ record }) => record.id).filter((id) => this.#watched.has(id))
      this.#connection.send('stranded', ids, thrownToWire(error))
    })
  }

  /** Somebody has set something. */
  steer(steer: Steer): void {
    this.#connection.send('steer', steer)
  }

  /** Whatever came: what is no message of a client is dropped. */
  hear(messages: unknown): void {
    if (this.#isClosed) return
    for (const [type, ...details] of messagesOf(messages, fromClient)) this.#verbs[type]?.(...(details as never[]))
  }

  close(): void {
    this.#isClosed = true
    this.#stopStranded()
    this.#observe(false)
    for (const stop of this.#heard.values()) stop()
    for (const { stop } of this.#allWatched) stop()
    for (const reader of this.#readers.values()) reader.leave()
    for (const list of this.#lists.values()) list.close()
    this.#connection.close()
  }

  readonly #verbs: Readonly<Record<string, (...details: never[]) => void>> = {
    ask: (id: number, kind: QuestionKind, args: never[]) => void this.#answer(id, kind, args),
    hear: (types: readonly EventType[]) => {
      for (const stop of this.#heard.values()) stop()
      this.#heard.clear()
      for (const type of types)
        this.#heard.set(
          type,
          this.#engine.bus.on(type, (event) => this.#hear(event)),
        )
    },
    // What it knew of, when it lost sight of another engine.
    watch: (known: readonly (readonly [id: string, isAttended: boolean])[]) => {
      for (const [id, isAttended] of known) {
        const job = this.#engine.job(id)
        if (job) this.#show(job, isAttended)
        else this.#connection.send('gone', id)
      }
    },
    list: (number: number, filter: FindOptions) => {
      this.#lists.get(number)?.close()
      const send = (pieces: readonly unknown[]) => this.#connection.send('listed', number, pieces)
      this.#lists.set(number, new ListSender(this.#engine.watch(filter), this.#options.clock, send))
    },
    unlist: (number: number) => {
      this.#lists.get(number)?.close()
      this.#lists.delete(number)
    },
    attend: (id: string) => {
      const job = this.#engine.job(id)
      if (job) this.#show(job, true)
    },
    look: (queues: readonly string[], isObserving: boolean) => {
      this.#queues = queues
      this.#observe(isObserving)
      this.#showBoard()
    },
    // By a number of the client's: a job may have had a reader before, of which some is still on its way.
    read: (reading: number, id: string) => void this.#read(reading, id),
    taken: (reading: number) => this.#readers.get(reading)?.taken(),
    unread: (reading: number) => this.#readers.get(reading)?.leave(),
  }

  // Questions.

  async #answer(id: number, kind: QuestionKind, args: never[]): Promise<void> {
    const engine = this.#engine
    const attached: JobView[] = []
    try {
      if (kind === 'steer') {
        // The next engine is asked again.
        if (engine.isClosed) return
        this.#options.onSteer(args[0] as unknown as Steer)
        return this.#connection.send('answer', id)
      }
      const answered = await answer(engine, kind, this.#argsFromWire(kind, args, attached))
      // The input of a job that it has just added is there already, unless an extension gave it another.
      const inputs = kind === 'insert' ? (args[0] as unknown as readonly WireInsert[]).map(({ input }) => input) : []
      // What a command answers is a value, whatever it looks like.
      const toSend = kind === 'command' ? answered : this.#answerToWire(answered, inputs)
      if (!engine.isClosed || kind !== 'idle') this.#connection.send('answer', id, toSend)
    } catch (error) {
      // What was to be added never was.
      for (const watched of this.#allWatched)
        if (!watched.job.committed && attached.includes(watched.job)) this.#unwatch(watched)
      // Then the next engine is asked again.
      if ((error as OffstageError).code !== 'SCHEDULER_CLOSED' && !engine.isEnded)
        this.#connection.send('refusal', id, thrownToWire(error))
    }
  }

  #argsFromWire(kind: QuestionKind, args: unknown[], attached: JobView[]): unknown[] {
    if (kind === 'act') {
      const [verb, target, argument] = args as [Verb, string | JobFilter, WireThrown]
      const job = typeof target === 'string' && this.#engine.job(target)
      if (job) this.#watch(job, false)
      return [verb, target, thrownFromWire(argument, this.#options.errors)]
    }
    if (kind !== 'insert') return args
    const [requests, ...rest] = args as [readonly WireInsert[]]
    const toRequest = ({ isAttended, ...request }: WireInsert) => ({
      ...request,
      defaults: noDefaults,
      transfer: undefined,
      // From the first moment: it may have ended before the answer is there.
      attach: (job: JobView) => {
        attached.push(job)
        this.#watch(job, isAttended).known ??= job.record
      },
    })
    return [requests.map(toRequest), ...rest]
  }

  #answerToWire(answer: unknown, inputs: readonly unknown[]): unknown {
    if (Array.isArray(answer)) return answer.map((item, at) => this.#answerToWire(item, inputs.slice(at, at + 1)))
    if (isJob(answer)) {
      const watched = this.#watch(answer, false)
      watched.sent = answer.visible
      watched.known = answer.visible
      return recordToWire(answer.visible)
    }
    if (typeof answer !== 'object' || answer === null || !('disposition' in answer)) return answer
    const { job, disposition } = answer as Inserted
    const watched = this.#watch(job, false)
    watched.sent = job.visible
    watched.known = job.visible
    const isKnown = disposition !== 'existing' && inputs.includes(job.visible.input)
    return [isKnown ? changeToWire(job.visible) : recordToWire(job.visible), disposition]
  }

  // Telling.

  #watch(job: JobView, isAttended: boolean): Watched {
    const { id } = job.record
    let watched = this.#watched.get(id)
    if (watched?.job !== job) {
      const observers = job.observe()
      const stops = [
        observers.watch((event) => {
          const isWanted = made.isAttended || !isPassing(event.type) || this.#heard.has(event.type)
          if (isWanted) this.#connection.send('event', eventToWire(event), this.#change(made))
          if (event.type === 'removed') this.#unwatch(made)
        }),
        observers.subscribe(() => this.#tellChange(made)),
      ]
      const stop = () => {
        for (const each of stops) each()
      }
      const made: Watched = { job, sent: undefined, known: undefined, isAttended, stop }
      watched = made
      this.#watched.set(id, made)
      this.#allWatched.add(made)
    }
    watched.isAttended ||= isAttended
    return watched
  }

  #show(job: JobView, isAttended: boolean): void {
    const watched = this.#watch(job, isAttended)
    // What is not committed yet is told when it is.
    if (job.committed) this.#tellChange(watched)
  }

  #unwatch(watched: Watched): void {
    const { id } = watched.job.record
    watched.stop()
    this.#allWatched.delete(watched)
    if (this.#watched.get(id) !== watched) return
    this.#watched.delete(id)
    // One that it was to replace is there still.
    for (const other of this.#allWatched) if (other.job.record.id === id) this.#watched.set(id, other)
  }

  /** What happens to a job that is watched is told by its watcher. */
  #hear(event: AnyEvent): void {
    const { jobId } = event as Partial<JobEvent>
    const isOfExtension = isExtensionEvent(event.type)
    if (isOfExtension || jobId === undefined || !this.#watched.has(jobId))
      this.#connection.send('event', eventToWire(event))
  }

  #tellChange(watched: Watched): void {
    const change = this.#change(watched)
    if (change) this.#connection.send('change', change)
  }

  #change(watched: Watched) {
    const { visible } = watched.job
    if (watched.sent === visible) return undefined
    const { known } = watched
    watched.sent = visible
    watched.known = visible
    // Another input comes with `update` alone, other rules also when an extension marks the job.
    const { input, rules } = visible
    const isInput = !known || known.input !== input
    const areRules = !known || known.rules !== rules
    return { ...changeToWire(visible), ...(isInput && { input }), ...(areRules && { rules }) }
  }

  #observe(isObserving: boolean): void {
    if (isObserving) {
      const { clock } = this.#options
      this.#stopObserving ??= this.#engine.subscribe(() => {
        this.#stopBoardTimer ??= clock.startTimer(() => this.#showBoard(), boardMs, false)
      })
      return
    }
    this.#stopObserving?.()
    this.#stopObserving = undefined
    this.#stopBoardTimer?.()
    this.#stopBoardTimer = undefined
  }

  #showBoard(): void {
    this.#stopBoardTimer?.()
    this.#stopBoardTimer = undefined
    this.#connection.send('board', this.#board())
  }

  #board(): Board {
    const queues = Object.fromEntries(
      this.#queues.flatMap((name) => {
        const { size, running } = this.#engine.queue(name)
        return size + running > 0 ? [[name, [size, running] as const]] : []
      }),
    )
    return { snapshot: this.#engine.snapshot(), stats: this.#engine.stats(), queues }
  }

  // Values.

  async #read(reading: number, id: string): Promise<void> {
    const job = this.#engine.job(id)
    let thrown: WireThrown | undefined
    try {
      if (job) await this.#passOn(reading, this.#engine.values(job))
    } catch (error) {
      thrown = thrownToWire(error)
    }
    this.#connection.send('end', reading, thrown)
  }

  async #passOn(reading: number, stream: EventStream<unknown>): Promise<void> {
    let room = valuesAhead
    let resume = () => {}
    this.#readers.set(reading, {
      taken() {
        room++
        resume()
      },
      leave() {
        void stream.return()
        resume()
      },
    })
    for await (const value of stream) {
      this.#connection.send('value', reading, value)
      if (--room > 0) continue
      await new Promise<void>((resolve) => {
        resume = resolve
      })
    }
    this.#readers.delete(reading)
  }
}
