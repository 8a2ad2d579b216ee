/** A follower, as the tab sees it that runs the jobs. */
import type { Inserted, JobFilter, Verb } from '../engine/engine.ts'
import { LiveJob } from '../engine/live-job.ts'
import type { LocalEngine } from '../engine/local-engine.ts'
import type { EventBus } from '../events/event-bus.ts'
import type { AnyEvent, EventType, JobEvent } from '../events/event-map.ts'
import type { EventStream } from '../events/stream.ts'
import { type ResolvedDefaults, resolveDefaults } from '../job/job-options.ts'
import type { JobRecord } from '../job/record.ts'
import type { Channel } from '../platform/tabs.ts'
import { readable } from '../shared/clone.ts'
import { type ErrorClass, thrownFromWire, thrownToWire, type WireThrown } from '../shared/error-wire.ts'
import type { OffstageError } from '../shared/errors.ts'
import { type Ask, answers } from './answers.ts'
import type { Board } from './board.ts'
import { guestNotes, notesOf } from './shapes.ts'
import { changeToWire, eventToWire, type Letter, Link, type Note, recordToWire, type WireInsert } from './wire.ts'

/** How the scheduler or a queue is set: each tab keeps it, and whoever comes to lead goes on from there. */
export type Steer = readonly [
  queue: string | undefined,
  what: 'isPaused' | 'setConcurrency' | 'setRateLimit',
  value: unknown,
]

/** A job of which the follower is told. */
interface Watched {
  readonly job: LiveJob
  /** The record as the follower has it. */
  sent: JobRecord | undefined
  /** Somebody there looks on: progress, logs and values go there too. */
  isAttended: boolean
  readonly stop: () => void
}

/** Reads the values of a job for a follower. */
interface Reader {
  taken(): void
  leave(): void
}

/** How many values are on their way to a reader in another tab; the handler's `send` waits for more. */
const valuesAhead = 16

/** Only those who look on at the job hear these. */
const isPassing = (type: string): boolean => type === 'progress' || type === 'log' || type === 'value'

export class Guest {
  readonly #local: LocalEngine
  readonly #bus: EventBus
  readonly #errors: readonly ErrorClass[]
  readonly #onSteer: (steer: Steer) => void
  readonly #link: Link
  readonly #watched = new Map<string, Watched>()
  /** Those too that are being replaced by one of the same id. */
  readonly #allWatched = new Set<Watched>()
  readonly #readers = new Map<number, Reader>()
  readonly #heard = new Map<EventType, () => void>()
  readonly #stopStranded: () => void
  #queues: readonly string[] = []
  /** Wants to know of every change of the board. */
  isObserving = false

