/**
 * A thread at work: takes attempts from its port, runs them in order, says how they went.
 *
 * What is said is collected and sent together, but nothing that is known waits behind work that may be long: before an
 * attempt of a type that is not known to be tiny, and every millisecond between tiny ones, all of it is sent.
 */
import { hop } from '../platform/hop.ts'
import { systemClock } from '../platform/host.ts'
import { Outbox } from '../pool/outbox.ts'
import { lengthOfNote, type Resume, say, sayFields, tell, tellFields } from '../pool/protocol.ts'
import { Claims } from '../shared/claims.ts'
import { cloneError, copyPlain, notPlain } from '../shared/clone.ts'
import { thrownFromWire, thrownToWire, type WireThrown } from '../shared/error-wire.ts'
import { OffstageError } from '../shared/errors.ts'
import { outgoing } from '../shared/outgoing.ts'
import type { Port } from '../shared/port.ts'
import { isThenable } from '../shared/thenable.ts'
import { TaskContext, Transfer } from './context.ts'
import { drive, hasListened, isGenerator, mustListen } from './drive.ts'
import { checkInput, type Handler, type HandlerTable, type JobType, makeJobType } from './handlers.ts'
import { Reports } from './reports.ts'
import { Task } from './task.ts'

/**
 * Results of tiny jobs are held back until the last message is older than this, and no more of them: the first one after a
 * pause goes at once, and whoever waits wakes up while the others are made. Nor more than there are jobs still to do, when
 * there was time for the scheduler to refill meanwhile.
 */
const heldBackMsMax = 1
const heldBackMax = 256
const refillMs = 0.1
/**
 * A thread that has run dry looks out for the next message before it sleeps, for twice the time that the last one took: that
 * is what it learns of how fast it is answered. Not when it took longer than it takes to wake two threads, nor when much came
 * with it: who sends much at a time does not wait for each answer, and can do without a busy neighbour.
 */
const lookoutMsMin = 0.02
const lookoutMsMax = 0.12
const lookoutFieldsMax = 64
/**
 * On a busy machine it only takes time from others, the main thread among them. That shows when it comes to look much later
 * than it wanted to: the core was somebody else's. Then it sleeps at once, for so long. (Measured with a busy process on each
 * of two cores: 0.5 to 0.9 of the time and of the CPU of each job.)
 */
const lookoutRestMs = 100

export class Server {
  readonly #port: Port
  readonly #handlers: HandlerTable
  readonly #outbox: Outbox
  readonly #reports: Reports
  #inbox: Task[] = []
  /** The first in it that was not taken up; before it there is something only while they are. */
  #next = 0
  /** In their handlers. */
  readonly #running = new Map<number, Task>()
  #concurrency = 1
  #claims: Claims | undefined
  readonly #types = new Map<string, JobType>()
  /** When it last looked at the clock: when the attempt that begins now begins. */
  #now = 0
  #isWorking = false
  #isHopping = false
  #heldBack = 0
  #sentAt = 0
  /** Before then it does not look out. */
  #restsUntil = 0

  constructor(port: Port, handlers: HandlerTable) {
    this.#port = port
    this.#handlers = handlers
    // Only plain data is sent in batches; what may fail is sent on its own, where its failure can be told.
    this.#outbox = new Outbox(
      (batch) => port.post(batch),
      sayFields,
      (_note, cause) => this.fail(cause),
    )
    this.#reports = new Reports(this.#outbox, () => this.#flush())
    port.onClose((error) => this.fail(error))
    port.onMessage((batch) => this.#hear(batch))
    this.#outbox.open().push(say.ready)
  }

  /** Something went wrong that belongs to no job: the scheduler will end this thread. */
  fail(error: unknown): void {
    this.#outbox.open().push(say.fatal, thrownToWire(error))
    this.#outbox.flush()
  }

