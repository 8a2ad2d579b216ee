/**
 * The threads of one scheduler.
 *
 *   a thread is   starting   asked for; jobs wait in line, not on it
 *                 ready      said so over its port; takes attempts
 *                 closing    no longer given work, being ended
 */
import type { JobRecord } from '../job/record.ts'
import { canShare } from '../shared/claims.ts'
import { type Cost, Costs } from '../shared/cost.ts'
import { type ErrorClass, thrownFromWire, type WireThrown } from '../shared/error-wire.ts'
import { OffstageError } from '../shared/errors.ts'
import type { Port } from '../shared/port.ts'
import type { TimerQueue } from '../timers/timer-queue.ts'
import { candidatesAmong, lossAtEnd, lossByDeath } from './blame.ts'
import { Attempt, PoolWorker, type WorkerListener } from './pool-worker.ts'
import { Probation } from './probation.ts'
import { loadError, reasonOf, Starter, type StarterListener, type StartFailure } from './starter.ts'
import { Watch } from './watch.ts'

export interface PoolOptions {
  readonly min: number
  readonly max: number
  /** How long a thread above `min` stays without work. */
  readonly idleMs: number
  /** Async jobs at a time on one thread. */
  readonly concurrency: number
  readonly graceMs: number
  readonly startTimeoutMs: number
  readonly errors: readonly ErrorClass[]
  readonly spawn: () => Promise<Port>
}

/** What happened to an attempt whose thread ended; see blame.ts. */
export type Loss = 'blamed' | 'suspected' | 'interrupted' | 'released'

/** The engine, as the pool sees it. */
export interface PoolListener<Owner> {
  onBegun(attempt: Attempt<Owner>): void
  onDone(attempt: Attempt<Owner>, runMs: number, result: unknown): void
  onFailed(attempt: Attempt<Owner>, runMs: number, error: unknown, isFinal: boolean): void
  onProgress(attempt: Attempt<Owner>, progress: unknown): void
  onValue(attempt: Attempt<Owner>, value: unknown): void
  onLog(attempt: Attempt<Owner>, args: unknown[]): void
  onKeep(attempt: Attempt<Owner>, call: number, key: string, value: unknown): void
  onLost(attempt: Attempt<Owner>, loss: Loss, error: OffstageError): void
  /** A thread is about to say something, or more than one thing. */
  onHearing(): void
  /** It has said it. */
  onHeard(): void
  /** There may be room now. */
  onRoom(): void
  onOnline(workerId: number): void
  onExit(workerId: number, error: OffstageError | undefined): void
  /** A thread could not be started; it is tried again. */
  onStartFailed(workerId: number, failure: StartFailure): void
  /** Whether there are jobs that wait for nothing but a thread, or for a rate limit. */
  hasWork(): boolean
}

/** What it takes to wake a thread: work that is less than that is not worth another. */
const wakeMs = 0.05
/** What an attempt takes on its thread beside its handler. */
const noteMs = 0.0004
/**
 * How much work may be on a thread that is given more: of types that are never long so much that the next job is there when one
 * of a millisecond ends; else less, because what waits behind a long one waits until that is noticed.
 */
const steadyMsMax = 2.5
const workMsMax = 1
/** How long a thread gets to pass on what it has printed, before it is ended: an idle one, and one that may be deaf. */
const idleDrainMs = 1_000
const busyDrainMs = 100
/** How long a thread that may run several attempts is held to be stuck, if nothing is heard of it meanwhile. */
const stuckMsMax = 100

export class Pool<Owner> {
  readonly #options: PoolOptions
  readonly #timers: TimerQueue
  readonly #listener: PoolListener<Owner>
  readonly #workers: PoolWorker[] = []
  readonly #costs = new Costs()
  readonly #closings = new Set<Promise<void>>()
  readonly #probation: Probation
  readonly #starter: Starter
  readonly #watch: Watch
  /** Deaths in a row that no job is to blame for, before anything was completed. */
  #crashes = 0
  #isClosed = false

