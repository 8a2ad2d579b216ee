import type { JobHeaders, JobRecord } from '../job/record.ts'
import { never } from '../job/retry.ts'
import type { Signal } from '../job/waits.ts'
import { Claims, canShare } from '../shared/claims.ts'
import { cloneError } from '../shared/clone.ts'
import { tinyMs } from '../shared/cost.ts'
import { type Deferred, defer } from '../shared/deferred.ts'
import { thrownToWire, type WireThrown } from '../shared/error-wire.ts'
import { type Parents, parentsToWire } from '../shared/parents.ts'
import type { Port } from '../shared/port.ts'
import type { Timer } from '../timers/timer-queue.ts'
import { checkedLength } from './message-check.ts'
import { Outbox } from './outbox.ts'
import { fromThread, type Resume, type SentWait, type Together, toThread, toThreadFields } from './protocol.ts'
import type { SharedCall } from './shared-call.ts'

/** Receives the messages of a worker; the pool. */
export interface WorkerListener {
  /** Returns what the handler finds in `job.parents`. Called for marked jobs alone. */
  parentsOf(attempt: Attempt): Parents | undefined
  onBegun(attempt: Attempt): void
  onDone(attempt: Attempt, runMs: number, result: unknown): void
  onFailed(attempt: Attempt, thrown: WireThrown, retryMs: number | undefined): void
  onSnoozed(attempt: Attempt, ms: number): void
  onRateLimited(attempt: Attempt, ms: number): void
  onWaiting(attempt: Attempt, waits: readonly SentWait[]): void
  onProgress(attempt: Attempt, progress: unknown): void
  onValue(attempt: Attempt, value: unknown): void
  onLog(attempt: Attempt, args: unknown[]): void
  onSave(attempt: Attempt, call: number, key: string, value: unknown): void
  onFatal(worker: PoolWorker, thrown: WireThrown): void
  /** The worker sent something that is no valid message. Nothing that it sends can be trusted any more. */
  onInvalid(worker: PoolWorker): void
  /** Called before the messages of a batch. */
  beforeMessages(): void
  /** Called after the messages of a batch. */
  afterMessages(worker: PoolWorker): void
}

/** How many attempts may be on their way to one worker, however short they are. */
const attemptsMax = 1_024
/**
 * A power of two, and larger than the number of attempts on a worker, so that an attempt with an old number keeps its place.
 */
const placesFor = (concurrency: number): number => 2 ** Math.ceil(Math.log2(2 * Math.max(attemptsMax, concurrency)))

