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
import { type Resume, say, tell, tellFields } from './protocol.ts'

/** What a thread says, told to the pool. */
export interface SlotListener {
  onBegun(run: Run): void
  onDone(run: Run, runMs: number, result: unknown): void
  onFailed(run: Run, runMs: number, thrown: WireThrown, isFinal: boolean): void
  onProgress(run: Run, progress: unknown): void
  onValue(run: Run, value: unknown): void
  onLog(run: Run, args: unknown[]): void
  onKeep(run: Run, call: number, key: string, value: unknown): void
  onFatal(slot: Slot, thrown: WireThrown): void
  /** It said what is no message of ours. Nothing that it says can be relied on any more, nor that it says what it should. */
  onNonsense(slot: Slot): void
  /** One message is about to be told. */
  onHearing(): void
  /** All that one message said has been told. */
  onHeard(slot: Slot): void
}

/** How many attempts may be on their way to one thread, however short they are. */
const runsMax = 1_024
/** A power of two, and more than may be on one thread: old numbers keep their places. */
const placesFor = (concurrency: number): number => 2 ** Math.ceil(Math.log2(2 * Math.max(runsMax, concurrency)))

/** One thread as the pool sees it: a port, and the attempts that are on it. */
export class Slot {
  readonly id: number
  readonly port: Port
  /**
   * What is in a place where there is no attempt. It is more than a gap: V8 forgets the shape of objects with the last of them,
   * and with it the code that was made for it, so that after each pause all would be slow again.
   */
  readonly #none = new Run(0, undefined, this, undefined as never, undefined, 0, false)
  /** By ticket, whose last bits are its place: a table by number costs several times as much. */
  readonly #places: Run[]
  /** How many attempts are on it. */
  size = 0
  /** Of these: to be sent, but not yet. */
  #held: Run[] = []
  /** The run that has this thread to itself. */
  #alone: Run | undefined
  #claims: Claims | undefined
  #lastTicket = 0
  /** Nothing was heard of it for long, and so what waits on it waits for something long. */
  isStuck = false
  wasHeard = true
  /** It keeps the process alive: until it is first at rest, as a thread that is loading does. */
  #isHeld = true
  /** For the end of a thread above `min` that gets no work. */
  idleAlarm: Timer | undefined
  /** What it was found not to have taken up, how many times in a row. */
  #passedOver = 0
  #timesPassedOver = 0
  readonly #concurrency: number
  readonly #listener: SlotListener
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

  constructor(id: number, port: Port, concurrency: number, listener: SlotListener) {
    this.id = id
    this.port = port
    this.#concurrency = concurrency
    this.#listener = listener
    this.#places = new Array(placesFor(concurrency)).fill(this.#none)
    this.#outbox = new Outbox(
      (batch, transfer) => port.post(batch, transfer),
      tellFields,
      (note, cause) => this.#refuse(note, cause),
    )
    port.onMessage((batch) => this.#hear(batch))
  }

  get isIdle(): boolean {
    return this.size === 0
  }

  /** In the order in which they were given to it, which is the order in which the thread takes them up. */
  get runs(): Run[] {
    return this.#places.filter((run) => run !== this.#none).sort((a, b) => (a.ticket - b.ticket) | 0)
  }

  has(run: Run): boolean {
    return this.#runOf(run.ticket) === run
  }