  /** For threads that cannot be ended from outside: starts nothing more and aborts what runs. */
  stop(): void {
    this.#inbox = []
    const reason = new OffstageError('WORKER_CRASHED', 'The scheduler has ended this worker.')
    for (const task of this.#running.values()) task.abort(reason)
    this.#port.close()
  }

  // What the scheduler says.

  #hear(batch: unknown): void {
    let dryAt = this.#now
    this.#listened()
    for (let next: unknown = batch; next !== undefined; ) {
      const tookMs = this.#now - dryAt
      if (!Array.isArray(next)) return this.fail(nonsense())
      this.#follow(next)
      if (tookMs > lookoutMsMax || next.length > lookoutFieldsMax || !this.#isDry) return
      dryAt = this.#now
      next = this.#lookOut(Math.min(Math.max(2 * tookMs, lookoutMsMin), lookoutMsMax))
    }
  }

  /** Not asked for ever, however fast they come: who has to listen does not `work`, and then is not dry. */
  #lookOut(ms: number): unknown {
    const { poll } = this.#port
    const until = this.#now + ms
    if (this.#now < this.#restsUntil) return undefined
    for (let now = this.#now; poll && now < until; ) {
      const next = poll()
      now = systemClock.monotonic()
      if (now - until > lookoutMsMax) this.#restsUntil = now + lookoutRestMs
      if (next === undefined) continue
      this.#now = now
      return next
    }
    return undefined
  }

  #follow(batch: unknown[]): void {
    for (let at = 0; at < batch.length; ) {
      const length = lengthOfNote(batch, at, tellFields)
      if (length === 0) return this.fail(nonsense())
      this.#hearNote(batch, at)
      at += length
    }
    this.#work()
  }

