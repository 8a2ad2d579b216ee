/** The other end of a client, beside the engine that runs the jobs. It answers questions, and sends what the client watches. */
import type { FindOptions, Inserted, JobFilter, Verb } from '../engine/engine.ts'
import type { JobView } from '../engine/job-view.ts'
import type { LiveJob } from '../engine/live-job.ts'
import type { LocalEngine } from '../engine/local-engine.ts'
import { type AnyEvent, type EventType, isExtensionEvent, type JobEvent } from '../events/event-map.ts'
import { NumberedStream } from '../events/numbered-stream.ts'
import { queueKey } from '../job/queue-key.ts'
import type { JobRecord } from '../job/record.ts'
import type { Clock } from '../shared/clock.ts'
import { readable } from '../shared/clone.ts'
import { type ErrorClass, thrownFromWire, thrownToWire, type WireThrown } from '../shared/error-wire.ts'
import type { OffstageError } from '../shared/errors.ts'
import { answer, isOnceOnly, type QuestionKind } from './answers.ts'
import { type Board, boardMs } from './board.ts'
import { Connection, type Post } from './connection.ts'
import { ListSender } from './lists.ts'
import { insertFromWire, type WireInsert } from './requests.ts'
import { fromClient, messagesOf } from './shapes.ts'
import { changeToWire, eventToWire, isJob, isJobOf, type JobRef, type Message, recordToWire } from './wire.ts'

export interface SessionOptions {
  readonly clock: Clock
  readonly errors: readonly ErrorClass[]
  /**
   * Kept for this client over all its sessions with this engine: what may not be done twice, by the number of the question. The
   * client asks again when no answer came.
   */
  readonly answered: Answered
}

export type Answered = Map<number, Promise<unknown>>

/** A job whose changes are sent to the client. */
interface Watched {
  readonly job: JobView
  /** The record that was sent last. */
  sent: JobRecord | undefined
  /** A record with the input and the rules that the client has. */
  known: JobRecord | undefined
  /** The client observes the job: progress, logs and values are sent, too. */
  isAttended: boolean
  readonly stop: () => void
  /** The job of the same id that this one replaces, while that is not committed. */
  older: Watched | undefined
}

/** Reads the values of a job for the client. */
interface Reader {
  /** The client has room for one more. */
  ack(): void
  /** `isCut`: the client did not leave, but its session is over. The rest waits for its next one. */
  leave(isCut: boolean): void
}

/** How many values are ahead of their reader. Beyond that, the handler's `send` waits. */
const valuesAhead = 16

/** How many answers are kept of which the client has not said that they came. */
const answeredMax = 1_000

/** Sent only to clients that observe the job or listen to the type. */
const isPassing = (type: string): boolean => type === 'progress' || type === 'log' || type === 'value'

export class Session {
  readonly #engine: LocalEngine
  readonly #options: SessionOptions
  readonly #connection: Connection
  /** By id, the newest first. */
  readonly #watched = new Map<string, Watched>()
  readonly #readers = new Map<number, Reader>()
  readonly #lists = new Map<number, ListSender>()
  /** The event types that the client listens to. */
  readonly #listeners = new Map<EventType, () => void>()
  readonly #stops: readonly (() => void)[]
  #queues: readonly string[] = []
  /** Set while the client observes the board. */
  #stopObserving: (() => void) | undefined
  #stopBoardTimer: (() => void) | undefined
  #isClosed = false