  #runOf(ticket: number): Run | undefined {
    const run = this.#places[this.#placeOf(ticket)]
    return run?.ticket === ticket && run !== this.#none ? run : undefined
  }

  #placeOf(ticket: number): number {
    return ticket & (this.#places.length - 1)
  }

  /** Whether one more attempt may be sent: at once to an idle thread, ahead of time when all of it is short work. */
  hasRoom(costMs: number, isAlone: boolean, workMsMax: number): boolean {
    if (!this.isReady || this.isClosing) return false
    const { size } = this
    if (size === 0) return true
    if (isAlone || this.#alone || this.isStuck) return false
    if (size < this.#concurrency) return true
    return size < runsMax && this.workMs + costMs <= workMsMax
  }

  /** Whether an attempt waits on it behind another. */
  get isAwaited(): boolean {
    if (this.size > this.#concurrency) return true
    return this.size > 1 && this.isShared && this.runs.some((run) => run.isSent && !this.hasTaken(run))
  }

  /** Whether it has begun with an attempt; without claims, whether it has said so. */
  hasTaken(run: Run): boolean {
    return this.#claims ? run.isSent && !this.#claims.isOpen(run.ticket) : run.isBegun
  }

  /**
   * What it was sent first, if it has taken up nothing at all of what is on it. Without claims nothing is known of an attempt
   * that is tiny: it may be under way, and for long.
   */
  get #untouched(): Run | undefined {
    const { runs } = this
    const [first] = runs
    if (!first?.isSent || runs.some((run) => this.hasTaken(run))) return undefined
    return this.#claims || isWatched(first) ? first : undefined
  }

  /** Whether it may prove not to take up what is on it. */
  get mayBeDeaf(): boolean {
    return this.runs.some((run) => !this.hasTaken(run) && (this.isShared || isWatched(run)))
  }

  /** To be asked at intervals, when all that has arrived was heard: how many times in a row it has not even begun with the same attempt. */
  countPassedOver(): number {
    const ticket = this.#untouched?.ticket ?? 0
    this.#timesPassedOver = ticket !== 0 && ticket === this.#passedOver ? this.#timesPassedOver + 1 : 0
    this.#passedOver = ticket
    return this.#timesPassedOver
  }

  /** A number of 32 bits, not 0, whose place is free: one from long ago may still be in it. */
  nextTicket(): number {
    do this.#lastTicket = (this.#lastTicket + 1) | 0 || 1
    while (this.#places[this.#placeOf(this.#lastTicket)] !== this.#none)
    return this.#lastTicket
  }

  reserve(run: Run): void {
    this.size++
    if (!this.#isHeld) this.#hold(true)
    this.#places[this.#placeOf(run.ticket)] = run
    this.workMs += run.costMs
    if (run.isAlone) this.#alone = run
  }

  /** An idle thread must not keep the process alive. Not said at once: mostly there is work again within the same turn. */
  rest(): void {
    if (this.#isHeld && this.isIdle) this.#hold(false)
  }

  #hold(isHeld: boolean): void {
    this.#isHeld = isHeld
    this.port.hold(isHeld)
  }

  free(run: Run): void {
    if (!this.has(run)) return
    this.#places[this.#placeOf(run.ticket)] = this.#none
    this.size--
    // Summing up and taking away many fractions leaves a rest; an empty thread starts at zero again.
    this.workMs = this.size === 0 ? 0 : this.workMs - run.costMs
    if (this.#alone === run) this.#alone = undefined
    if (!run.isSent && this.#held.includes(run)) this.#held = this.#held.filter((held) => held !== run)
  }

  /** To be sent with the next `flush` that finds the thread in need of it; moved values go at once. */
  send(run: Run): void {
    this.#held.push(run)
    if (run.transfer) this.#sendHeld(run.transfer)
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
    for (const run of this.#held) {
      run.isSent = true
      this.#claims?.offer(run.ticket)
      const { id, name, attempt, rules, checkpoint, steps, input } = run.record
      const { headers } = rules
      const resume: Resume | 0 =
        checkpoint === undefined && steps === undefined && !headers
          ? 0
          : { checkpoint, steps: steps && new Map(steps), ...(headers && { headers }) }
      const mustSayBegun = rules.timeoutMs !== undefined || (!this.#claims && isWatched(run))
      if (attempt === 1 && !mustSayBegun && !resume) batch.push(tell.runFirst, run.ticket, name, id, input)
      else batch.push(tell.run, run.ticket, name, id, attempt, mustSayBegun ? 1 : 0, resume, input)
    }
    this.#held = []
    this.#outbox.flush(transfer)
  }

  /** Whether it is known of each attempt if it has begun. */
  get isShared(): boolean {
    return this.#claims !== undefined
  }

  /** Takes an attempt back. Then it has not begun, and never will. */
  recall(run: Run): boolean {
    return !run.isSent || this.#claims?.claim(run.ticket) === true
  }

  abort(run: Run, reason: unknown): void {
    if (!run.isSent) return
    this.#outbox.open().push(tell.abort, run.ticket, thrownToWire(reason))
  }

  /** Lets the handler send more values. */
  taken(run: Run, count: number): void {
    if (this.has(run)) this.#outbox.open().push(tell.taken, run.ticket, count)
  }

  /** A checkpoint or step is safe. */
  kept(run: Run, call: number): void {
    if (this.has(run)) this.#outbox.open().push(tell.kept, run.ticket, call)
  }

  #refuse(note: unknown[], cause: unknown): void {
    if (note[0] === tell.claims) this.#claims = undefined
    const run = this.#runOf(note[1] as number)
    if (run && (note[0] === tell.run || note[0] === tell.runFirst)) {
      this.#listener.onFailed(run, 0, thrownToWire(cloneError(run.record.input, 'input', cause)), true)
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
      if (length === 0 || (batch[at] === say.ready && this.isReady)) return false
      this.#hearNote(batch, at)
      at += length
    }
    return true
  }

  #share(): void {
    if (!canShare) return
    const memory = Claims.memory(this.#places.length)
    this.#claims = new Claims(memory)
    this.#outbox.open().push(tell.claims, memory)
  }

  #hearNote(batch: unknown[], at: number): void {
    const operation = batch[at]
    if (operation === say.ready) {
      if (this.#concurrency > 1) this.#outbox.open().push(tell.concurrency, this.#concurrency)
      this.#share()
      this.isReady = true
      return this.ready.resolve()
    }
    if (operation === say.fatal) return this.#listener.onFatal(this, batch[at + 1] as WireThrown)
    const run = this.#runOf(batch[at + 1] as number)
    // Mostly it has been aborted or taken back meanwhile.
    if (!run?.isSent) return
    switch (operation) {
      case say.begun:
        return this.#listener.onBegun(run)
      case say.done:
        this.completed++
        return this.#listener.onDone(run, (batch[at + 2] as number) / 1_000, batch[at + 3])
      case say.failed:
        return this.#listener.onFailed(
          run,
          (batch[at + 2] as number) / 1_000,
          batch[at + 3] as WireThrown,
          batch[at + 4] as boolean,
        )
      case say.progress:
        return this.#listener.onProgress(run, batch[at + 2])
      case say.value:
        return this.#listener.onValue(run, batch[at + 2])
      case say.log:
        return this.#listener.onLog(run, batch[at + 2] as unknown[])
      case say.keep:
        return this.#listener.onKeep(run, batch[at + 2] as number, batch[at + 3] as string, batch[at + 4])
    }
  }
}

/** Its thread says when it begins: it has a time limit, or is not known to be tiny. */
const isWatched = (run: Run): boolean => run.costMs >= tinyMs || run.record.rules.timeoutMs !== undefined

/** One attempt on one thread, from the moment a place is reserved for it until the thread has let go of it. */
export class Run<Owner = unknown> {
  readonly ticket: number
  readonly owner: Owner
  readonly slot: Slot
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
    ticket: number,
    owner: Owner,
    slot: Slot,
    record: JobRecord,
    transfer: Transferable[] | undefined,
    costMs: number,
    isAlone: boolean,
  ) {
    this.ticket = ticket
    this.owner = owner
    this.slot = slot
    this.record = record
    this.transfer = transfer
    this.costMs = costMs
    this.isAlone = isAlone
  }
}
