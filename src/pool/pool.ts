/**
 * The workers of one scheduler.
 *
 *   a worker is  starting   requested; jobs wait in line, not on it
 *                 ready      has reported so over its port; takes attempts
 *                 closing    gets no more work, is being ended
 */
import type { JobRecord } from '../job/record.ts'
import { canShare } from '../shared/claims.ts'
import { type Cost, Costs } from '../shared/cost.ts'
import { type ErrorClass, thrownFromWire, type WireThrown } from '../shared/error-wire.ts'
import { OffstageError } from '../shared/errors.ts'
import type { Parents } from '../shared/parents.ts'
import type { Port } from '../shared/port.ts'
import type { TimerQueue } from '../timers/timer-queue.ts'
import { candidatesAmong, lossAtEnd, lossByDeath } from './blame.ts'
import { Gathering } from './gathering.ts'
import { Attempt, PoolWorker, type WorkerListener } from './pool-worker.ts'
import { Probation } from './probation.ts'
import type { SentWait } from './protocol.ts'
import { type Reserve, Spared } from './spared.ts'
import { loadError, reasonOf, Starter, type StarterListener, type StartFailure } from './starter.ts'
import { Watch } from './watch.ts'

export interface PoolOptions {
  readonly min: number
  readonly max: number
  /** How long a worker above `min` stays without work, in milliseconds. */
  readonly idleMs: number
  /** How many async jobs run at a time on one worker. */
  readonly concurrency: number
  readonly graceMs: number
  readonly startTimeoutMs: number
  readonly errors: readonly ErrorClass[]
  readonly reserve?: Reserve | undefined
  readonly spawn: () => Promise<Port>
}

/** What happened to an attempt whose worker ended; see blame.ts. */
export type Loss = 'blamed' | 'suspected' | 'interrupted' | 'released'

/** Receives what happens in the pool; the engine. */
export interface PoolListener<Owner> {
  /** Returns what the handler finds in `job.parents`. Called for marked jobs alone. */
  parentsOf(attempt: Attempt<Owner>): Parents | undefined
  onBegun(attempt: Attempt<Owner>): void
  onDone(attempt: Attempt<Owner>, runMs: number, result: unknown): void
  /** `retryMs`: the wait that the handler has asked for. */
  onFailed(attempt: Attempt<Owner>, error: unknown, retryMs: number | undefined): void
  /** The handler has put its job off. */
  onSnoozed(attempt: Attempt<Owner>, ms: number): void
  /** The handler has put its job back, and the queue is to rest. */
  onRateLimited(attempt: Attempt<Owner>, ms: number): void
  /** All code of the handler waits. */
  onWaiting(attempt: Attempt<Owner>, waits: readonly SentWait[]): void
  onProgress(attempt: Attempt<Owner>, progress: unknown): void
  onValue(attempt: Attempt<Owner>, value: unknown): void
  onLog(attempt: Attempt<Owner>, args: unknown[]): void
  onSave(attempt: Attempt<Owner>, call: number, key: string, value: unknown): void
  onLost(attempt: Attempt<Owner>, loss: Loss, error: OffstageError): void
  /** Called before the messages of a worker. */
  beforeMessages(): void
  /** Called after them. */
  afterMessages(): void
  /** A worker may have room now. */
  onRoom(): void
  onOnline(workerId: number): void
  onExit(workerId: number, error: OffstageError | undefined): void
  /** A worker could not be started; the pool tries again. */
  onStartFailed(workerId: number, failure: StartFailure): void
  /** Whether there are jobs that only wait for a worker or for a rate limit. */
  hasWork(): boolean
}

/** How long it takes to wake a worker. For less work than that another worker is not worth it. */
const wakeMs = 0.05
/** What an attempt costs its worker besides the handler. */
const overheadMs = 0.0004
/**
 * How much work may be on a worker that gets more. If the type never takes long, it is enough for the next job to be there when
 * a job of a millisecond ends. Otherwise it is less, because jobs that wait behind a long one wait until that is noticed.
 */