  #hearNote(batch: unknown[], at: number): void {
    const ticket = batch[at + 1] as number
    switch (batch[at]) {
      case tell.runFirst: {
        const type = this.#typeOf(batch[at + 2] as string)
        this.#inbox.push(new Task(ticket, type, batch[at + 3] as string, 1, false, undefined, batch[at + 4]))
        break
      }
      case tell.run: {
        const [name, id, attempt, isWatched, resume, input] = batch.slice(at + 2, at + 8) as RunFields
        const type = this.#typeOf(name)
        this.#inbox.push(new Task(ticket, type, id, attempt, isWatched === 1, resume === 0 ? undefined : resume, input))
        break
      }
      case tell.abort:
        this.#abort(ticket, thrownFromWire(batch[at + 2] as WireThrown, []))
        break
      case tell.taken:
        this.#running.get(ticket)?.valuesTaken(batch[at + 2] as number)
        break
      case tell.kept:
        this.#running.get(ticket)?.kept(batch[at + 2] as number)
        break
      case tell.concurrency:
        this.#concurrency = batch[at + 1] as number
        break
      case tell.claims:
        this.#claims = new Claims(batch[at + 1] as SharedArrayBuffer)
    }
  }

  #listened(): void {
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

  #abort(ticket: number, reason: unknown): void {
    this.#running.get(ticket)?.abort(reason)
    const waiting = this.#inbox.find((task) => task.ticket === ticket)
    if (!waiting) return
    this.#inbox = this.#inbox.filter((task) => task !== waiting)
    this.#outbox.open().push(say.failed, ticket, 0, thrownToWire(reason), false)
  }

  // Running.

  /** Runs what waits, in order, as far as there is room and time. */
  #work(): void {
    if (this.#isWorking) return
    this.#isWorking = true
    while (this.#next < this.#inbox.length && this.#hasRoom && !mustListen(this.#now))
      this.#begin(this.#inbox[this.#next++] as Task)
    if (this.#next === this.#inbox.length) this.#inbox = []
    else if (this.#next > 0) this.#inbox.splice(0, this.#next)
    this.#next = 0
    this.#isWorking = false
    this.#flush()
    if (this.#inbox.length > 0 && this.#hasRoom) this.#workLater()
  }

  /** Nothing to do, and nothing that is being done. */
  get #isDry(): boolean {
    return this.#inbox.length === 0 && this.#running.size === 0
  }

  get #hasRoom(): boolean {
    return this.#running.size < this.#concurrency
  }

  #workLater(): void {
    if (this.#isHopping) return
    this.#isHopping = true
    hop(() => {
      this.#isHopping = false
      this.#listened()
      this.#work()
    })
  }

  #begin(task: Task): void {
    // The scheduler may have taken it back.
    if (this.#claims && !this.#claims.claim(task.ticket)) return
    this.#running.set(task.ticket, task)
    if (task.isWatched || !task.type.cost.isTiny) {
      this.#notes.push(say.begun, task.ticket)
      this.#flush()
    }
    task.beganAt = this.#now
    try {
      const outcome = this.#call(task)
      if (!isThenable(outcome)) return this.#complete(task, outcome)
      this.#now = systemClock.monotonic()
      outcome.then(
        (result) => this.#complete(task, result),
        (thrown) => this.#fail(task, thrown),
      )
    } catch (thrown) {
      this.#fail(task, thrown)
    }
  }

  #call(task: Task): unknown {
    const { name, handler } = task.type
    if (!handler) throw this.#unknown(task)
    const input = checkInput(handler, name, task.input)
    if (isThenable(input)) return input.then((checked) => this.#enter(task, handler, checked))
    return this.#enter(task, handler, input)
  }

  #unknown({ type, id, attempt }: Task): OffstageError {
    const known = Object.keys(this.#handlers).join(', ')
    const message = `The worker module defines no job '${type.name}'; it defines: ${known}.`
    return new OffstageError('UNKNOWN_JOB', message, { jobId: id, attempt })
  }

  #enter(task: Task, handler: Handler, input: unknown): unknown {
    const outcome = handler(input as never, new TaskContext(task, this.#reports) as never)
    return isGenerator(outcome) ? drive(task, outcome, (value) => this.#reports.progress(task, value)) : outcome
  }

  // Ending.

  #complete(task: Task, result: unknown): void {
    const runUs = this.#end(task)
    if (result instanceof Transfer) this.#sendResult(task, runUs, result.value, result.transferables)
    else this.#sendResult(task, runUs, result)
    this.#goOn()
  }

  #sendResult(task: Task, runUs: number, value: unknown, transfer?: Transferable[]): void {
    try {
      const copy = transfer ? notPlain : copyPlain(value)
      if (copy === notPlain) this.#outbox.send([say.done, task.ticket, runUs, outgoing(value, transfer)], transfer)
      else this.#notes.push(say.done, task.ticket, runUs, copy)
    } catch (cause) {
      this.#sendFailure(task, runUs, cloneError(value, 'result', cause))
    }
  }

  /** What was begun here is sent when the work is done, or before. */
  get #notes(): unknown[] {
    return this.#isWorking ? this.#outbox.batch : this.#outbox.open()
  }

  #fail(task: Task, thrown: unknown): void {
    this.#sendFailure(task, this.#end(task), thrown)
    this.#goOn()
  }

  #sendFailure(task: Task, runUs: number, thrown: unknown): void {
    const isFinal =
      thrown instanceof OffstageError && (thrown.code === 'UNKNOWN_JOB' || thrown.code === 'INVALID_INPUT')
    this.#outbox.open().push(say.failed, task.ticket, runUs, thrownToWire(thrown), isFinal)
  }

  #end(task: Task): number {
    this.#now = systemClock.monotonic()
    // Fake clocks are put in and taken out within a job.
    const runMs = Math.max(this.#now - task.beganAt, 0) || 0
    task.type.cost.add(runMs)
    this.#reports.sendProgress(task)
    task.isEnded = true
    this.#running.delete(task.ticket)
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

const nonsense = () => new OffstageError('WORKER_CRASHED', 'The scheduler sent what is no message of offstage.')

type RunFields = [name: string, id: string, attempt: number, isWatched: 0 | 1, resume: Resume | 0, input: unknown]
