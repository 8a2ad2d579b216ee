import type { JobRecord } from '../job/record.ts'
import { Claims, canShare } from '../shared/claims.ts'
import { cloneError } from '../shared/clone.ts'
import { tinyMs } from '../shared/cost.ts'
import { type Deferred, defer } from '../shared/deferred.ts'
import { thrownToWire, type WireThrown } from '../shared/error-wire.ts'
import type { Port } from '../shared/port.ts'
import type { Timer } from '../timers/timer-queue.ts'
import { heardLength } from './note.ts'
import { Outbox } from './outbox.ts'
import { fromThread, type Resume, toThread, toThreadFields } from './protocol.ts'

/** What a thread says, told to the pool. */
export interface WorkerListener {
  onBegun(attempt: Attempt): void
  onDone(attempt: Attempt, runMs: number, result: unknown): void
  onFailed(attempt: Attempt, runMs: number, thrown: WireThrown, isFinal: boolean): void
  onProgress(attempt: Attempt, progress: unknown): void
  onValue(attempt: Attempt, value: unknown): void
  onLog(attempt: Attempt, args: unknown[]): void
  onKeep(attempt: Attempt, call: number, key: string, value: unknown): void
  onFatal(worker: PoolWorker, thrown: WireThrown): void
  /** It said what is no message of ours. Nothing that it says can be relied on any more, nor that it says what it should. */
  onNonsense(worker: PoolWorker): void
  /** One message is about to be told. */
  onHearing(): void
  /** All that one message said has been told. */
  onHeard(worker: PoolWorker): void
}

/** How many attempts may be on their way to one thread, however short they are. */
const attemptsMax = 1_024
/** A power of two, and more than may be on one thread: old numbers keep their places. */
const placesFor = (concurrency: number): number => 2 ** Math.ceil(Math.log2(2 * Math.max(attemptsMax, concurrency)))

/** One thread as the pool sees it: a port, and the attempts that are on it. */
export class PoolWorker {
  readonly id: number
  readonly port: Port
  /**
   * What is in a place where there is no attempt. It is more than a gap: V8 forgets the shape of objects with the last of them,
   * and with it the code that was made for it, so that after each pause all would be slow again.
   */
  readonly #none = new Attempt(0, undefined, this, undefined as never, undefined, 0, false)
  /** By wireId, whose last bits are its place: a table by number costs several times as much. */
  readonly #places: Attempt[]
  /** How many attempts are on it. */
  size = 0
  /** Of these: to be sent, but not yet. */
  #held: Attempt[] = []
  /** The run that has this thread to itself. */
  #alone: Attempt | undefined
  #claims: Claims | undefined
  #lastWireId = 0
  /** Nothing was heard of it for long, and so what waits on it waits for something long. */
  isStuck = false
  wasHeard = true
  /** It keeps the process alive: until it is first at rest, as a thread that is loading does. */
  #isHeld = true
  /** For the end of a thread above `min` that gets no work. */
  idleTimer: Timer | undefined
  /** What it was found not to have taken up, how many times in a row. */
  #passedOver = 0
  #timesPassedOver = 0
  readonly #concurrency: number
  readonly #listener: WorkerListener
  readonly #outbox: Outbox
  /** How long it will be busy with what is on it. */
  workMs = 0
  /** Resolves when the thread has loaded its module; rejected by whoever gives up on it. */
  readonly ready = defer<void>()
  isReady = false
  /** When it was made, and when it said that it is ready; in monotonic time. */
  madeAt = 0
  readyAt = 0
  /** Resolves when it has lived long enough; rejected when it ends before. */
  probation: Deferred<void> | undefined
  isClosing = false
  /** Completed since it started: it is no crash loop. */
  completed = 0

  constructor(id: number, port: Port, concurrency: number, listener: WorkerListener) {
    this.id = id
    this.port = port
    this.#concurrency = concurrency
    this.#listener = listener
    this.#places = new Array(placesFor(concurrency)).fill(this.#none)
    this.#outbox = new Outbox(
      (batch, transfer) => port.post(batch, transfer),
      toThreadFields,
      (note, cause) => this.#refuse(note, cause),
    )
    port.onMessage((batch) => this.#hear(batch))
  }

  get isIdle(): boolean {
    return this.size === 0
  }

  /** In the order in which they were given to it, which is the order in which the thread takes them up. */
  get attempts(): Attempt[] {
    return this.#places.filter((attempt) => attempt !== this.#none).sort((a, b) => (a.wireId - b.wireId) | 0)
  }

  has(attempt: Attempt): boolean {
    return this.#attemptOf(attempt.wireId) === attempt
  }