  constructor(
    local: LocalEngine,
    bus: EventBus,
    errors: readonly ErrorClass[],
    line: { readonly channel: Channel; readonly from: string; readonly epoch: number },
    steers: readonly Steer[],
    onSteer: (steer: Steer) => void,
  ) {
    this.#local = local
    this.#bus = bus
    this.#errors = errors
    this.#onSteer = onSteer
    // Whatever of it cannot be cloned goes as a few words.
    const repair = (note: Note): Note => note.map(readable) as unknown as Note
    this.#link = new Link(line.channel, line.from, line.epoch, repair, () => this.#link.post('board', this.#board()))
    this.#link.post('welcome', steers)
    this.#stopStranded = local.onStranded((jobs, error) => {
      const ids = jobs.map(({ record }) => record.id).filter((id) => this.#watched.has(id))
      this.#link.post('stranded', ids, thrownToWire(error))
    })
  }

  /** Somebody has set something. */
  steer(steer: Steer): void {
    this.#link.post('steer', steer)
  }

  hear(letter: Letter): void {
    for (const [type, ...details] of notesOf(letter, guestNotes)) this.#verbs[type]?.(...(details as never[]))
  }

  /** Tells how things are. */
  showBoard(): void {
    this.#link.flush()
  }

  leave(): void {
    this.#stopStranded()
    for (const stop of this.#heard.values()) stop()
    for (const { stop } of this.#allWatched) stop()
    for (const reader of this.#readers.values()) reader.leave()
    this.#link.close()
  }

  readonly #verbs: Readonly<Record<string, (...details: never[]) => void>> = {
    ask: (id: number, ask: Ask | 'steer', args: never[]) => void this.#answer(id, ask, args),
    hear: (types: readonly EventType[]) => {
      for (const stop of this.#heard.values()) stop()
      this.#heard.clear()
      for (const type of types)
        this.#heard.set(
          type,
          this.#bus.on(type, (event) => this.#hear(event)),
        )
    },
    // What it knew of, when it lost sight of another leader.
    watch: (known: readonly (readonly [id: string, isAttended: boolean])[]) => {
      for (const [id, isAttended] of known) {
        const job = this.#local.job(id)
        if (job) this.#show(job, isAttended)
        else this.#link.post('gone', id)
      }
    },
    attend: (id: string) => {
      const job = this.#local.job(id)
      if (job) this.#show(job, true)
    },
    look: (queues: readonly string[], isObserving: boolean) => {
      this.#queues = queues
      this.isObserving = isObserving
      this.showBoard()
    },
    // By a number of the follower's: a job may have had a reader before, of which some is still on its way.
    read: (reading: number, id: string) => void this.#read(reading, id),
    taken: (reading: number) => this.#readers.get(reading)?.taken(),
    unread: (reading: number) => this.#readers.get(reading)?.leave(),
  }

  // Questions.

  async #answer(id: number, ask: Ask | 'steer', args: never[]): Promise<void> {
    const local = this.#local
    const attached: LiveJob[] = []
    try {
      if (ask === 'steer') {
        // The next leader is asked again.
        if (local.isClosed) return
        this.#onSteer(args[0] as unknown as Steer)
        return this.#link.post('answer', id)
      }
      const answer = await answers[ask](local, ...(this.#argsFromWire(ask, args, attached) as [never, never, never]))
      if (!local.isClosed || ask !== 'idle') this.#link.post('answer', id, this.#answerToWire(answer))
    } catch (error) {
      // What was to be added never was.
      for (const watched of this.#allWatched)
        if (!watched.job.committed && attached.includes(watched.job)) this.#unwatch(watched)
      // Then the next leader is asked again.
      if ((error as OffstageError).code !== 'SCHEDULER_CLOSED' && !local.isEnded)
        this.#link.post('refusal', id, thrownToWire(error))
    }
  }

  #argsFromWire(ask: Ask, args: unknown[], attached: LiveJob[]): unknown[] {
    if (ask === 'act') {
      const [verb, target, argument] = args as [Verb, string | JobFilter, WireThrown]
      const job = typeof target === 'string' && this.#local.job(target)
      if (job) this.#watch(job, false)
      return [verb, target, thrownFromWire(argument, this.#errors)]
    }
    if (ask !== 'insert') return args
    const [requests, ...rest] = args as [readonly WireInsert[]]
    const toRequest = ({ isAttended, ...request }: WireInsert) => ({
      ...request,
      defaults: noDefaults,
      transfer: undefined,
      // From the first moment: it may have ended before the answer is there.
      attach: (job: LiveJob) => {
        attached.push(job)
        this.#watch(job, isAttended)
      },
    })
    return [requests.map(toRequest), ...rest]
  }

  #answerToWire(answer: unknown): unknown {
    if (Array.isArray(answer)) return answer.map((item) => this.#answerToWire(item))
    if (isJob(answer)) {
      const watched = this.#watch(answer, false)
      watched.sent = answer.visible
      return recordToWire(answer.visible)
    }
    if (typeof answer !== 'object' || answer === null || !('disposition' in answer)) return answer
    const { job, disposition } = answer as Inserted
    const watched = this.#watch(job, false)
    watched.sent = job.visible
    // The input of a job that it has just added is there already.
    return [disposition === 'existing' ? recordToWire(job.visible) : changeToWire(job.visible), disposition]
  }

  // Telling.

  #watch(job: LiveJob, isAttended: boolean): Watched {
    const { id } = job.record
    let watched = this.#watched.get(id)
    if (watched?.job !== job) {
      const observers = job.observe()
      const stops = [
        observers.watch((event) => {
          const isWanted = made.isAttended || !isPassing(event.type) || this.#heard.has(event.type)
          if (isWanted) this.#link.post('event', eventToWire(event), this.#change(made))
          if (event.type === 'removed') this.#unwatch(made)
        }),
        observers.subscribe(() => this.#tellChange(made)),
      ]
      const stop = () => {
        for (const each of stops) each()
      }
      const made: Watched = { job, sent: undefined, isAttended, stop }
      watched = made
      this.#watched.set(id, made)
      this.#allWatched.add(made)
    }
    watched.isAttended ||= isAttended
    return watched
  }

  #show(job: LiveJob, isAttended: boolean): void {
    const watched = this.#watch(job, isAttended)
    // What is not safe yet is told when it is.
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
    if (jobId === undefined || !this.#watched.has(jobId)) this.#link.post('event', eventToWire(event))
  }

  #tellChange(watched: Watched): void {
    const change = this.#change(watched)
    if (change) this.#link.post('change', change)
  }

  #change(watched: Watched) {
    const { visible } = watched.job
    if (watched.sent === visible) return undefined
    watched.sent = visible
    return changeToWire(visible)
  }

  #board(): Board {
    const queues = Object.fromEntries(
      this.#queues.flatMap((name) => {
        const { size, running } = this.#local.queue(name)
        return size + running > 0 ? [[name, [size, running] as const]] : []
      }),
    )
    return { snapshot: this.#local.snapshot(), stats: this.#local.stats(), queues }
  }

  // Values.

  async #read(reading: number, id: string): Promise<void> {
    const job = this.#local.job(id)
    let thrown: WireThrown | undefined
    try {
      if (job) await this.#passOn(reading, this.#local.values(job))
    } catch (error) {
      thrown = thrownToWire(error)
    }
    this.#link.post('end', reading, thrown)
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
      this.#link.post('value', reading, value)
      if (--room > 0) continue
      await new Promise<void>((resolve) => {
        resume = resolve
      })
    }
    this.#readers.delete(reading)
  }
}

export const noDefaults: ResolvedDefaults = resolveDefaults()

const isJob = (value: unknown): value is LiveJob => value instanceof LiveJob