  constructor(engine: LocalEngine, post: Post, options: SessionOptions) {
    this.#engine = engine
    this.#options = options
    this.#connection = new Connection(post, {
      // A short text takes the place of whatever cannot be cloned.
      repair: (message) => message.map(readable) as unknown as Message,
      onBroken: () => this.close(),
    })
    this.#connection.send('welcome', engine.isPaused, engine.pausedQueues)
    this.#stops = [
      engine.onStranded((jobs, error) => {
        const ids = jobs.filter((job) => this.#watchedOf(job)).map(({ record }) => record.id)
        this.#connection.send('stranded', ids, thrownToWire(error))
      }),
      engine.bus.on('paused', ({ queue, group }) => this.#sendPause(queue, group, true)),
      engine.bus.on('resumed', ({ queue, group }) => this.#sendPause(queue, group, false)),
    ]
  }

  #sendPause(queue: string | undefined, group: string | undefined, isPaused: boolean): void {
    this.#connection.send('paused', queue === undefined ? undefined : queueKey(queue, group), isPaused)
  }

  /** Takes whatever has come over the wire, and drops what is no message of a client. */
  receive(messages: unknown): void {
    if (this.#isClosed) return
    for (const [type, ...details] of messagesOf(messages, fromClient)) this.#verbs[type]?.(...(details as never[]))
  }

  close(): void {
    this.#isClosed = true
    for (const stop of this.#stops) stop()
    this.#stopObserving?.()
    this.#stopBoardTimer?.()
    for (const stop of this.#listeners.values()) stop()
    for (const newest of this.#watched.values())
      for (let watched: Watched | undefined = newest; watched; watched = watched.older) watched.stop()
    for (const reader of this.#readers.values()) reader.leave(true)
    for (const list of this.#lists.values()) list.close()
    this.#connection.close()
  }

  readonly #verbs: Readonly<Record<string, (...details: never[]) => void>> = {
    ask: (id: number, kind: QuestionKind, args: never[]) => void this.#answer(id, kind, args),
    done: (id: number) => void this.#options.answered.delete(id),
    listen: (types: readonly EventType[]) => {
      for (const stop of this.#listeners.values()) stop()
      this.#listeners.clear()
      for (const type of types)
        this.#listeners.set(
          type,
          this.#engine.bus.on(type, (event) => this.#sendEvent(event)),
        )
    },
    // What the client knew when it lost its last session.
    watch: (known: readonly (readonly [job: JobRef, isAttended: boolean, finishMs: number | undefined])[]) => {
      for (const [ref, isAttended, finishMs] of known)
        if (!this.#attend(ref, isAttended, finishMs)) this.#connection.send('gone', ref[0], false)
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
    attend: (ref: JobRef) => void this.#attend(ref, true),
    look: (queues: readonly string[], isObserving: boolean) => {
      this.#queues = queues
      this.#stopObserving?.()
      this.#stopObserving = isObserving
        ? this.#engine.subscribe(() => {
            this.#stopBoardTimer ??= this.#options.clock.startTimer(() => this.#sendBoard(), boardMs, false)
          })
        : undefined
      this.#sendBoard()
    },
    // The client numbers its readings: a job may have had a reader before, and messages of that reading may still be on their way.
    read: (reading: number, ref: JobRef, ahead: number, after: number | undefined) =>
      void this.#read(reading, ref, ahead, after),
    ack: (reading: number) => this.#readers.get(reading)?.ack(),
    unread: (reading: number) => this.#readers.get(reading)?.leave(false),
  }

  // Questions.

  async #answer(id: number, kind: QuestionKind, args: never[]): Promise<void> {
    const engine = this.#engine
    const added: Watched[] = []
    try {
      const answered = await this.#onceOnly(id, kind, () => answer(engine, kind, this.#argsFromWire(kind, args, added)))
      // Its jobs are watched by the next session, if any.
      if (this.#isClosed) return
      // The client has the input of a job that it has just added, unless an extension gave the job another.
      const inputs = kind === 'insert' ? (args[0] as unknown as readonly WireInsert[]).map(({ input }) => input) : []
      // A command returns a value, whatever it looks like.
      const gone: string[] = []
      const toSend =
        kind === 'command'
          ? answered
          : kind === 'set'
            ? isPaused(engine, args[0])
            : this.#answerToWire(answered, inputs, gone)
      if (!engine.isClosed || kind !== 'idle') this.#connection.send('answer', id, toSend)
      for (const goneId of gone) this.#connection.send('gone', goneId, true)
    } catch (error) {
      for (const watched of added) if (!watched.sent) this.#unwatch(watched)
      // When the engine is closed, the client asks the next engine again.
      if ((error as OffstageError).code !== 'SCHEDULER_CLOSED' && !engine.isEnded)
        this.#connection.send('refusal', id, thrownToWire(error))
    }
  }

  #onceOnly(id: number, kind: QuestionKind, ask: () => Promise<unknown>): Promise<unknown> {
    if (!isOnceOnly(kind)) return ask()
    const { answered } = this.#options
    const answering = answered.get(id) ?? ask()
    answered.set(id, answering)
    const [oldest] = answered.keys()
    if (answered.size > answeredMax) answered.delete(oldest as number)
    return answering
  }

  #argsFromWire(kind: QuestionKind, args: unknown[], added: Watched[]): unknown[] {
    if (kind === 'act') {
      const [verb, target, argument] = args as [Verb, JobRef | string | JobFilter, WireThrown]
      const meant = Array.isArray(target) ? this.#find(target as unknown as JobRef) : target
      return [verb, meant, thrownFromWire(argument, this.#options.errors)]
    }
    if (kind !== 'insert') return args
    const [inserts, ...rest] = args as [readonly WireInsert[]]
    // From the first moment: a job may end before the answer is sent.
    const attach = (job: JobView, isAttended: boolean) => {
      if (this.#isClosed) return
      const isNew = !this.#watchedOf(job)
      const watched = this.#watch(job, isAttended)
      watched.known ??= job.record
      if (isNew) added.push(watched)
    }
    return [inserts.map((insert) => insertFromWire(insert, attach)), ...rest]
  }

  #answerToWire(answer: unknown, inputs: readonly unknown[], gone: string[]): unknown {
    if (Array.isArray(answer)) return answer.map((item, at) => this.#answerToWire(item, inputs.slice(at, at + 1), gone))
    if (isJob(answer)) return recordToWire(this.#given(answer, gone))
    if (typeof answer !== 'object' || answer === null || !('disposition' in answer)) return answer
    const { job, disposition } = answer as Inserted
    const record = this.#given(job, gone)
    const isKnown = disposition !== 'existing' && inputs.includes(record.input)
    return [isKnown ? changeToWire(record) : recordToWire(record), disposition]
  }

  /** Watches the job, unless it was removed before its answer could be sent. */
  #given(job: JobView, gone: string[]): JobRecord {
    const { id } = job.record
    if (this.#engine.job(id) === job) return this.#sending(this.#watch(job, false))
    gone.push(id)
    return job.visible
  }

  // Watching.

  #find(ref: JobRef): LiveJob | undefined {
    const job = this.#engine.job(ref[0])
    return isJobOf(job, ref) ? job : undefined
  }

  #watchedOf(job: JobView): Watched | undefined {
    let watched = this.#watched.get(job.record.id)
    while (watched && watched.job !== job) watched = watched.older
    return watched
  }

  #watch(job: JobView, isAttended: boolean): Watched {
    let watched = this.#watchedOf(job)
    if (!watched) {
      const { id } = job.record
      const observers = job.observe()
      const stops = [
        observers.watch((event) => {
          const isWanted = made.isAttended || !isPassing(event.type) || this.#listeners.has(event.type)
          if (isWanted) this.#connection.send('event', eventToWire(event), this.#change(made))
          if (event.type === 'removed') this.#unwatch(made)
        }),
        observers.subscribe(() => this.#sendChange(made)),
      ]
      const stop = () => {
        for (const each of stops) each()
      }
      const made: Watched = { job, sent: undefined, known: undefined, isAttended, stop, older: this.#watched.get(id) }
      watched = made
      this.#watched.set(id, made)
    }
    watched.isAttended ||= isAttended
    return watched
  }

  /** `finishMs`: when the job ended, as far as the client knows. Returns whether the job is there. */
  #attend(ref: JobRef, isAttended: boolean, finishMs?: number): boolean {
    const job = this.#find(ref)
    if (!job) return false
    const watched = this.#watch(job, isAttended)
    if (job.hasEnded && job.record.finishMs === finishMs) this.#sending(watched)
    // If the job is not committed yet, it is sent when it is.
    if (job.committed) this.#sendChange(watched)
    if (isAttended && job.progress !== undefined) this.#connection.send('progress', ref[0], job.progress)
    return true
  }

  #unwatch(watched: Watched): void {
    watched.stop()
    const { id } = watched.job.record
    const newest = this.#watched.get(id)
    if (newest === watched) {
      if (watched.older) this.#watched.set(id, watched.older)
      else this.#watched.delete(id)
    } else for (let each = newest; each; each = each.older) if (each.older === watched) each.older = watched.older
  }

  /** Sends an event, unless the watcher of its job does. */
  #sendEvent(event: AnyEvent): void {
    const { jobId } = event as Partial<JobEvent>
    const watched = jobId === undefined || isExtensionEvent(event.type) ? undefined : this.#watched.get(jobId)
    // A job that is not committed has no events: this one is of the job that it replaces.
    if (!watched?.job.committed && !watched?.older) this.#connection.send('event', eventToWire(event))
  }

  #sendChange(watched: Watched): void {
    const change = this.#change(watched)
    if (change) this.#connection.send('change', change)
  }

  #change(watched: Watched) {
    const { job, sent, known } = watched
    if (sent === job.visible) return undefined
    const record = this.#sending(watched)
    // Only `update` changes the input. It changes rules as well, and so does an extension that marks the job.
    const { input, rules } = record
    return {
      ...changeToWire(record),
      ...((!known || known.input !== input) && { input }),
      ...(known?.rules !== rules && { rules }),
    }
  }

  #sending(watched: Watched): JobRecord {
    const { visible } = watched.job
    watched.sent = visible
    watched.known = visible
    return visible
  }

  #sendBoard(): void {
    this.#stopBoardTimer?.()
    this.#stopBoardTimer = undefined
    this.#connection.send('board', this.#board())
  }

  #board(): Board {
    const queues = Object.fromEntries(
      this.#queues.flatMap((name) => {
        const { size, running, nextStartAt = 0 } = this.#engine.queue(name)
        return size + running + nextStartAt > 0 ? [[name, [size, running, nextStartAt] as const]] : []
      }),
    )
    return { snapshot: this.#engine.snapshot(), stats: this.#engine.stats(), queues }
  }

  // Values.

  async #read(reading: number, ref: JobRef, ahead: number, after: number | undefined): Promise<void> {
    const job = this.#find(ref)
    let thrown: WireThrown | undefined
    try {
      if (job) await this.#sendValues(reading, job, valuesAhead - ahead, after)
    } catch (error) {
      thrown = thrownToWire(error)
    }
    this.#connection.send('end', reading, thrown)
  }

  async #sendValues(reading: number, job: LiveJob, room: number, after: number | undefined): Promise<void> {
    const stream = this.#engine.values(job, after)
    let resume = () => {}
    this.#readers.set(reading, {
      ack() {
        room++
        resume()
      },
      leave(isCut) {
        room = Number.POSITIVE_INFINITY
        if (isCut) job.observe().interrupt(stream)
        else void stream.return()
        resume()
      },
    })
    for (;;) {
      while (room <= 0)
        await new Promise<void>((resolve) => {
          resume = resolve
        })
      const { done, value } = await stream.next()
      if (done) break
      this.#connection.send('value', reading, value, stream instanceof NumberedStream ? stream.after : undefined)
      room--
    }
    this.#readers.delete(reading)
  }
}

const isPaused = (engine: LocalEngine, queue: string | undefined): boolean =>
  (queue === undefined ? engine : engine.queue(queue)).isPaused