const steadyMsMax = 2.5
const workMsMax = 1
/** How long a worker gets to pass on what it has printed before it is ended: an idle one, and one that may be unresponsive. */
const idleDrainMs = 1_000
const busyDrainMs = 100

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
  readonly #spared: Spared | undefined
  readonly #gathering: Gathering
  /** How often in a row a worker ended that no job is to blame for, before anything was completed. */
  #crashes = 0
  #isClosed = false
  /** Workers that were made before are out of date. */
  #renewedAt = -Number.POSITIVE_INFINITY

  constructor(options: PoolOptions, timers: TimerQueue, listener: PoolListener<Owner>) {
    this.#options = options
    this.#timers = timers
    this.#listener = listener
    this.#spared = options.reserve && new Spared(options.reserve, options.max)
    this.#gathering = new Gathering(timers)
    this.#probation = new Probation(timers, options.startTimeoutMs)
    this.#starter = new Starter(options, timers, this.#probation, this.#starterListener)
    this.#watch = new Watch(this.#workers, timers, options, {
      onTakenBack: (attempts) => this.#takeBack(attempts),
      onUnresponsive: (worker) => this.#endUnresponsive(worker),
      onRoom: () => listener.onRoom(),
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

  /** The lowest priority of the jobs that workers are kept free for; `undefined` if none are. */
  get sparedFrom(): number | undefined {
    return this.#spared?.minPriority
  }

  get busy(): number {
    return this.#workers.filter((worker) => !worker.isIdle).length
  }

  /**
   * Returns the worker that should take a job of this type now. If attempts can be taken back, this may be a worker that is
   * awake and will finish its work in less time than it takes to wake another. Otherwise it is an idle worker, or else the one
   * with most room. First of all comes a worker whose call the job may join. `priority`: decides whether it may be a worker that is kept free.
   */
  roomFor(name: string, isAlone: boolean, priority = Number.POSITIVE_INFINITY): PoolWorker | undefined {
    const cost = this.#costs.of(name)
    const costMs = costMsOf(cost)
    const maxMs = cost.meanMs === cost.estimateMs ? steadyMsMax : workMsMax
    const spared = this.#spared && priority < this.#spared.minPriority ? this.#spared : undefined
    const gathering = isAlone ? undefined : this.#gathering.workerFor(name)
    if (gathering && spared?.lets(gathering) !== false) return gathering
    let idle: PoolWorker | undefined
    let found: PoolWorker | undefined
    for (const worker of this.#workers) {
      if (!worker.hasRoom(costMs, isAlone, maxMs) || spared?.lets(worker) === false) continue
      if (worker.isIdle) idle ??= worker
      else if (worker.isShared && worker.workMs + costMs + worker.size * overheadMs <= wakeMs) return worker
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
    priority = Number.POSITIVE_INFINITY,
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
    if (worker.together) this.#gathering.join(attempt)
    worker.reserve(attempt)
    this.#spared?.reserved(attempt, priority)
    this.#watch.reserved(worker)
    return attempt
  }

  send(attempt: Attempt<Owner>): void {
    const { worker, call } = attempt
    if (!worker.has(attempt)) return
    if (!call) return worker.send(attempt)
    call.makeReady(attempt)
    this.#gathering.send(attempt)
  }

  /** Starts workers for this many jobs that wait for one. */
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

  /** Sends the attempts that workers are in need of. */
  flush(): void {
    this.#gathering.flush()
    for (const worker of this.#workers) worker.flush()
  }

  /** Called when everything received is committed and announced, and the jobs that could start have started. */
  rest(): void {
    for (const worker of this.#workers) {
      worker.rest()
      if (worker.isIdle) this.#restWhenIdle(worker)
    }
  }

  /**
   * Stops a stale attempt: first it aborts its signal, then, `graceMs` later, it ends its worker. The attempt keeps its place
   * until it has really stopped.
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
    const isAwaited = attempt.call?.hasOthers(attempt) || (!attempt.isBegun && others.some((other) => other.isBegun))
    // The attempt waits behind one that is known to run, and the worker drops it as soon as it handles messages again; or others
    // are in the same call, and would be ended with it.
    if (isAwaited) {
      this.#timers.after(this.#options.graceMs, () => this.#endGrace(attempt))
      return
    }
    const error = new OffstageError(
      'WORKER_CRASHED',
      `The thread was ended: it did not stop '${attempt.record.id}' within ${this.#options.graceMs} ms.`,
    )
    this.#end(worker, error, (other) => (other === attempt ? 'blamed' : lossAtEnd(other, this.#isClosed)))
  }

  /** Ends all workers, because the code of their module has changed. What they ran is interrupted, and runs again on new ones. */
  renew(): void {
    this.#renewedAt = this.#timers.monotonic()
    for (const worker of [...this.#workers]) this.#end(worker, undefined)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#watch.close()
    for (const worker of [...this.#workers]) this.#end(worker, undefined)
    this.#starter.close()
    while (this.#closings.size > 0) await Promise.all(this.#closings)
  }

  /** The attempt never began on the worker. */
  #drop(attempt: Attempt<Owner>): void {
    this.#free(attempt)
    this.#listener.onLost(attempt, 'released', ended)
    this.#listener.onRoom()
  }

  /**
   * Ends a worker above `min` that gets no work for `idleMs`, unless there is work that it is about to get, or that waits for a
   * rate limit: another worker would have to be started for that.
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

  /** Frees attempts that were taken back from their worker, which will skip them. They go to the next worker that is free. */
  #takeBack(attempts: readonly Attempt[]): void {
    for (const attempt of attempts) this.#free(attempt)
    for (const attempt of attempts) this.#listener.onLost(attempt as Attempt<Owner>, 'released', ended)
    if (attempts.length > 0) this.#listener.onRoom()
  }

  /** What keeps an unresponsive worker busy is no job, but for example a loop that an earlier job left behind. */
  #endUnresponsive(worker: PoolWorker): void {
    const message =
      `The thread was ended: it began none of its jobs for ${this.#watch.unresponsiveMs} ms. ` +
      'Something else keeps it busy, such as a leftover loop.'
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
      if (worker.madeAt < this.#renewedAt) return this.#end(worker, undefined)
      this.#listener.onRoom()
    },
    onFailed: (workerId, failure) => {
      if (!this.#isClosed) this.#listener.onStartFailed(workerId, failure)
    },
    onRested: () => this.#listener.onRoom(),
  }

  // Ending.

  /** Ends a worker. */
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
   * A worker has ended and no job is to blame. When this happens several times before anything is completed, the pauses between
   * starts grow. A job that ends its worker has a pause of its own, and the others continue.
   */
  #diedByItself(worker: PoolWorker): void {
    this.#crashes = worker.completed > 0 ? 0 : this.#crashes + 1
    if (this.#crashes > 1) this.#starter.rest(this.#crashes - 1)
  }

  #lose(attempts: readonly Attempt[], error: OffstageError, lossOf: (attempt: Attempt) => Loss): void {
    // All losses are decided first, because their effects may start other attempts.
    const losses = attempts.map((attempt) => [attempt as Attempt<Owner>, lossOf(attempt)] as const)
    for (const [attempt] of losses) {
      this.#spared?.freed(attempt)
      attempt.worker.free(attempt)
    }
    for (const [attempt, loss] of losses) this.#listener.onLost(attempt, loss, error)
  }

  #remove(worker: PoolWorker): void {
    this.#callOffRest(worker)
    this.#gathering.drop(worker)
    const index = this.#workers.indexOf(worker)
    if (index !== -1) this.#workers.splice(index, 1)
  }

  /** Makes `close` wait for this. */
  #track(closing: Promise<void>): void {
    this.#closings.add(closing)
    const forget = () => this.#closings.delete(closing)
    closing.then(forget, forget)
  }

  // Messages of the workers.

  readonly #workerListener: WorkerListener = {
    parentsOf: (attempt) => this.#listener.parentsOf(attempt as Attempt<Owner>),
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
    onFailed: (attempt, thrown, retryMs) => {
      // Nothing reads the error of a stale attempt.
      const error = attempt.isStale ? undefined : thrownFromWire(thrown, this.#options.errors)
      this.#free(attempt)
      this.#listener.onFailed(attempt as Attempt<Owner>, error, retryMs)
    },
    onSnoozed: (attempt, ms) => {
      this.#free(attempt)
      this.#listener.onSnoozed(attempt as Attempt<Owner>, ms)
    },
    onRateLimited: (attempt, ms) => {
      this.#free(attempt)
      this.#listener.onRateLimited(attempt as Attempt<Owner>, ms)
    },
    onWaiting: (attempt, waits) => {
      this.#free(attempt)
      this.#listener.onWaiting(attempt as Attempt<Owner>, waits)
    },
    onProgress: (attempt, progress) =>
      attempt.isStale || this.#listener.onProgress(attempt as Attempt<Owner>, progress),
    onValue: (attempt, value) => attempt.isStale || this.#listener.onValue(attempt as Attempt<Owner>, value),
    onLog: (attempt, args) => attempt.isStale || this.#listener.onLog(attempt as Attempt<Owner>, args),
    onSave: (attempt, call, key, value) =>
      attempt.isStale || this.#listener.onSave(attempt as Attempt<Owner>, call, key, value),
    onFatal: (worker, thrown: WireThrown) => this.#broke(worker, thrownFromWire(thrown, this.#options.errors)),
    onInvalid: (worker) =>
      this.#broke(worker, new Error('it sent an invalid message; it may have another version of offstage')),
    beforeMessages: () => this.#listener.beforeMessages(),
    afterMessages: () => this.#listener.afterMessages(),
  }

  #free(attempt: Attempt): void {
    const { worker } = attempt
    this.#spared?.freed(attempt)
    worker.free(attempt)
    if (attempt.call) this.#gathering.left(attempt)
    if (worker.isIdle) this.#restWhenIdle(worker)
  }
}

/** If an attempt can be taken back, it does no harm when a rare long one delays it. */
const costMsOf = (cost: Cost): number => (canShare ? cost.meanMs : cost.estimateMs)

const ended = new OffstageError('WORKER_CRASHED', 'The thread was ended.')