  #attemptOf(wireId: number): Attempt | undefined {
    const attempt = this.#places[this.#placeOf(wireId)]
    return attempt?.wireId === wireId && attempt !== this.#none ? attempt : undefined
  }

  #placeOf(wireId: number): number {
    return wireId & (this.#places.length - 1)
  }

  /** Whether one more attempt may be sent: at once to an idle thread, ahead of time when all of it is short work. */
  hasRoom(costMs: number, isAlone: boolean, workMsMax: number): boolean {
    if (!this.isReady || this.isClosing) return false
    const { size } = this
    if (size === 0) return true
    if (isAlone || this.#alone || this.isStuck) return false
    if (size < this.#concurrency) return true
    return size < attemptsMax && this.workMs + costMs <= workMsMax
  }

  /** Whether an attempt waits on it behind another. */
  get isAwaited(): boolean {
    if (this.size > this.#concurrency) return true
    return this.size > 1 && this.isShared && this.attempts.some((attempt) => attempt.isSent && !this.hasTaken(attempt))
  }

  /** Whether it has begun with an attempt; without claims, whether it has said so. */
  hasTaken(attempt: Attempt): boolean {
    return this.#claims ? attempt.isSent && !this.#claims.isOpen(attempt.wireId) : attempt.isBegun
  }

  /**
   * What it was sent first, if it has taken up nothing at all of what is on it. Without claims nothing is known of an attempt
   * that is tiny: it may be under way, and for long.
   */
  get #untouched(): Attempt | undefined {
    const { attempts } = this
    const [first] = attempts
    if (!first?.isSent || attempts.some((attempt) => this.hasTaken(attempt))) return undefined
    return this.#claims || isWatched(first) ? first : undefined
  }

  /** Whether it may prove not to take up what is on it. */
  get mayBeDeaf(): boolean {
    return this.attempts.some((attempt) => !this.hasTaken(attempt) && (this.isShared || isWatched(attempt)))
  }

  /** To be asked at intervals, when all that has arrived was heard: how many times in a row it has not even begun with the same attempt. */
  countPassedOver(): number {
    const wireId = this.#untouched?.wireId ?? 0
    this.#timesPassedOver = wireId !== 0 && wireId === this.#passedOver ? this.#timesPassedOver + 1 : 0
    this.#passedOver = wireId
    return this.#timesPassedOver
  }

  /** A number of 32 bits, not 0, whose place is free: one from long ago may still be in it. */
  nextWireId(): number {
    do this.#lastWireId = (this.#lastWireId + 1) | 0 || 1
    while (this.#places[this.#placeOf(this.#lastWireId)] !== this.#none)
    return this.#lastWireId
  }

  reserve(attempt: Attempt): void {
    this.size++
    if (!this.#isHeld) this.#hold(true)
    this.#places[this.#placeOf(attempt.wireId)] = attempt
    this.workMs += attempt.costMs
    if (attempt.isAlone) this.#alone = attempt
  }

  /** An idle thread must not keep the process alive. Not said at once: mostly there is work again within the same turn. */
  rest(): void {
    if (this.#isHeld && this.isIdle) this.#hold(false)
  }

  #hold(isHeld: boolean): void {
    this.#isHeld = isHeld
    this.port.hold(isHeld)
  }

  free(attempt: Attempt): void {
    if (!this.has(attempt)) return
    this.#places[this.#placeOf(attempt.wireId)] = this.#none
    this.size--
    // Summing up and taking away many fractions leaves a rest; an empty thread starts at zero again.
    this.workMs = this.size === 0 ? 0 : this.workMs - attempt.costMs
    if (this.#alone === attempt) this.#alone = undefined
    if (!attempt.isSent && this.#held.includes(attempt)) this.#held = this.#held.filter((held) => held !== attempt)
  }

  /** To be sent with the next `flush` that finds the thread in need of it; moved values go at once. */
  send(attempt: Attempt): void {
    this.#held.push(attempt)
    if (attempt.transfer) this.#sendHeld(attempt.transfer)
  }

  /**
   * A thread that has more to do than what is held for it loses nothing by waiting for the next answer: what is sent then
   * goes in one message. Else answers to small messages would be small messages, and they would never grow again.
   */
  flush(): void {
    if (this.#held.length === 0) return
    const toDo = this.size - this.#held.length
    if (toDo < this.#concurrency || this.#held.length >= toDo) this.#sendHeld()
  }

  #sendHeld(transfer?: Transferable[]): void {
    const { batch } = this.#outbox
    for (const attempt of this.#held) {
      attempt.isSent = true
      this.#claims?.offer(attempt.wireId)
      const { id, name, attempt: count, rules, checkpoint, steps, input } = attempt.record
      const { headers } = rules
      const resume: Resume | 0 =
        checkpoint === undefined && steps === undefined && !headers
          ? 0
          : { checkpoint, steps: steps && new Map(steps), ...(headers && { headers }) }
      const mustSayBegun = rules.timeoutMs !== undefined || (!this.#claims && isWatched(attempt))
      if (count === 1 && !mustSayBegun && !resume) batch.push(toThread.runFirst, attempt.wireId, name, id, input)
      else batch.push(toThread.run, attempt.wireId, name, id, count, mustSayBegun ? 1 : 0, resume, input)
    }
    this.#held = []
    this.#outbox.flush(transfer)
  }

  /** Whether it is known of each attempt if it has begun. */
  get isShared(): boolean {
    return this.#claims !== undefined
  }

  /** Takes an attempt back. Then it has not begun, and never will. */
  recall(attempt: Attempt): boolean {
    return !attempt.isSent || this.#claims?.claim(attempt.wireId) === true
  }

  abort(attempt: Attempt, reason: unknown): void {
    if (!attempt.isSent) return
    this.#outbox.open().push(toThread.abort, attempt.wireId, thrownToWire(reason))
  }

  /** Lets the handler send more values. */
  taken(attempt: Attempt, count: number): void {
    if (this.has(attempt)) this.#outbox.open().push(toThread.taken, attempt.wireId, count)
  }

  /** A checkpoint or step is safe. */
  kept(attempt: Attempt, call: number): void {
    if (this.has(attempt)) this.#outbox.open().push(toThread.kept, attempt.wireId, call)
  }

  #refuse(note: unknown[], cause: unknown): void {
    if (note[0] === toThread.claims) this.#claims = undefined
    const attempt = this.#attemptOf(note[1] as number)
    if (attempt && (note[0] === toThread.run || note[0] === toThread.runFirst)) {
      this.#listener.onFailed(attempt, 0, thrownToWire(cloneError(attempt.record.input, 'input', cause)), true)
    }
  }

  #hear(batch: unknown): void {
    this.wasHeard = true
    this.isStuck = false
    this.#listener.onHearing()
    if (!this.#hearNotes(batch)) this.#listener.onNonsense(this)
    this.#listener.onHeard(this)
  }

  /** Up to the first that is none; then behind it nothing can be told apart. Returns whether all of them are. */
  #hearNotes(batch: unknown): boolean {
    if (!Array.isArray(batch)) return false
    for (let at = 0; at < batch.length; ) {
      const length = heardLength(batch, at)
      // A second time it would have begun anew, without what was sent to it.
      if (length === 0 || (batch[at] === fromThread.ready && this.isReady)) return false
      this.#hearNote(batch, at)
      at += length
    }
    return true
  }

  #share(): void {
    if (!canShare) return
    const memory = Claims.memory(this.#places.length)
    this.#claims = new Claims(memory)
    this.#outbox.open().push(toThread.claims, memory)
  }

  #hearNote(batch: unknown[], at: number): void {
    const operation = batch[at]
    if (operation === fromThread.ready) {
      if (this.#concurrency > 1) this.#outbox.open().push(toThread.concurrency, this.#concurrency)
      this.#share()
      this.isReady = true
      return this.ready.resolve()
    }
    if (operation === fromThread.fatal) return this.#listener.onFatal(this, batch[at + 1] as WireThrown)
    const attempt = this.#attemptOf(batch[at + 1] as number)
    // Mostly it has been aborted or taken back meanwhile.
    if (!attempt?.isSent) return
    switch (operation) {
      case fromThread.begun:
        return this.#listener.onBegun(attempt)
      case fromThread.done:
        this.completed++
        return this.#listener.onDone(attempt, (batch[at + 2] as number) / 1_000, batch[at + 3])
      case fromThread.failed:
        return this.#listener.onFailed(
          attempt,
          (batch[at + 2] as number) / 1_000,
          batch[at + 3] as WireThrown,
          batch[at + 4] as boolean,
        )
      case fromThread.progress:
        return this.#listener.onProgress(attempt, batch[at + 2])
      case fromThread.value:
        return this.#listener.onValue(attempt, batch[at + 2])
      case fromThread.log:
        return this.#listener.onLog(attempt, batch[at + 2] as unknown[])
      case fromThread.keep:
        return this.#listener.onKeep(attempt, batch[at + 2] as number, batch[at + 3] as string, batch[at + 4])
    }
  }
}

/** Its thread says when it begins: it has a time limit, or is not known to be tiny. */
const isWatched = (attempt: Attempt): boolean =>
  attempt.costMs >= tinyMs || attempt.record.rules.timeoutMs !== undefined

/** One attempt on one thread, from the moment a place is reserved for it until the thread has let go of it. */
export class Attempt<Owner = unknown> {
  readonly wireId: number
  readonly owner: Owner
  readonly worker: PoolWorker
  /** As it was started. */
  readonly record: JobRecord
  /** Moved to the thread with the input, which is then gone here. */
  readonly transfer: Transferable[] | undefined
  /** How long the thread is expected to be busy with it. */
  readonly costMs: number
  /** It has the thread to itself. */
  readonly isAlone: boolean
  /** The thread has been told of it. */
  isSent = false
  /** The thread has said that it runs; a run that is not known to have begun may have, if it is short. */
  isBegun = false
  /** For its time limit, once it has begun. */
  timeout: Timer | undefined
  /** It has lost the right to settle its job: cancelled, timed out. Whatever it says is ignored. */
  isStale = false

  constructor(
    wireId: number,
    owner: Owner,
    worker: PoolWorker,
    record: JobRecord,
    transfer: Transferable[] | undefined,
    costMs: number,
    isAlone: boolean,
  ) {
    this.wireId = wireId
    this.owner = owner
    this.worker = worker
    this.record = record
    this.transfer = transfer
    this.costMs = costMs
    this.isAlone = isAlone
  }
}
