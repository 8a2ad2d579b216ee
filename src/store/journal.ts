/**
 * A store that keeps its batches in a journal, whatever the medium: what is said here about durability and recovery
 * holds for files and for IndexedDB alike.
 *
 *   commit      one batch is one frame, and is done when the medium says that it is durable
 *   open        reads all frames; a torn tail was never acknowledged and is set aside, anything else that is wrong is
 *               refused, and nothing is changed
 *   compaction  when less than half of a journal is alive: a snapshot goes into a draft, in slices, while commits go on;
 *               what these change behind the slices' back follows; then the draft takes the journal's place
 *   failure     no room: the batch is refused, and leaves no trace. Anything else: memory is still the truth, so all of it
 *               is written anew; if that fails too, the store stops for good.
 */
import type { JobRecord } from '../job/record.ts'
import { nextTask } from '../platform/hop.ts'
import { type Deferred, defer } from '../shared/deferred.ts'
import { OffstageError } from '../shared/errors.ts'
import { ByteWriter } from './bytes.ts'
import { BatchWriter, LiveRecords, Replayer } from './change-codec.ts'
import { type Chain, FrameScanner, headerBytes, newMark, stamp, type Verdict } from './frame.ts'
import { type Draft, type Medium, MediumError } from './medium.ts'
import type { Change, Store, StoreHost } from './store.ts'
import { roomBehind, writeValue } from './value-codec.ts'

export interface JournalOptions {
  /** An input, result, checkpoint or step value that takes more is refused. */
  readonly valueBytesMax: number
  /** Batches may be lost with the power, in whatever order; see frame.ts. Default `false`. */
  readonly isRelaxed?: boolean | undefined
  /** For tests: a journal that is smaller is not worth compacting. Default 1 MiB. */
  readonly compactBytesMin?: number
}

export const valueBytesMaxDefault = 16 * 1024 * 1024

const compactBytesMinDefault = 1024 * 1024
/** No slice of work takes the thread for much longer than this; looked at every so many changes. */
const sliceMs = 3
const changesPerCheck = 32
/** One frame of a snapshot holds about so much. */
const sliceBytes = 256 * 1024
const sealDelayMs = 1_000
/** What is smaller need not be written to see that it fits. */
const smallBytes = 4 * 1024
const scratchBytesMax = 1024 * 1024

/** A snapshot on its way into a draft. */
interface Compaction {
  readonly draft: Draft
  readonly chain: Chain
  size: number
  /** Records up to this one are in the draft: what changes among them from now on must follow. */
  cursor: number
  readonly behind: Change[]
  /** The journal it was to replace is broken: there will be another. */
  readonly abandoned: Deferred<never>
  readonly ended: Deferred<void>
}

export class Journal implements Store {
  readonly isDurable = true
  readonly #medium: Medium
  readonly #options: JournalOptions
  readonly #compactBytesMin: number
  #host: StoreHost | undefined
  #records = new LiveRecords()
  #chain: Chain = { salt: 0, epoch: 0, isRelaxed: false, sequence: 0, checksum: 0 }
  #size = 0
  /** The next compaction is not tried before the journal is as large as this. */
  #compactFrom: number
  #compaction: Compaction | undefined
  #compacted: Promise<void> = Promise.resolve()
  /** Ends when nobody appends: one at a time. */
  #turn: Deferred<void> | undefined
  #isSealed = true
  #stopSealTimer: (() => void) | undefined
  #failure: OffstageError | undefined
  #isClosing = false
  /** Where values are tried out. */
  #scratch = new ByteWriter()

  constructor(medium: Medium, options: JournalOptions) {
    this.#medium = medium
    this.#options = options
    this.#compactBytesMin = options.compactBytesMin ?? compactBytesMinDefault
    this.#compactFrom = this.#compactBytesMin
  }

  get #live(): StoreHost {
    if (!this.#host) throw new Error('offstage bug: the store is not open')
    return this.#host
  }

  // Opening.

