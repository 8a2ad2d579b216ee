/**
 * The worker side of a thread: takes attempts from its port, runs them in order, and reports how they went.
 *
 * Reports are collected and sent together, but none of them waits behind work that may be long. All of them are sent before an
 * attempt whose type is not known to be tiny, and every millisecond between tiny attempts.
 */
import { never } from '../job/retry.ts'
import { newerCode, versionOf } from '../job/version.ts'
import type { Signal } from '../job/waits.ts'
import { hop } from '../platform/hop.ts'
import { systemClock } from '../platform/host.ts'
import { Outbox } from '../pool/outbox.ts'
import {
  fromThread,
  fromThreadFields,
  messageLength,
  type Resume,
  type SentWait,
  toThread,
  toThreadFields,
} from '../pool/protocol.ts'
import { Claims } from '../shared/claims.ts'
import { cloneError, copyPlain, notPlain } from '../shared/clone.ts'
import { thrownFromWire, thrownToWire, type WireThrown } from '../shared/error-wire.ts'
import { type ErrorCode, OffstageError } from '../shared/errors.ts'
import { outgoing } from '../shared/outgoing.ts'
import { parentsFromWire } from '../shared/parents.ts'
import type { Port } from '../shared/port.ts'
import { isThenable } from '../shared/thenable.ts'
import { type Around, runAround, thrownWithin } from './around.ts'
import { Attempt } from './attempt.ts'
import { TaskContext, Transfer } from './context.ts'
import { drive, hasListened, isGenerator, mustListen } from './drive.ts'
import {
  checkInput,
  type Handler,
  type HandlerTable,
  type JobType,
  type Many,
  makeJobType,
  togetherOf,
} from './handlers.ts'
import { makePoller } from './poller.ts'
import { Reports } from './reports.ts'
import { attemptEnded, retryMsOf, shownError } from './retry-errors.ts'

/**
 * Results of tiny jobs are held back until the last message is older than this, in milliseconds. So the first result after a
 * pause is sent at once, and the caller wakes up while this thread makes the others. Nor are more results held back than there
 * are jobs still to do, once `refillMs` has passed: in that time the scheduler can have sent more jobs.
 */
const heldBackMsMax = 1
const heldBackMax = 256
const refillMs = 0.1

export class Server {
  readonly #port: Port
  readonly #handlers: HandlerTable
  /** `undefined` if nothing goes around the handlers. */
  readonly #around: readonly Around[] | undefined
  readonly #nextBatch: ReturnType<typeof makePoller>
  readonly #outbox: Outbox
  readonly #reports: Reports
  readonly #reportsOf = (): Reports => this.#reports
  #inbox: Attempt[] = []
  /** The index of the first attempt in the inbox that was not begun. It is above 0 only within `#work`. */
  #next = 0
  /** Tasks whose handlers are running, by wireId. */
  readonly #running = new Map<number, Attempt>()
  #concurrency = 1
  /** How many attempts have no place of their own, because they share that of another in one call. */
  #sharing = 0
  #claims: Claims | undefined
  readonly #types = new Map<string, JobType>()
  /** When this thread last read the clock. It serves as the begin of the attempt that begins next. */
  #now = 0
  #isWorking = false
  #isHopping = false
  #heldBack = 0
  #sentAt = 0