  constructor(options: PoolOptions, timetable: TimerQueue, listener: PoolListener<Owner>) {
    this.#options = options
    this.#timers = timetable
    this.#listener = listener
    this.#probation = new Probation(timetable, options.startTimeoutMs)
    this.#starter = new Starter(options, timetable, this.#probation, this.#starterListener)
    this.#watch = new Watch(this.#workers, timetable, options, {
      onStuck: (worker) => this.#relieve(worker),
      onDeaf: (worker) => this.#endDeaf(worker),
    })
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  get online(): number {
    return this.#workers.length
  }

  get starting(): number {
    return this.#starter.starting
  }

  get busy(): number {
    return this.#workers.filter((worker) => !worker.isIdle).length
  }

  /**
   * The thread that should take a job of this type now: one that is awake and will be done with what it has in less time than
   * it takes to wake another (if it can be taken back, should that prove wrong); else an idle one; else the one with most room.
   */
  roomFor(name: string, isAlone: boolean): PoolWorker | undefined {
    const cost = this.#costs.of(name)
    const costMs = costMsOf(cost)
    const maxMs = cost.meanMs === cost.estimateMs ? steadyMsMax : workMsMax
    let idle: PoolWorker | undefined
    let found: PoolWorker | undefined
    for (const worker of this.#workers) {
      if (!worker.hasRoom(costMs, isAlone, maxMs)) continue
      if (worker.isIdle) idle ??= worker
      else if (worker.isShared && worker.workMs + costMs + worker.size * noteMs <= wakeMs) return worker
      else if (!found || worker.size < found.size) found = worker
    }
    return idle ?? found
  }

  /** Reserves a place; `send` follows when the start is committed. */
  reserve(
    worker: PoolWorker,
    owner: Owner,
    record: JobRecord,
    transfer: Transferable[] | undefined,
    isAlone: boolean,
  ): Attempt<Owner> {
    const attempt = new Attempt(
      worker.nextWireId(),
      owner,
      worker,
      record,
      transfer,
      costMsOf(this.#costs.of(record.name)),
      isAlone,
    )
    if (worker.idleTimer) this.#callOffRest(worker)
    worker.reserve(attempt)
    this.#watch.reserved(worker)
    return attempt
  }

  send(attempt: Attempt<Owner>): void {
    if (attempt.worker.has(attempt)) attempt.worker.send(attempt)
  }

  /** Starts threads for so many jobs that wait for one. */
  grow(waiting: number): void {
    if (this.#isClosed) return
    const starter = this.#starter
    if (waiting === 0) {
      if (this.#workers.length === 0) starter.giveUp()
      return
    }
    const most = Math.min(waiting, this.#options.max - this.#workers.length, starter.startingMax)
    while (starter.starting < most) this.#track(starter.start())
  }

  /** Sends what the threads have need of. */
  flush(): void {
    for (const worker of this.#workers) worker.flush()
  }

  /** All that was heard is safe and told, and what could start has started. */
  rest(): void {
    for (const worker of this.#workers) {
      worker.rest()
      if (worker.isIdle) this.#restWhenIdle(worker)
    }
  }

  /**
   * Stops an attempt that no longer counts: first its signal, then, `graceMs` later, its thread. The place on the thread
   * is taken until it has really stopped.
   */
  abort(attempt: Attempt<Owner>, reason: unknown): void {
    attempt.isStale = true
    if (attempt.worker.recall(attempt)) return this.#drop(attempt)
    attempt.worker.abort(attempt, reason)
    this.#timers.after(this.#options.graceMs, () => this.#endGrace(attempt))
  }

  #endGrace(attempt: Attempt<Owner>): void {
    const { worker } = attempt
    if (!worker.has(attempt) || worker.isClosing) return
    const others = worker.attempts.filter((other) => other !== attempt)
    // It waits behind an attempt that is known to run. The thread drops it as soon as it listens again.
    if (!attempt.isBegun && others.some((other) => other.isBegun)) {
      this.#timers.after(this.#options.graceMs, () => this.#endGrace(attempt))
      return
    }
    const error = new OffstageError(
      'WORKER_CRASHED',
      `The thread was ended: it did not stop '${attempt.record.id}' within ${this.#options.graceMs} ms.`,
    )
    this.#end(worker, error, (other) => (other === attempt ? 'blamed' : lossAtEnd(other, this.#isClosed)))
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#watch.close()
    for (const worker of [...this.#workers]) this.#end(worker, undefined)
    this.#starter.close()
    while (this.#closings.size > 0) await Promise.all(this.#closings)
  }

  /** The thread never heard of it. */
  #drop(attempt: Attempt<Owner>): void {
    this.#free(attempt)
    this.#listener.onLost(attempt, 'released', ended)
    this.#listener.onRoom()
  }

  /**
   * A thread above `min` that gets no work for `idleMs` is ended. Not while there is some that it is about to get, or that waits
   * for a rate limit: then another would have to be started for it.
   */
  #restWhenIdle(worker: PoolWorker): void {
    const { min, idleMs } = this.#options
    if (worker.idleTimer || this.#workers.length <= min || idleMs === Number.POSITIVE_INFINITY) return
    worker.idleTimer = this.#timers.after(idleMs, () => {
      worker.idleTimer = undefined
      if (worker.isIdle && this.#workers.length > min && !this.#listener.hasWork()) this.#end(worker, undefined)
    })
  }

  #callOffRest(worker: PoolWorker): void {
    this.#timers.cancel(worker.idleTimer)
    worker.idleTimer = undefined
  }

  // Threads that do not listen.

  /** A thread that may take what another has no time for. */
  #hasOtherThan(worker: PoolWorker): boolean {
    return this.#workers.length < this.#options.max || this.#workers.some((other) => other !== worker && !other.isStuck)
  }

  /** What was sent to a thread that turns out to be busy for long is taken back, and goes to the next that is free. */
  #relieve(worker: PoolWorker): void {
    if (!this.#hasOtherThan(worker)) return
    worker.isStuck = true
    const { attempts } = worker
    // A thread that is at nothing may only be slow to wake up. The first stays: should it never be taken up, that will show.
    const behind = attempts.some((attempt) => worker.hasTaken(attempt)) ? attempts : attempts.slice(1)
    // What was moved to the thread is there and nowhere else.
    this.#takeBack(behind.filter((attempt) => !(attempt.isSent && attempt.transfer) && worker.recall(attempt)))
    if (this.#options.concurrency > 1) this.#timers.after(stuckMsMax, () => this.#unstick(worker))
  }

  /** A thread at several attempts may have nothing to say of any of them for long, although it listens again. */
  #unstick(worker: PoolWorker): void {
    worker.isStuck = false
    this.#listener.onRoom()
  }

  /** The thread will pass over them. */
  #takeBack(attempts: readonly Attempt[]): void {
    for (const attempt of attempts) this.#free(attempt)
    for (const attempt of attempts) this.#listener.onLost(attempt as Attempt<Owner>, 'released', ended)
    if (attempts.length > 0) this.#listener.onRoom()
  }

  /** Nothing that is on it has begun, and what keeps it busy is no job: a loop, say, that an earlier one left behind. */
  #endDeaf(worker: PoolWorker): void {
    const { attempts } = worker
    const untaken = worker.isShared ? attempts.filter((attempt) => worker.recall(attempt)) : attempts
    // It has just woken up.
    if (untaken.length < attempts.length) return this.#takeBack(untaken)
    const message =
      `The thread was ended: for ${this.#watch.deafMs} ms it did not take up what it was sent. ` +
      'Something that is no job keeps it busy, such as a loop that an earlier one left behind.'
    this.#end(worker, new OffstageError('WORKER_CRASHED', message), () => 'released')
    this.#diedByItself(worker)
  }

  // Starting.

  readonly #starterListener: StarterListener = {
    hasThreads: () => this.#workers.length > 0,
    makeWorker: (workerId, port) => {
      const worker = new PoolWorker(workerId, port, this.#options.concurrency, this.#workerListener)
      port.onClose((cause) => this.#broke(worker, cause))
      return worker
    },
    onStarted: (worker) => {
      // It may have died in the meantime.
      if (this.#isClosed || worker.isClosing) return this.#track(worker.port.close())
      this.#workers.push(worker)
      this.#listener.onOnline(worker.id)
      this.#listener.onRoom()
    },
    onFailed: (workerId, failure) => {
      if (!this.#isClosed) this.#listener.onStartFailed(workerId, failure)
    },
    onRested: () => this.#listener.onRoom(),
  }

  // Ending.

  /** Ends a thread of ours. */
  #end(
    worker: PoolWorker,
    error: OffstageError | undefined,
    lossOf: (attempt: Attempt) => Loss = (attempt) => lossAtEnd(attempt, this.#isClosed),
  ): void {
    worker.isClosing = true
    this.#remove(worker)
    this.#track(worker.port.close(error ? 0 : worker.isIdle ? idleDrainMs : busyDrainMs))
    this.#lose(worker.attempts, error ?? ended, lossOf)
    this.#listener.onExit(worker.id, error)
    this.#listener.onRoom()
  }

  #broke(worker: PoolWorker, cause: unknown): void {
    if (worker.isReady && !worker.probation) return this.#died(worker, cause)
    const waitedFor = worker.probation ?? worker.ready
    waitedFor.reject(loadError('it failed while it was loading', cause))
  }

  #died(worker: PoolWorker, cause: unknown): void {
    if (worker.isClosing) return
    worker.isClosing = true
    this.#remove(worker)
    this.#track(worker.port.close())
    const reason = reasonOf(cause) || 'the platform does not say why.'
    const error = new OffstageError('WORKER_CRASHED', `The thread ended: ${reason}`, { cause })
    const { attempts } = worker
    const candidates = candidatesAmong(attempts)
    const [first] = candidates
    const isExact = candidates.length === 1 && !this.#probation.shields(first as Attempt, this.#workers)
    this.#lose(attempts, error, (attempt) => lossByDeath(attempt, candidates, isExact))
    this.#listener.onExit(worker.id, error)
    if (candidates.length === 0) this.#diedByItself(worker)
    this.#listener.onRoom()
  }

  /**
   * No job is to blame. Threads that do so one after the other, before anything is completed, are answered with longer and longer
   * pauses. A job that ends its thread has a pause of its own, and the others go on.
   */
  #diedByItself(worker: PoolWorker): void {
    this.#crashes = worker.completed > 0 ? 0 : this.#crashes + 1
    if (this.#crashes > 1) this.#starter.rest(this.#crashes - 1)
  }

  #lose(attempts: readonly Attempt[], error: OffstageError, lossOf: (attempt: Attempt) => Loss): void {
    // First the judgement, then its effects: they may start other things.
    const losses = attempts.map((attempt) => [attempt as Attempt<Owner>, lossOf(attempt)] as const)
    for (const [attempt] of losses) attempt.worker.free(attempt)
    for (const [attempt, loss] of losses) this.#listener.onLost(attempt, loss, error)
  }

  #remove(worker: PoolWorker): void {
    this.#callOffRest(worker)
    const index = this.#workers.indexOf(worker)
    if (index !== -1) this.#workers.splice(index, 1)
  }

  /** `close` waits for it. */
  #track(closing: Promise<void>): void {
    this.#closings.add(closing)
    const forget = () => this.#closings.delete(closing)
    closing.then(forget, forget)
  }

  // What the threads say.

  readonly #workerListener: WorkerListener = {
    onBegun: (attempt) => {
      if (attempt.isBegun) return
      attempt.isBegun = true
      if (!attempt.isStale) this.#listener.onBegun(attempt as Attempt<Owner>)
    },
    onDone: (attempt, runMs, result) => {
      this.#costs.of(attempt.record.name).add(runMs)
      this.#crashes = 0
      this.#free(attempt)
      this.#listener.onDone(attempt as Attempt<Owner>, runMs, result)
    },
    onFailed: (attempt, runMs, thrown, isFinal) => {
      // What a stale attempt has thrown nobody looks at.
      const error = attempt.isStale ? undefined : thrownFromWire(thrown, this.#options.errors)
      this.#free(attempt)
      this.#listener.onFailed(attempt as Attempt<Owner>, runMs, error, isFinal)
    },
    onProgress: (attempt, progress) =>
      attempt.isStale || this.#listener.onProgress(attempt as Attempt<Owner>, progress),
    onValue: (attempt, value) => attempt.isStale || this.#listener.onValue(attempt as Attempt<Owner>, value),
    onLog: (attempt, args) => attempt.isStale || this.#listener.onLog(attempt as Attempt<Owner>, args),
    onKeep: (attempt, call, key, value) =>
      attempt.isStale || this.#listener.onKeep(attempt as Attempt<Owner>, call, key, value),
    onFatal: (worker, thrown: WireThrown) => this.#broke(worker, thrownFromWire(thrown, this.#options.errors)),
    onNonsense: (worker) =>
      this.#broke(worker, new Error('it sent what is no message of offstage, of this version at least')),
    onHearing: () => this.#listener.onHearing(),
    onHeard: () => this.#listener.onHeard(),
  }

  #free(attempt: Attempt): void {
    const { worker } = attempt
    worker.free(attempt)
    if (worker.isIdle) this.#restWhenIdle(worker)
  }
}

/** What can be taken back need not be feared to wait behind the odd long one. */
const costMsOf = (cost: Cost): number => (canShare ? cost.meanMs : cost.estimateMs)

const ended = new OffstageError('WORKER_CRASHED', 'The thread was ended.')