  async open(host: StoreHost): Promise<readonly JobRecord[]> {
    if (this.#host) throw new OffstageError('STORE_LOCKED', `${this.#medium.place} is open in another scheduler here.`)
    this.#host = host
    this.#failure = undefined
    this.#isClosing = false
    const replayer = new Replayer(host.errors)
    const records = new LiveRecords()
    let nonsense: { readonly at: number; readonly cause: unknown } | undefined
    const scanner = new FrameScanner((payload, at) => {
      if (nonsense) return
      try {
        replayer.replay(payload, records)
      } catch (cause) {
        nonsense = { at, cause }
      }
    })
    try {
      await this.#medium.open((piece) => scanner.push(piece))
      if (nonsense) throw this.#corrupt(`damaged: the batch at byte ${nonsense.at} makes no sense`, nonsense.cause)
      await this.#accept(scanner.end(), records)
    } catch (error) {
      await this.#medium.close()
      this.#host = undefined
      throw error instanceof MediumError ? this.#writeFailed(error) : error
    }
    return [...records.values()]
  }

  async #accept(verdict: Verdict, records: LiveRecords): Promise<void> {
    this.#records = records
    const { place } = this.#medium
    switch (verdict.kind) {
      case 'foreign':
        throw new OffstageError(
          'STORE_CORRUPT',
          `${place} is not a journal of offstage, or its first bytes are damaged; it was left as it is.`,
        )
      case 'newer':
        throw new OffstageError(
          'STORE_CORRUPT',
          `${place} was written by a newer version of offstage (format ${verdict.version}); it was left as it is.`,
        )
      case 'damaged':
        throw this.#corrupt(
          `damaged at byte ${verdict.at}: the last good batch is ${verdict.chain?.sequence ?? 0}, and batch ${verdict.nextSequence} behind the damage is whole, so this is no torn end`,
          undefined,
        )
      case 'empty':
        await this.#medium.secure(0)
        return this.#renew()
      case 'torn':
        await this.#medium.cut(verdict.size)
    }
    await this.#medium.secure(verdict.kind === 'clean' ? verdict.lastAt : verdict.size)
    this.#chain = { ...verdict.chain, isRelaxed: this.#options.isRelaxed ?? false, epoch: newMark(this.#live.random) }
    this.#size = verdict.size
    this.#isSealed = false
    this.#compactFrom = this.#compactBytesMin
  }

  #corrupt(what: string, cause: unknown): OffstageError {
    const message = `${this.#medium.place} is ${what}. Nothing was changed. ${this.#medium.remedy}`
    return new OffstageError('STORE_CORRUPT', message, cause === undefined ? {} : { cause })
  }

  /** The medium has trouble that may pass. */
  report(error: OffstageError): void {
    this.#host?.report(error)
  }

  // Committing.

  check(value: unknown, what: string): void {
    if (roomBehind(value, Math.min(smallBytes, this.#options.valueBytesMax)) >= 0) return
    const out = this.#scratch
    out.truncate(0)
    writeValue(out, value, what)
    const { length } = out
    // What one giant value needed is not kept for ever.
    if (length > scratchBytesMax) this.#scratch = new ByteWriter()
    const { valueBytesMax } = this.#options
    if (length <= valueBytesMax) return
    const message = `The ${what} cannot be stored: it takes ${length} bytes, and \`valueBytesMax\` is ${valueBytesMax}.`
    throw new OffstageError('DATA_CLONE', message)
  }

  async commit(changes: readonly Change[]): Promise<void> {
    await this.#takeTurn()
    try {
      const batch = new BatchWriter(headerBytes)
      const sizes = await this.#encode(batch, changes)
      this.#stopSealTimer?.()
      await this.#append(batch.finish(), () => this.#apply(changes, sizes))
      this.#isSealed = false
    } finally {
      this.#endTurn()
    }
    if (this.#isClosing) return
    this.#sealLater()
    if (this.#size > this.#compactFrom && this.#records.bytes < this.#size / 2) this.#compact()
  }

  /** Answers how many bytes each took. */
  async #encode(batch: BatchWriter, changes: readonly Change[]): Promise<Float64Array> {
    const { clock } = this.#live
    const sizes = new Float64Array(changes.length)
    let until = clock.monotonic() + sliceMs
    for (let index = 0; index < changes.length; index++) {
      sizes[index] = batch.add(changes[index] as Change)
      if (index % changesPerCheck < changesPerCheck - 1 || clock.monotonic() < until) continue
      await nextTask()
      until = clock.monotonic() + sliceMs
    }
    return sizes
  }

  /** Makes a frame durable, in the one way or the other; then, and not before, what it says is so. */
  async #append(frame: Uint8Array, apply: () => void): Promise<void> {
    if (this.#failure) throw this.#failure
    const checksum = stamp(frame, this.#chain)
    const { length } = frame
    try {
      await this.#medium.append(frame)
    } catch (error) {
      if ((error as Partial<MediumError>).failure === 'full') throw this.#writeFailed(error)
      if ((error as Partial<MediumError>).failure === 'lost') throw this.#stop(error)
      apply()
      return this.#renewOrStop(error)
    }
    this.#chain.sequence++
    this.#chain.checksum = checksum
    this.#size += length
    apply()
  }

  #apply(changes: readonly Change[], sizes: Float64Array): void {
    const compaction = this.#compaction
    for (let index = 0; index < changes.length; index++) {
      const change = changes[index] as Change
      const { seq } = change.after ?? (change.before as JobRecord)
      if (change.after) this.#records.set(change.after, sizes[index] as number)
      else this.#records.delete(seq)
      // Records further on come by themselves.
      if (compaction && seq <= compaction.cursor) compaction.behind.push(change)
    }
  }

  // One at a time.

  /** `orRejects` ends the wait. */
  async #takeTurn(orRejects?: Promise<never>): Promise<void> {
    while (this.#turn) await (orRejects ? Promise.race([this.#turn.promise, orRejects]) : this.#turn.promise)
    this.#turn = defer()
  }

  #endTurn(): void {
    this.#turn?.resolve()
    this.#turn = undefined
  }

  // Sealing.

  #sealLater(): void {
    this.#stopSealTimer?.()
    const { clock } = this.#live
    this.#stopSealTimer = clock.startTimer(() => void this.#seal().catch(() => {}), sealDelayMs, false)
  }

  /** Protects the last batch; see frame.ts. */
  async #seal(): Promise<void> {
    await this.#takeTurn()
    try {
      if (this.#isSealed || this.#failure) return
      await this.#append(new Uint8Array(headerBytes), () => {})
      this.#isSealed = true
    } finally {
      this.#endTurn()
    }
  }

  // Compacting.

  #compact(): void {
    if (this.#compaction) return
    this.#compactFrom = Number.POSITIVE_INFINITY
    this.#compacted = this.#writeSnapshot(true).catch((error) => {
      // It is tried again when there is that much more to gain; nothing is lost meanwhile.
      this.#compactFrom = this.#size + this.#compactBytesMin
      if (!this.#failure && !this.#isClosing) this.#host?.report(this.#writeFailed(error))
    })
  }

  /** Writes all of memory into a draft and publishes it. Only one that `isGentle` lets commits in between. */
  async #writeSnapshot(isGentle: boolean): Promise<void> {
    const { random } = this.#live
    const marks = { salt: newMark(random), epoch: newMark(random) }
    // A draft is synced as a whole, whatever the durability.
    const chain: Chain = { ...marks, isRelaxed: false, sequence: 0, checksum: 0 }
    const draft = await this.#medium.draft()
    const [abandoned, ended] = [defer<never>(), defer<void>()]
    abandoned.promise.catch(() => {})
    const compaction: Compaction = { draft, chain, size: 0, cursor: -1, behind: [], abandoned, ended }
    this.#compaction = compaction
    let hasTurn = false
    try {
      await this.#writeRecords(compaction)
      if (isGentle) await this.#takeTurn(abandoned.promise)
      hasTurn = isGentle
      await this.#writeBehind(compaction)
      // A seal, because the last batch must be as safe as the others.
      await this.#appendToDraft(compaction, new Uint8Array(headerBytes))
      await draft.publish()
      this.#chain = { ...chain, isRelaxed: this.#options.isRelaxed ?? false }
      this.#size = compaction.size
      this.#records.bytes = compaction.size
      // At least half as large again, whatever is thought to be alive.
      this.#compactFrom = Math.max(this.#compactBytesMin, compaction.size * 1.5)
      this.#isSealed = true
    } catch (error) {
      await draft.discard().catch(() => {})
      throw error
    } finally {
      this.#compaction = undefined
      if (hasTurn) this.#endTurn()
      ended.resolve()
    }
  }

  /** They come in the order of adding, which is that of `seq`. */
  async #writeRecords(compaction: Compaction): Promise<void> {
    const { clock } = this.#live
    let batch = new BatchWriter(headerBytes)
    let until = clock.monotonic() + sliceMs
    let added = 0
    for (const record of this.#records.values()) {
      batch.add({ before: undefined, after: record })
      compaction.cursor = record.seq
      if (batch.bytes < sliceBytes && (++added % changesPerCheck !== 0 || clock.monotonic() < until)) continue
      await this.#appendToDraft(compaction, batch.finish())
      await this.#writeBehind(compaction)
      batch = new BatchWriter(headerBytes)
      until = clock.monotonic() + sliceMs
    }
    // The walk is over: what is added while the last frame is written is not met any more, and must follow.
    compaction.cursor = Number.POSITIVE_INFINITY
    if (!batch.isEmpty) await this.#appendToDraft(compaction, batch.finish())
  }

  /** What commits have changed among records that are in the draft already. */
  async #writeBehind(compaction: Compaction): Promise<void> {
    while (compaction.behind.length > 0) {
      const batch = new BatchWriter(headerBytes)
      await this.#encode(batch, compaction.behind.splice(0))
      await this.#appendToDraft(compaction, batch.finish())
    }
  }

  async #appendToDraft(compaction: Compaction, frame: Uint8Array): Promise<void> {
    const { chain, draft } = compaction
    chain.checksum = stamp(frame, chain)
    chain.sequence++
    compaction.size += frame.length
    await Promise.race([draft.append(frame), compaction.abandoned.promise])
  }

  // Failing.

  /** Memory is the truth: all of it is written anew. */
  async #renew(): Promise<void> {
    const { abandoned, ended } = this.#compaction ?? {}
    abandoned?.reject(new MediumError('broken', 'the journal it was to replace is broken'))
    await ended?.promise
    await this.#writeSnapshot(false)
  }

  async #renewOrStop(cause: unknown): Promise<void> {
    try {
      await this.#renew()
    } catch (second) {
      throw this.#stop(new AggregateError([cause, second], 'neither the batch nor a new journal could be written'))
    }
    this.#host?.report(this.#writeFailed(cause))
  }

  #stop(cause: unknown): OffstageError {
    const isLost = (cause as Partial<MediumError>).failure === 'lost'
    const message = isLost
      ? `${this.#medium.place} was changed by somebody else; nothing more is written there.`
      : `${this.#medium.place} cannot be written any more. Whether the last changes are there is not known.`
    this.#failure = new OffstageError(isLost ? 'STORE_LOCKED' : 'STORE_WRITE_FAILED', message, { cause })
    this.#host?.stopped(this.#failure)
    return this.#failure
  }

  #writeFailed(error: unknown): OffstageError {
    const reason = error instanceof Error ? error.message : String(error)
    // What the system said, code and all, is of more use than what we made of it.
    const cause = error instanceof MediumError ? (error.cause ?? error) : error
    return new OffstageError('STORE_WRITE_FAILED', `${this.#medium.place} could not be written: ${reason}`, { cause })
  }

  // Closing.

  async close(): Promise<void> {
    this.#isClosing = true
    this.#stopSealTimer?.()
    // What it was to gain is not worth waiting for.
    this.#compaction?.abandoned.reject(new MediumError('broken', 'the store is being closed'))
    await this.#compacted
    try {
      await this.#seal()
    } catch {
      // The last batch is safe without it, but for flipped bits.
    }
    await this.#medium.close()
    this.#records = new LiveRecords()
    this.#host = undefined
  }
}