  constructor(port: Port, handlers: HandlerTable, around?: readonly Around[]) {
    this.#port = port
    this.#handlers = handlers
    this.#nextBatch = makePoller(port)
    this.#around = around?.length ? around : undefined
    // Batches hold only plain data. Anything that may fail is sent on its own, where the failure can be reported.
    this.#outbox = new Outbox(
      (batch) => port.post(batch),
      fromThreadFields,
      (_note, cause) => this.fail(cause),
    )
    this.#reports = new Reports(
      this.#outbox,
      () => this.#flush(),
      (attempt, waits) => this.#wait(attempt, waits),
    )
    port.onClose((error) => this.fail(error))
    port.onMessage((batch) => this.#receive(batch))
    const together = togetherOf(handlers)
    if (together) this.#outbox.open().push(fromThread.together, together)
    this.#outbox.open().push(fromThread.ready)
  }

  /** Reports an error that belongs to no job. The scheduler then ends this thread. */
  fail(error: unknown): void {
    this.#outbox.open().push(fromThread.fatal, thrownToWire(error))
    this.#outbox.flush()
  }

  /** Starts nothing more and aborts what runs. For threads that cannot be ended from outside. */
  stop(): void {
    this.#inbox = []
    const reason = new OffstageError('WORKER_CRASHED', 'The scheduler has ended this worker.')
    for (const attempt of this.#running.values()) attempt.abort(reason)
    this.#port.close()
  }

  // Messages from the scheduler.

  #receive(batch: unknown): void {
    let dryAt = this.#now
    this.#readClock()
    for (let next: unknown = batch; next !== undefined; ) {
      const tookMs = this.#now - dryAt
      if (!Array.isArray(next)) return this.fail(invalid())
      this.#handleBatch(next)
      if (!this.#isDry) return
      dryAt = this.#now
      // However fast batches come, this does not go on for ever: when it is time to handle other events, `#work` begins nothing,
      // so the thread is not dry.
      next = this.#nextBatch(next, tookMs, dryAt)
      if (next !== undefined) this.#now = systemClock.monotonic()
    }
  }

  #handleBatch(batch: unknown[]): void {
    for (let at = 0; at < batch.length; ) {
      const length = messageLength(batch, at, toThreadFields)
      if (length === 0) return this.fail(invalid())
      this.#handle(batch, at)
      at += length
    }
    this.#work()
  }

  #handle(batch: unknown[], at: number): void {
    const wireId = batch[at + 1] as number
    switch (batch[at]) {
      case toThread.runFirst: {
        const type = this.#typeOf(batch[at + 2] as string)
        this.#inbox.push(new Attempt(wireId, type, batch[at + 3] as string, 1, false, undefined, batch[at + 4]))
        break
      }
      case toThread.run: {
        const [name, id, attempt, isWatched, resume, input] = batch.slice(at + 2, at + 8) as RunFields
        const type = this.#typeOf(name)
        if (resume !== 0) parentsFromWire(resume)
        this.#inbox.push(
          new Attempt(wireId, type, id, attempt, isWatched === 1, resume === 0 ? undefined : resume, input),
        )
        break
      }
      case toThread.abort:
        this.#abort(wireId, thrownFromWire(batch[at + 2] as WireThrown, []))
        break
      case toThread.ack:
        this.#running.get(wireId)?.ack(batch[at + 2] as number)
        break
      case toThread.saved:
        this.#running.get(wireId)?.saved(batch[at + 2] as number)
        break
      case toThread.signal: {
        const attempt = this.#running.get(wireId) ?? this.#inbox.find((waiting) => waiting.wireId === wireId)
        attempt?.receive(batch[at + 2] as Signal)
        break
      }
      case toThread.concurrency:
        this.#concurrency = batch[at + 1] as number
        break
      case toThread.claims:
        this.#claims = new Claims(batch[at + 1] as SharedArrayBuffer)
    }
  }

  #readClock(): void {
    this.#now = systemClock.monotonic()
    hasListened(this.#now)
  }

  #typeOf(name: string): JobType {
    let type = this.#types.get(name)
    if (!type) {
      type = makeJobType(this.#handlers, name)
      this.#types.set(name, type)
    }
    return type
  }

  #abort(wireId: number, reason: unknown): void {
    this.#running.get(wireId)?.abort(reason)
    const waiting = this.#inbox.find((attempt) => attempt.wireId === wireId)
    if (!waiting) return
    this.#inbox = this.#inbox.filter((attempt) => attempt !== waiting)
    this.#outbox.open().push(fromThread.failed, wireId, 0, thrownToWire(reason), undefined)
  }

  // Running.

  /** Runs the waiting attempts in order, as long as there is room and time. */
  #work(): void {
    if (this.#isWorking) return
    this.#isWorking = true
    while (this.#next < this.#inbox.length && this.#hasRoom && !mustListen(this.#now))
      this.#begin(this.#inbox[this.#next++] as Attempt)
    if (this.#next === this.#inbox.length) this.#inbox = []
    else if (this.#next > 0) this.#inbox.splice(0, this.#next)
    this.#next = 0
    this.#isWorking = false
    this.#flush()
    if (this.#inbox.length > 0 && this.#hasRoom) this.#workLater()
  }

  /** Whether nothing waits and nothing runs. */
  get #isDry(): boolean {
    return this.#inbox.length === 0 && this.#running.size === 0
  }

  get #hasRoom(): boolean {
    return this.#running.size - this.#sharing < this.#concurrency
  }

  #workLater(): void {
    if (this.#isHopping) return
    this.#isHopping = true
    hop(() => {
      this.#isHopping = false
      this.#readClock()
      this.#work()
    })
  }

  #begin(attempt: Attempt): void {
    if (!this.#claim(attempt)) return
    if (attempt.type.many) return this.#beginMany(attempt, attempt.type.many)
    this.#running.set(attempt.wireId, attempt)
    if (attempt.isWatched || !attempt.type.cost.isTiny) {
      this.#messages.push(fromThread.begun, attempt.wireId)
      this.#flush()
    }
    this.#start(attempt)
  }

  /** The scheduler may have taken the attempt back. */
  #claim({ wireId }: Attempt): boolean {
    return !this.#claims || this.#claims.claim(wireId)
  }

  /** Begins an attempt together with others of its type that wait here. */
  #beginMany(first: Attempt, many: Many): void {
    const waiting = this.#inbox.splice(this.#next)
    const others = waiting.filter(({ type }) => type === first.type).slice(0, many.max - 1)
    this.#inbox.push(...waiting.filter((attempt) => !others.includes(attempt)))
    const attempts = [first, ...others.filter((attempt) => this.#claim(attempt))]
    const call = many.begin(attempts)
    this.#sharing += attempts.length - 1
    for (const attempt of attempts) {
      attempt.call = call
      this.#running.set(attempt.wireId, attempt)
      this.#messages.push(fromThread.begun, attempt.wireId)
    }
    this.#flush()
    for (const attempt of attempts) this.#start(attempt)
  }

  #start(attempt: Attempt): void {
    attempt.beganAt = this.#now
    try {
      const outcome = this.#call(attempt)
      if (!isThenable(outcome)) return this.#complete(attempt, outcome)
      this.#now = systemClock.monotonic()
      // What is left of a handler that waits may end as well.
      outcome.then(
        (result) => attempt.isEnded || this.#complete(attempt, result),
        (thrown) => attempt.isEnded || this.#fail(attempt, thrown),
      )
    } catch (thrown) {
      this.#fail(attempt, thrown)
    }
  }

  #call(attempt: Attempt): unknown {
    const { handler, versions } = attempt.type
    if (!handler) throw this.#unknown(attempt)
    const headers = attempt.resume?.headers
    if (!headers && !versions) return this.#surround(attempt, handler, attempt.input)
    const version = versionOf(headers)
    const { newest } = versions ?? noVersions
    if (version > newest) return this.#waitForNewerCode(attempt, newest)
    const input = versions ? versions.bringUp(version, attempt.input) : attempt.input
    if (isThenable(input)) return input.then((newest) => this.#surround(attempt, handler, newest))
    return this.#surround(attempt, handler, input)
  }

  #waitForNewerCode(attempt: Attempt, known: number): Promise<never> {
    this.#wait(attempt, [[...newerCode(known), undefined]])
    return new Promise(() => {})
  }

  #surround(attempt: Attempt, handler: Handler, given: unknown): unknown {
    const job = new TaskContext(attempt, this.#reportsOf)
    if (!this.#around) return this.#run(attempt, handler, given, job)
    const run = (input: unknown) => this.#run(attempt, handler, input, job)
    return runAround(this.#around, attempt, job as never, given, run)
  }

  #run(attempt: Attempt, handler: Handler, given: unknown, job: TaskContext): unknown {
    const input = checkInput(handler, attempt.type.name, given)
    if (isThenable(input)) return input.then((checked) => this.#enter(attempt, handler, checked, job))
    return this.#enter(attempt, handler, input, job)
  }

  #unknown({ type, id, attempt }: Attempt): OffstageError {
    const known = Object.keys(this.#handlers).join(', ')
    const message = `The worker module defines no job '${type.name}'; it defines: ${known}.`
    return new OffstageError('UNKNOWN_JOB', message, { jobId: id, attempt })
  }

  #enter(attempt: Attempt, handler: Handler, input: unknown, job: TaskContext): unknown {
    if (attempt.call) return attempt.call.join(attempt, input, job)
    const outcome = handler(input as never, job as never)
    return isGenerator(outcome) ? drive(attempt, outcome, (value) => this.#reports.progress(attempt, value)) : outcome
  }

  // Ending.

  #complete(attempt: Attempt, result: unknown): void {
    const runUs = this.#end(attempt)
    if (attempt.putOff) this.#sendPutOff(attempt.wireId, attempt.putOff)
    else if (result instanceof Transfer) this.#sendResult(attempt, runUs, result.value, result.transferables)
    else this.#sendResult(attempt, runUs, result)
    this.#goOn()
  }

  #sendResult(attempt: Attempt, runUs: number, value: unknown, transfer?: Transferable[]): void {
    try {
      const copy = transfer ? notPlain : copyPlain(value)
      if (copy === notPlain)
        this.#outbox.send([fromThread.done, attempt.wireId, runUs, outgoing(value, transfer)], transfer)
      else this.#messages.push(fromThread.done, attempt.wireId, runUs, copy)
    } catch (cause) {
      this.#sendFailure(attempt, runUs, cloneError(value, 'result', cause))
    }
  }

  /** The batch for a report. Within `#work` the batch needs no schedule, because `#work` sends it at its end or earlier. */
  get #messages(): unknown[] {
    return this.#isWorking ? this.#outbox.batch : this.#outbox.open()
  }

  #fail(attempt: Attempt, thrown: unknown): void {
    const runUs = this.#end(attempt)
    if (attempt.putOff) this.#sendPutOff(attempt.wireId, attempt.putOff)
    else this.#sendFailure(attempt, runUs, thrown)
    this.#goOn()
  }

  #wait(attempt: Attempt, waits: readonly SentWait[]): void {
    this.#end(attempt)
    attempt.left?.reject(attemptEnded('The handler waits, and will run again.'))
    // Inputs of children may be anything that can be cloned, so they are sent on their own.
    this.#outbox.send([fromThread.waiting, attempt.wireId, waits])
    this.#goOn()
  }

  #sendPutOff(wireId: number, [operation, ms]: NonNullable<Attempt['putOff']>): void {
    this.#outbox.open().push(operation, wireId, ms)
  }

  #sendFailure(attempt: Attempt, runUs: number, thrown: unknown): void {
    const cause = thrownWithin(thrown)
    const isFinal = cause instanceof OffstageError && finalCodes.includes(cause.code)
    const retryMs = isFinal ? never : retryMsOf(cause)
    const shown = cause === thrown ? shownError(thrown) : thrown
    this.#outbox.open().push(fromThread.failed, attempt.wireId, runUs, thrownToWire(shown), retryMs)
  }

  #end(attempt: Attempt): number {
    this.#now = systemClock.monotonic()
    // Not negative, and not NaN: tests may install or remove a fake clock within a job.
    const runMs = Math.max(this.#now - attempt.beganAt, 0) || 0
    attempt.type.cost.add(runMs)
    this.#reports.sendProgress(attempt)
    attempt.isEnded = true
    this.#running.delete(attempt.wireId)
    if (attempt.call?.end(attempt)) this.#sharing--
    return Math.round(runMs * 1_000)
  }

  #goOn(): void {
    this.#heldBack++
    const heldBackMs = this.#now - this.#sentAt
    const isHalf = this.#heldBack >= this.#inbox.length - this.#next && heldBackMs >= refillMs
    if (isHalf || this.#heldBack >= heldBackMax || heldBackMs >= heldBackMsMax) this.#flush()
    if (!this.#isWorking && this.#inbox.length > 0) this.#work()
  }

  #flush(): void {
    this.#heldBack = 0
    this.#sentAt = this.#now
    this.#outbox.flush()
  }
}

const noVersions = { newest: 1 }

/** Another attempt would fail with the same. */
const finalCodes: readonly ErrorCode[] = ['UNKNOWN_JOB', 'INVALID_INPUT', 'INVALID_RESULTS', 'STEP_MISMATCH']

const invalid = () => new OffstageError('WORKER_CRASHED', 'The scheduler sent an invalid message.')

type RunFields = [name: string, id: string, attempt: number, isWatched: 0 | 1, resume: Resume | 0, input: unknown]