/** One worker as the pool sees it: a port, and the attempts on it. */
export class PoolWorker {
  readonly id: number
  readonly port: Port
  /**
   * What fills an empty place. A plain gap would be slower: when the last attempt is collected, V8 forgets the shape of
   * attempts and the code that it compiled for it, and after each pause everything would be slow again. Its cost is a fraction,
   * because to V8 a whole number there is another shape.
   */
  readonly #none = new Attempt(0, undefined, this, undefined as never, undefined, 0.5, false)
  /** By wireId, whose last bits are the index of the place. A map by number costs several times as much. */
  readonly #places: Attempt[]
  /** How many attempts are on it. */
  size = 0
  /** How many of them share the place of another, in one call. */
  #sharing = 0
  /** By job type, which handlers take many jobs in one call; `undefined` if none does. */
  together: ReadonlyMap<string, Together> | undefined
  /** How many of them are not urgent, if workers are kept free for urgent ones; see spared.ts. */
  ordinary = 0
  /** The attempts that are not sent yet. */
  #held: Attempt[] = []
  /** The attempt that has this worker to itself. */
  #alone: Attempt | undefined
  #claims: Claims | undefined
  #lastWireId = 0
  /** The worker has sent nothing for long, so whatever waits on it waits behind something long. */
  isStuck = false
  hasResponded = true
  /**
   * Whether the worker keeps the process alive. It does so until it is idle for the first time, as a thread does that is
   * loading.
   */
  #isHeld = true
  /** Ends a worker above `min` that gets no work. */
  idleTimer: Timer | undefined
  /** The attempt that the last look found untaken, and how many looks in a row found it. */
  #passedOver = 0
  #timesPassedOver = 0
  readonly #concurrency: number
  readonly #listener: WorkerListener
  readonly #outbox: Outbox
  /** How long the attempts on it are expected to take, in milliseconds. */
  workMs = 0
  /** Resolves when the worker has loaded its module; rejected when the starter gives up on it. */
  readonly ready = defer<void>()
  isReady = false
  /** When it was made, and when it reported that it is ready, in monotonic time. */
  madeAt = 0
  readyAt = 0
  /** Resolves when the worker has lived long enough; rejected when it ends before. */
  probation: Deferred<void> | undefined
  isClosing = false
  /** How many attempts it has completed: a worker that completes some is not in a crash loop. */
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
      (message, cause) => this.#refuse(message, cause),
    )
    port.onMessage((batch) => this.#receive(batch))
  }

  get isIdle(): boolean {
    return this.size === 0
  }

  /** In the order in which they were sent, which is the order in which the worker takes them. */
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

  /** Whether one more attempt may be sent: at once to an idle worker, or ahead of time if all its work is short. */
  hasRoom(costMs: number, isAlone: boolean, workMsMax: number): boolean {
    if (!this.isReady || this.isClosing) return false
    const { size } = this
    if (size === 0) return true
    if (isAlone || !this.maySendMore) return false
    if (this.#taken < this.#concurrency) return true
    return size < attemptsMax && this.workMs + costMs <= workMsMax
  }

  /** How many of its places are taken. */
  get #taken(): number {
    return this.size - this.#sharing
  }

  /** Whether one more attempt may be sent, for all that is on it. */
  get maySendMore(): boolean {
    return !this.#alone && !this.isStuck && !this.isClosing && this.size < this.#places.length / 2
  }

  /** Whether an attempt on it waits behind another. */
  get isAwaited(): boolean {
    if (this.#taken > this.#concurrency) return true
    return this.size > 1 && this.isShared && this.attempts.some((attempt) => attempt.isSent && !this.hasTaken(attempt))
  }

  /** Whether the worker has begun an attempt; without claims, whether it has reported so. */
  hasTaken(attempt: Attempt): boolean {
    return this.#claims ? attempt.isSent && !this.#claims.isOpen(attempt.wireId) : attempt.isBegun
  }

  /**
   * The first attempt that was sent, if the worker has taken none of its attempts. Without claims nothing is known about a tiny
   * attempt: it may be running, and for long.
   */
  get #untouched(): Attempt | undefined {
    const { attempts } = this
    const [first] = attempts
    if (!first?.isSent || attempts.some((attempt) => this.hasTaken(attempt))) return undefined
    return this.#claims || isWatched(first) ? first : undefined
  }

  /** Whether the worker may turn out not to take its attempts. */
  get mayBeUnresponsive(): boolean {
    return this.attempts.some((attempt) => !this.hasTaken(attempt) && (this.isShared || isWatched(attempt)))
  }

  /**
   * Returns how many times in a row the worker had not even begun the same attempt. Call it at intervals, when all messages
   * that have arrived are handled.
   */
  countPassedOver(): number {
    const wireId = this.#untouched?.wireId ?? 0
    this.#timesPassedOver = wireId !== 0 && wireId === this.#passedOver ? this.#timesPassedOver + 1 : 0
    this.#passedOver = wireId
    return this.#timesPassedOver
  }

  /** Returns a number of 32 bits, not 0, whose place is free. An attempt from long ago may still be in a place. */
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
    if (attempt.sharesPlace) this.#sharing++
  }

  /**
   * Lets the process end while the worker is idle. Not called as soon as it is idle, because there is mostly new work within
   * the same turn.
   */
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
    // Adding and subtracting many fractions leaves a remainder; an idle worker starts at zero again.
    this.workMs = this.size === 0 ? 0 : this.workMs - attempt.costMs
    if (this.#alone === attempt) this.#alone = undefined
    attempt.call?.leave(attempt)
    // Another has the place.
    if (attempt.call && attempt.call.size > 0) this.#sharing--
    if (!attempt.isSent && this.#held.includes(attempt)) this.#held = this.#held.filter((held) => held !== attempt)
  }

  /** Sends the attempt with the next `flush` that finds the worker in need of it. With a transfer, it is sent at once. */
  send(attempt: Attempt): void {
    this.#held.push(attempt)
    if (attempt.transfer) this.#sendHeld(attempt.transfer)
  }

  /**
   * Sends the held attempts if the worker needs them. A worker that has more to do than what is held loses nothing by waiting
   * until it reports again, and then all of it goes in one message. Otherwise small batches would be answered by small batches,
   * and they would never grow again.
   */
  flush(): void {
    if (this.#held.length === 0) return
    const toDo = this.#taken - this.#held.length
    if (toDo < this.#concurrency || this.#held.length >= toDo) this.#sendHeld()
  }

  /** Sends attempts of one call. */
  sendTogether(attempts: readonly Attempt[]): void {
    if (this.isClosing || attempts.length === 0) return
    this.#held.push(...attempts)
    const transfer = attempts.flatMap((attempt) => attempt.transfer ?? [])
    this.#sendHeld(transfer.length > 0 ? transfer : undefined)
  }

  #sendHeld(transfer?: Transferable[]): void {
    const { batch } = this.#outbox
    for (const attempt of this.#held) {
      attempt.isSent = true
      this.#claims?.offer(attempt.wireId)
      const { id, name, attempt: count, rules, checkpoint, steps, input } = attempt.record
      const headers = attempt.headers ?? rules.headers
      const parents = rules.marks && this.#listener.parentsOf(attempt)
      const resume: Resume | 0 =
        checkpoint === undefined && steps === undefined && !headers && !parents
          ? 0
          : {
              checkpoint,
              steps: steps && new Map(steps),
              ...(headers && { headers }),
              ...(parents && parentsToWire(parents)),
            }
      const mustSayBegun = rules.timeoutMs !== undefined || (!this.#claims && isWatched(attempt))
      if (count === 1 && !mustSayBegun && !resume) batch.push(toThread.runFirst, attempt.wireId, name, id, input)
      else batch.push(toThread.run, attempt.wireId, name, id, count, mustSayBegun ? 1 : 0, resume, input)
      if (attempt.call)
        for (const signal of attempt.call.signalsFor(attempt)) batch.push(toThread.signal, attempt.wireId, signal)
    }
    this.#held = []
    this.#outbox.flush(transfer)
  }

  /** Whether the pool can tell of each attempt if it has begun. */
  get isShared(): boolean {
    return this.#claims !== undefined
  }

  /** Takes an attempt back. Returns whether that succeeded; then it has not begun and never will. */
  recall(attempt: Attempt): boolean {
    return !attempt.isSent || this.#claims?.claim(attempt.wireId) === true
  }

  abort(attempt: Attempt, reason: unknown): void {
    if (!attempt.isSent) return
    this.#outbox.open().push(toThread.abort, attempt.wireId, thrownToWire(reason))
  }

  /** Lets the handler send more values. */
  ack(attempt: Attempt, count: number): void {
    if (this.has(attempt)) this.#outbox.open().push(toThread.ack, attempt.wireId, count)
  }

  /** Reports to the worker that a checkpoint or step is committed. */
  confirmSave(attempt: Attempt, call: number): void {
    if (this.has(attempt)) this.#outbox.open().push(toThread.saved, attempt.wireId, call)
  }

  /** Tells the attempt of a signal. One that is still held is sent first; one that started later knows of it. */
  signal(attempt: Attempt, signal: Signal): void {
    if (this.#held.includes(attempt)) this.#sendHeld()
    if (attempt.call && !attempt.isSent) attempt.call.keep(attempt, signal)
    else if (attempt.isSent && this.has(attempt)) this.#outbox.open().push(toThread.signal, attempt.wireId, signal)
  }

  #refuse(message: unknown[], cause: unknown): void {
    if (message[0] === toThread.claims) this.#claims = undefined
    const attempt = this.#attemptOf(message[1] as number)
    if (attempt && (message[0] === toThread.run || message[0] === toThread.runFirst)) {
      this.#listener.onFailed(attempt, thrownToWire(cloneError(attempt.record.input, 'input', cause)), never)
    }
  }

  #receive(batch: unknown): void {
    this.hasResponded = true
    this.isStuck = false
    this.#listener.beforeMessages()
    if (!this.#receiveMessages(batch)) this.#listener.onInvalid(this)
    this.#listener.afterMessages(this)
  }

  /**
   * Handles messages up to the first invalid one. What follows that cannot be told apart. Returns whether all of them are
   * valid.
   */
  #receiveMessages(batch: unknown): boolean {
    if (!Array.isArray(batch)) return false
    for (let at = 0; at < batch.length; ) {
      const length = checkedLength(batch, at)
      // A worker that reports twice that it is ready has started anew, and has lost what was sent to it.
      if (length === 0 || (batch[at] === fromThread.ready && this.isReady)) return false
      this.#handle(batch, at)
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

  #handle(batch: unknown[], at: number): void {
    const operation = batch[at]
    if (operation === fromThread.ready) {
      if (this.#concurrency > 1) this.#outbox.open().push(toThread.concurrency, this.#concurrency)
      this.#share()
      this.isReady = true
      return this.ready.resolve()
    }
    if (operation === fromThread.together) {
      this.together = new Map(Object.entries(batch[at + 1] as Record<string, Together>))
      return
    }
    if (operation === fromThread.fatal) return this.#listener.onFatal(this, batch[at + 1] as WireThrown)
    const attempt = this.#attemptOf(batch[at + 1] as number)
    // Usually the attempt was aborted or taken back meanwhile.
    if (!attempt?.isSent) return
    switch (operation) {
      case fromThread.begun:
        return this.#listener.onBegun(attempt)
      case fromThread.done:
        this.completed++
        return this.#listener.onDone(attempt, (batch[at + 2] as number) / 1_000, batch[at + 3])
      case fromThread.failed:
        return this.#listener.onFailed(attempt, batch[at + 3] as WireThrown, batch[at + 4] as number | undefined)
      case fromThread.snoozed:
        return this.#listener.onSnoozed(attempt, batch[at + 2] as number)
      case fromThread.rateLimited:
        return this.#listener.onRateLimited(attempt, batch[at + 2] as number)
      case fromThread.waiting:
        return this.#listener.onWaiting(attempt, batch[at + 2] as readonly SentWait[])
      case fromThread.progress:
        return this.#listener.onProgress(attempt, batch[at + 2])
      case fromThread.value:
        return this.#listener.onValue(attempt, batch[at + 2])
      case fromThread.log:
        return this.#listener.onLog(attempt, batch[at + 2] as unknown[])
      case fromThread.save:
        return this.#listener.onSave(attempt, batch[at + 2] as number, batch[at + 3] as string, batch[at + 4])
    }
  }
}

/** Whether the worker reports when it begins the attempt: it has a time limit, or is not known to be tiny. */
const isWatched = (attempt: Attempt): boolean =>
  attempt.costMs >= tinyMs || attempt.record.rules.timeoutMs !== undefined

/** One attempt on one worker, from the moment a place is reserved for it until the worker has let go of it. */
export class Attempt<Owner = unknown> {
  readonly wireId: number
  readonly owner: Owner
  readonly worker: PoolWorker
  /** The record with which the attempt was started. */
  readonly record: JobRecord
  /** What is transferred to the worker with the input. After that it is not available here any more. */
  readonly transfer: Transferable[] | undefined
  /** How long the worker is expected to be busy with it, in milliseconds. */
  readonly costMs: number
  /** Whether it has the worker to itself. */
  readonly isAlone: boolean
  /** Whether it was sent to the worker. */
  isSent = false
  /** Whether the worker has reported that it runs. A short attempt may have begun without a report. */
  isBegun = false
  /** The call that takes it together with others. */
  call: SharedCall<Attempt> | undefined = undefined
  /** What its handler finds in place of the headers of the job. */
  headers: JobHeaders | undefined = undefined
  /** Its time limit, once it has begun. */
  timeout: Timer | undefined
  /** The attempt may no longer settle its job, because the job was cancelled or timed out. Its messages are ignored. */
  isStale = false

  /** Whether it needs no place of its own, because others of its call are on the worker. */
  get sharesPlace(): boolean {
    return this.call !== undefined && this.call.size > 1
  }

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
