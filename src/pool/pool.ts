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
import { Probation } from './probation.ts'
import { Run, Slot, type SlotListener } from './slot.ts'
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
  onBegun(run: Run<Owner>): void
  onDone(run: Run<Owner>, runMs: number, result: unknown): void
  onFailed(run: Run<Owner>, runMs: number, error: unknown, isFinal: boolean): void
  onProgress(run: Run<Owner>, progress: unknown): void
  onValue(run: Run<Owner>, value: unknown): void
  onLog(run: Run<Owner>, args: unknown[]): void
  onKeep(run: Run<Owner>, call: number, key: string, value: unknown): void
  onLost(run: Run<Owner>, loss: Loss, error: OffstageError): void
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
  readonly #timetable: TimerQueue
  readonly #listener: PoolListener<Owner>
  readonly #slots: Slot[] = []
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
    this.#timetable = timetable
    this.#listener = listener
    this.#probation = new Probation(timetable, options.startTimeoutMs)
    this.#starter = new Starter(options, timetable, this.#probation, this.#starterListener)
    this.#watch = new Watch(this.#slots, timetable, options, {
      onStuck: (slot) => this.#relieve(slot),
      onDeaf: (slot) => this.#endDeaf(slot),
    })
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  get online(): number {
    return this.#slots.length
  }

  get starting(): number {
    return this.#starter.starting
  }

  get busy(): number {
    return this.#slots.filter((slot) => !slot.isIdle).length
  }

  /**
   * The thread that should take a job of this type now: one that is awake and will be done with what it has in less time than
   * it takes to wake another (if it can be taken back, should that prove wrong); else an idle one; else the one with most room.
   */
  roomFor(name: string, isAlone: boolean): Slot | undefined {
    const cost = this.#costs.of(name)
    const costMs = costMsOf(cost)
    const maxMs = cost.meanMs === cost.estimateMs ? steadyMsMax : workMsMax
    let idle: Slot | undefined
    let found: Slot | undefined
    for (const slot of this.#slots) {
      if (!slot.hasRoom(costMs, isAlone, maxMs)) continue
      if (slot.isIdle) idle ??= slot
      else if (slot.isShared && slot.workMs + costMs + slot.size * noteMs <= wakeMs) return slot
      else if (!found || slot.size < found.size) found = slot
    }
    return idle ?? found
  }

  /** Reserves a place; `send` follows when the start is committed. */
  reserve(
    slot: Slot,
    owner: Owner,
    record: JobRecord,
    transfer: Transferable[] | undefined,
    isAlone: boolean,
  ): Run<Owner> {
    const run = new Run(
      slot.nextTicket(),
      owner,
      slot,
      record,
      transfer,
      costMsOf(this.#costs.of(record.name)),
      isAlone,
    )
    if (slot.idleAlarm) this.#callOffRest(slot)
    slot.reserve(run)
    this.#watch.reserved(slot)
    return run
  }

  send(run: Run<Owner>): void {
    if (run.slot.has(run)) run.slot.send(run)
  }

  /** Starts threads for so many jobs that wait for one. */
  grow(waiting: number): void {
    if (this.#isClosed) return
    const starter = this.#starter
    if (waiting === 0) {
      if (this.#slots.length === 0) starter.giveUp()
      return
    }
    const most = Math.min(waiting, this.#options.max - this.#slots.length, starter.startingMax)
    while (starter.starting < most) this.#track(starter.start())
  }

  /** Sends what the threads have need of. */
  flush(): void {
    for (const slot of this.#slots) slot.flush()
  }

  /** All that was heard is safe and told, and what could start has started. */
  rest(): void {
    for (const slot of this.#slots) {
      slot.rest()
      if (slot.isIdle) this.#restWhenIdle(slot)
    }
  }

  /**
   * Stops an attempt that no longer counts: first its signal, then, `graceMs` later, its thread. The place on the thread
   * is taken until it has really stopped.
   */
  abort(run: Run<Owner>, reason: unknown): void {
    run.isStale = true
    if (run.slot.recall(run)) return this.#drop(run)
    run.slot.abort(run, reason)
    this.#timetable.after(this.#options.graceMs, () => this.#endGrace(run))
  }

  #endGrace(run: Run<Owner>): void {
    const { slot } = run
    if (!slot.has(run) || slot.isClosing) return
    const others = slot.runs.filter((other) => other !== run)
    // It waits behind an attempt that is known to run. The thread drops it as soon as it listens again.
    if (!run.isBegun && others.some((other) => other.isBegun)) {
      this.#timetable.after(this.#options.graceMs, () => this.#endGrace(run))
      return
    }
    const error = new OffstageError(
      'WORKER_CRASHED',
      `The thread was ended: it did not stop '${run.record.id}' within ${this.#options.graceMs} ms.`,
    )
    this.#end(slot, error, (other) => (other === run ? 'blamed' : lossAtEnd(other, this.#isClosed)))
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#watch.close()
    for (const slot of [...this.#slots]) this.#end(slot, undefined)
    this.#starter.close()
    while (this.#closings.size > 0) await Promise.all(this.#closings)
  }

  /** The thread never heard of it. */
  #drop(run: Run<Owner>): void {
    this.#free(run)
    this.#listener.onLost(run, 'released', ended)
    this.#listener.onRoom()
  }

  /**
   * A thread above `min` that gets no work for `idleMs` is ended. Not while there is some that it is about to get, or that waits
   * for a rate limit: then another would have to be started for it.
   */
  #restWhenIdle(slot: Slot): void {
    const { min, idleMs } = this.#options
    if (slot.idleAlarm || this.#slots.length <= min || idleMs === Number.POSITIVE_INFINITY) return
    slot.idleAlarm = this.#timetable.after(idleMs, () => {
      slot.idleAlarm = undefined
      if (slot.isIdle && this.#slots.length > min && !this.#listener.hasWork()) this.#end(slot, undefined)
    })
  }

  #callOffRest(slot: Slot): void {
    this.#timetable.cancel(slot.idleAlarm)
    slot.idleAlarm = undefined
  }

  // Threads that do not listen.

  /** A thread that may take what another has no time for. */
  #hasOtherThan(slot: Slot): boolean {
    return this.#slots.length < this.#options.max || this.#slots.some((other) => other !== slot && !other.isStuck)
  }

  /** What was sent to a thread that turns out to be busy for long is taken back, and goes to the next that is free. */
  #relieve(slot: Slot): void {
    if (!this.#hasOtherThan(slot)) return
    slot.isStuck = true
    const { runs } = slot
    // A thread that is at nothing may only be slow to wake up. The first stays: should it never be taken up, that will show.
    const behind = runs.some((run) => slot.hasTaken(run)) ? runs : runs.slice(1)
    // What was moved to the thread is there and nowhere else.
    this.#takeBack(behind.filter((run) => !(run.isSent && run.transfer) && slot.recall(run)))
    if (this.#options.concurrency > 1) this.#timetable.after(stuckMsMax, () => this.#unstick(slot))
  }

  /** A thread at several attempts may have nothing to say of any of them for long, although it listens again. */
  #unstick(slot: Slot): void {
    slot.isStuck = false
    this.#listener.onRoom()
  }

  /** The thread will pass over them. */
  #takeBack(runs: readonly Run[]): void {
    for (const run of runs) this.#free(run)
    for (const run of runs) this.#listener.onLost(run as Run<Owner>, 'released', ended)
    if (runs.length > 0) this.#listener.onRoom()
  }

  /** Nothing that is on it has begun, and what keeps it busy is no job: a loop, say, that an earlier one left behind. */
  #endDeaf(slot: Slot): void {
    const { runs } = slot
    const untaken = slot.isShared ? runs.filter((run) => slot.recall(run)) : runs
    // It has just woken up.
    if (untaken.length < runs.length) return this.#takeBack(untaken)
    const message =
      `The thread was ended: for ${this.#watch.deafMs} ms it did not take up what it was sent. ` +
      'Something that is no job keeps it busy, such as a loop that an earlier one left behind.'
    this.#end(slot, new OffstageError('WORKER_CRASHED', message), () => 'released')
    this.#diedByItself(slot)
  }

  // Starting.

  readonly #starterListener: StarterListener = {
    hasThreads: () => this.#slots.length > 0,
    makeSlot: (workerId, port) => {
      const slot = new Slot(workerId, port, this.#options.concurrency, this.#slotListener)
      port.onClose((cause) => this.#broke(slot, cause))
      return slot
    },
    onStarted: (slot) => {
      // It may have died in the meantime.
      if (this.#isClosed || slot.isClosing) return this.#track(slot.port.close())
      this.#slots.push(slot)
      this.#listener.onOnline(slot.id)
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
    slot: Slot,
    error: OffstageError | undefined,
    lossOf: (run: Run) => Loss = (run) => lossAtEnd(run, this.#isClosed),
  ): void {
    slot.isClosing = true
    this.#remove(slot)
    this.#track(slot.port.close(error ? 0 : slot.isIdle ? idleDrainMs : busyDrainMs))
    this.#lose(slot.runs, error ?? ended, lossOf)
    this.#listener.onExit(slot.id, error)
    this.#listener.onRoom()
  }

  #broke(slot: Slot, cause: unknown): void {
    if (slot.isReady && !slot.probation) return this.#died(slot, cause)
    const waitedFor = slot.probation ?? slot.ready
    waitedFor.reject(loadError('it failed while it was loading', cause))
  }

  #died(slot: Slot, cause: unknown): void {
    if (slot.isClosing) return
    slot.isClosing = true
    this.#remove(slot)
    this.#track(slot.port.close())
    const reason = reasonOf(cause) || 'the platform does not say why.'
    const error = new OffstageError('WORKER_CRASHED', `The thread ended: ${reason}`, { cause })
    const { runs } = slot
    const candidates = candidatesAmong(runs)
    const [first] = candidates
    const isExact = candidates.length === 1 && !this.#probation.shields(first as Run, this.#slots)
    this.#lose(runs, error, (run) => lossByDeath(run, candidates, isExact))
    this.#listener.onExit(slot.id, error)
    if (candidates.length === 0) this.#diedByItself(slot)
    this.#listener.onRoom()
  }

  /**
   * No job is to blame. Threads that do so one after the other, before anything is completed, are answered with longer and longer
   * pauses. A job that ends its thread has a pause of its own, and the others go on.
   */
  #diedByItself(slot: Slot): void {
    this.#crashes = slot.completed > 0 ? 0 : this.#crashes + 1
    if (this.#crashes > 1) this.#starter.rest(this.#crashes - 1)
  }

  #lose(runs: readonly Run[], error: OffstageError, lossOf: (run: Run) => Loss): void {
    // First the judgement, then its effects: they may start other things.
    const losses = runs.map((run) => [run as Run<Owner>, lossOf(run)] as const)
    for (const [run] of losses) run.slot.free(run)
    for (const [run, loss] of losses) this.#listener.onLost(run, loss, error)
  }

  #remove(slot: Slot): void {
    this.#callOffRest(slot)
    const index = this.#slots.indexOf(slot)
    if (index !== -1) this.#slots.splice(index, 1)
  }

  /** `close` waits for it. */
  #track(closing: Promise<void>): void {
    this.#closings.add(closing)
    const forget = () => this.#closings.delete(closing)
    closing.then(forget, forget)
  }

  // What the threads say.

  readonly #slotListener: SlotListener = {
    onBegun: (run) => {
      if (run.isBegun) return
      run.isBegun = true
      if (!run.isStale) this.#listener.onBegun(run as Run<Owner>)
    },
    onDone: (run, runMs, result) => {
      this.#costs.of(run.record.name).add(runMs)
      this.#crashes = 0
      this.#free(run)
      this.#listener.onDone(run as Run<Owner>, runMs, result)
    },
    onFailed: (run, runMs, thrown, isFinal) => {
      // What a stale attempt has thrown nobody looks at.
      const error = run.isStale ? undefined : thrownFromWire(thrown, this.#options.errors)
      this.#free(run)
      this.#listener.onFailed(run as Run<Owner>, runMs, error, isFinal)
    },
    onProgress: (run, progress) => run.isStale || this.#listener.onProgress(run as Run<Owner>, progress),
    onValue: (run, value) => run.isStale || this.#listener.onValue(run as Run<Owner>, value),
    onLog: (run, args) => run.isStale || this.#listener.onLog(run as Run<Owner>, args),
    onKeep: (run, call, key, value) => run.isStale || this.#listener.onKeep(run as Run<Owner>, call, key, value),
    onFatal: (slot, thrown: WireThrown) => this.#broke(slot, thrownFromWire(thrown, this.#options.errors)),
    onNonsense: (slot) =>
      this.#broke(slot, new Error('it sent what is no message of offstage, of this version at least')),
    onHearing: () => this.#listener.onHearing(),
    onHeard: () => this.#listener.onHeard(),
  }

  #free(run: Run): void {
    const { slot } = run
    slot.free(run)
    if (slot.isIdle) this.#restWhenIdle(slot)
  }
}

/** What can be taken back need not be feared to wait behind the odd long one. */
const costMsOf = (cost: Cost): number => (canShare ? cost.meanMs : cost.estimateMs)

const ended = new OffstageError('WORKER_CRASHED', 'The thread was ended.')
