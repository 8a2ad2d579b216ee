/**
 * A store that keeps its batches in a journal on any medium. What this file says about durability and recovery holds for files
 * and for IndexedDB alike.
 *
 *   commit      a batch is one frame, or several when it is large. It is committed when the medium reports that the last
 *               frame is durable. It is encoded and written piece by piece, so only a piece is in memory twice
 *   open        reads all frames. A torn end is cut off and reported: in `strict` mode it was never acknowledged.
 *               Any other damage is refused, and nothing is changed
 *   compaction  when less than half of a journal is alive: a snapshot is written to a draft, in slices, while commits
 *               go on. Their changes are appended to the draft, and then it replaces the journal
 *   failure     no room: the batch is refused and leaves no trace. Any other failure: the records in memory are still
 *               right, so all of them are written anew; if that fails too, the store stops for good
 */
import type { JobRecord } from '../job/record.ts'
import { type Deferred, defer } from '../shared/deferred.ts'
import { OffstageError } from '../shared/errors.ts'
import { tagOf } from '../shared/show.ts'
import { type AppendFrame, appendBatch } from './append-batch.ts'
import { Attachments } from './attachments.ts'
import { type BatchFrame, BatchWriter } from './batch-writer.ts'
import { ByteWriter, TooLong } from './bytes.ts'
import { Compaction } from './compaction.ts'
import { type Chain, headerBytes, newChain, newMark, stampInSlices } from './frame.ts'
import { LiveRecords, valuesIn } from './live-records.ts'
import { longBytes } from './long-values.ts'
import { type Medium, MediumError, UnreadableError } from './medium.ts'
import { recover } from './recovery.ts'
import type { Change, Row, Store, Stored, StoreHost } from './store.ts'
import { roomBehind } from './value-room.ts'
import { writeValue } from './value-writer.ts'

export interface JournalOptions {
  /** An input, result, checkpoint or step value that takes more bytes is refused. */
  readonly valueBytesMax: number
  /** Whether a power cut may lose batches, in any order; see frame.ts. Default `false`. */
  readonly isRelaxed?: boolean | undefined
  /** For tests: a smaller journal is not compacted. Default 1 MiB. */
  readonly compactBytesMin?: number
  /** For tests: a larger batch is split into several frames. Default 4 MiB. */
  readonly frameBytes?: number
}

export const valueBytesMaxDefault = 16 * 1024 * 1024

const compactBytesMinDefault = 1024 * 1024
const sealDelayMs = 1_000

export class Journal implements Store {
  readonly isDurable = true
  readonly #medium: Medium
  readonly #options: JournalOptions
  readonly #compactBytesMin: number
  #host: StoreHost | undefined
  #records = new LiveRecords()
  #chain: Chain = { salt: 0, epoch: 0, sequence: 0, checksum: 0, goesOn: false }
  #size = 0
  /** The next compaction starts when the journal is larger than this. */
  #compactFrom: number
  #compaction: Compaction | undefined
  #compacted: Promise<void> = Promise.resolve()
  #isRenewing = false
  /** Resolves when the current append ends: one at a time. */
  #turn: Deferred<void> | undefined
  #isSealed = true
  #stopSealTimer: (() => void) | undefined
  #failure: OffstageError | undefined
  #isClosing = false
  /** For encoding values in order to measure them. */
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

  async open(host: StoreHost): Promise<Stored> {
    if (this.#host) throw new OffstageError('STORE_LOCKED', `${this.#medium.place} is open in another scheduler here.`)
    this.#host = host
    this.#failure = undefined
    this.#isClosing = false
    try {
      return await this.#recover()
    } catch (error) {
      await this.#medium.close()
      this.#host = undefined
      throw error instanceof MediumError ? this.#writeFailed(error) : error
    }
  }

  async #recover(): Promise<Stored> {
    const { records, verdict } = await recover(this.#medium, this.#live, this.#options.valueBytesMax, this.#isRelaxed)
    // A value may have been checked already.
    records.longValues.areThere ||= this.#records.longValues.areThere
    this.#records = records
    if (verdict.kind === 'empty') {
      await this.#medium.secure(0)
      await this.#renew()
    } else {
      await this.#medium.secure(verdict.unsureAt)
      this.#chain = { ...verdict.chain, epoch: newMark(this.#live.random) }
      this.#size = verdict.size
      this.#compactFrom = this.#compactBytesMin
      this.#isSealed = verdict.kind === 'clean' && verdict.isSealed
    }
    // Left behind by a crash.
    const orphans = records.attachments.endOfReading()
    if (orphans.length > 0) await this.#medium.removeAttachments(orphans)
    if (!this.#isSealed) this.#sealLater()
    return { records: [...records.values()], rows: [...records.rows()] }
  }

  get #isRelaxed(): boolean {
    return this.#options.isRelaxed ?? false
  }

  /** Reports trouble of the medium that may pass. */
  report(error: OffstageError): void {
    this.#host?.report(error)
  }

  // Committing.

  check(value: unknown, what: string): void {
    const { valueBytesMax } = this.#options
    const room = roomBehind(value, valueBytesMax)
    if (room >= 0) return this.#records.longValues.note(valueBytesMax - room)
    const out = this.#scratch
    out.lengthMax = valueBytesMax
    try {
      writeValue(out, value, what, new Attachments())
      if (out.length <= valueBytesMax) return this.#records.longValues.note(out.length)
    } catch (error) {
      if (!(error instanceof TooLong)) throw error
    } finally {
      // Neither the value nor the memory for a large one is kept for ever.
      out.truncate(0)
      if (out.capacity > longBytes) this.#scratch = new ByteWriter()
    }
    const message = `The ${what} cannot be stored: it is too large: \`valueBytesMax\` is ${valueBytesMax} bytes. A Blob may be larger.`
    throw new OffstageError('DATA_CLONE', message)
  }

  async commit(changes: readonly Change[]): Promise<void> {
    await this.#takeTurn()
    try {
      await this.#append(changes)
      this.#isSealed = false
    } catch (error) {
      // What was kept for it is removed soon.
      if (this.#records.attachments.areLoose && !this.#isClosing && !this.#failure) this.#sealLater()
      throw error
    } finally {
      this.#endTurn()
    }
    if (this.#isClosing) return
    this.#sealLater()
    if (this.#size > this.#compactFrom && this.#records.bytes < this.#size / 2) this.#compact()
  }

  /** Makes a batch durable, if need be by writing the whole journal anew. The records change only after that. */
  async #append(changes: readonly Change[], isSeal = false): Promise<void> {
    if (this.#failure) throw this.#failure
    const [chain, size] = [this.#chain, this.#size]
    const sizes: number[] = []
    try {
      const append: AppendFrame = (frame, goesOn) => this.#appendFrame(frame, goesOn, isSeal)
      await appendBatch(this.#newBatch(), changes, sizes, append, this.#live.clock)
    } catch (error) {
      const { failure } = error as Partial<MediumError>
      if (failure === 'lost') throw this.#stop(error)
      if (failure === 'broken') {
        this.#apply(changes, sizes)
        return this.#renewOrStop(error)
      }
      await this.#takeBack(chain, size)
      if (error instanceof UnreadableError) throw this.#unreadable(error, changes)
      throw failure ? this.#writeFailed(error) : error
    }
    this.#apply(changes, sizes)
  }

  #newBatch(): BatchWriter {
    const { frameBytes, valueBytesMax: errorBytesMax } = this.#options
    const { attachments, longValues } = this.#records
    return new BatchWriter(headerBytes, { frameBytes, errorBytesMax, attachments, longValues })
  }

  async #appendFrame(frame: BatchFrame, goesOn: boolean, isSeal: boolean): Promise<void> {
    const { bytes, named } = frame
    const chain = { ...this.#chain }
    const { length } = bytes
    await stampInSlices(frame, chain, { goesOn, isRelaxed: this.#isRelaxed && !isSeal })
    await this.#medium.append(bytes, isSeal, named)
    this.#chain = chain
    this.#size += length
  }

  /** Removes the frames of a refused batch that were already written. */
  async #takeBack(chain: Chain, size: number): Promise<void> {
    if (this.#size === size) return
    try {
      await this.#medium.cut(size, false)
      this.#chain = chain
      this.#size = size
    } catch (error) {
      await this.#renewOrStop(error)
    }
  }

  /** `sizes`: as `appendBatch` fills it. */
  #apply(changes: readonly Change[], sizes: readonly number[]): void {
    const records = this.#records
    let at = 0
    for (const change of changes) {
      const { before, after, rows } = change
      // If the medium broke in mid-batch, not all of it was encoded. Then everything is written anew and measured.
      const bytes = sizes[at++] ?? 0
      if (after) records.set(after, bytes)
      else if (before) records.delete(before.seq)
      if (rows) for (const row of rows) this.#applyRow(row, sizes[at++] ?? 0)
      this.#compaction?.follow(change)
    }
  }

  #applyRow(row: Row, bytes: number): void {
    if (row.value === undefined) this.#records.deleteRow(row.table, row.key)
    else this.#records.setRow(row, bytes)
  }

  // One at a time.

  /** The wait ends when `orRejects` rejects. */
  async #takeTurn(orRejects?: Promise<never>): Promise<void> {
    while (this.#turn) await (orRejects ? Promise.race([this.#turn.promise, orRejects]) : this.#turn.promise)
    this.#turn = defer()
  }

  #endTurn(): void {
    this.#turn?.resolve()
    this.#turn = undefined
  }

  // Sealing.

  /** Commits do not postpone the seal. So with relaxed durability, only batches after the last seal can be lost. */
  #sealLater(): void {
    this.#stopSealTimer ??= this.#live.clock.startTimer(
      () => {
        this.#stopSealTimer = undefined
        void this.#seal().catch(() => {})
      },
      sealDelayMs,
      false,
    )
  }

  /** Appends a seal, which protects everything before it; see frame.ts. */
  async #seal(): Promise<void> {
    await this.#takeTurn()
    try {
      if (this.#failure) return
      if (!this.#isSealed) await this.#append([], true)
      this.#isSealed = true
      await this.#removeLoose()
    } finally {
      this.#endTurn()
    }
  }

  /**
   * Removes the attachments that nothing holds any more. To be called behind a seal: what let go of them is durable by then,
   * and no damage of the last batch can bring it back. A draft may name what is written for the first time, so it comes first.
   */
  async #removeLoose(): Promise<void> {
    const { attachments } = this.#records
    if (!attachments.areLoose || this.#compaction) return
    // What is not removed now is removed when the journal is opened next.
    await this.#medium.removeAttachments(attachments.takeLoose()).catch(() => {})
  }

  // Compacting.

  #compact(): void {
    if (this.#compaction) return
    this.#compactFrom = Number.POSITIVE_INFINITY
    this.#compacted = this.#writeSnapshot(true).catch((error) => {
      // The compaction is tried again when there is that much more to gain. Nothing is lost meanwhile.
      this.#compactFrom = this.#size + this.#compactBytesMin
      if (!this.#failure && !this.#isClosing) this.#host?.report(this.#writeFailed(error))
    })
  }

  /** Writes all records and rows to a draft and publishes it. Commits may go on meanwhile only with `isGentle`. */
  async #writeSnapshot(isGentle: boolean): Promise<void> {
    const { clock, random } = this.#live
    const chain = newChain(random)
    const draft = await this.#medium.draft()
    const compaction = new Compaction(draft, chain, this.#records, () => this.#newBatch(), clock)
    this.#compaction = compaction
    let hasTurn = false
    try {
      await compaction.writeAll()
      if (isGentle) await this.#takeTurn(compaction.abandoned)
      hasTurn = isGentle
      await compaction.publish()
      this.#chain = chain
      this.#size = compaction.size
      this.#records.bytes = compaction.size
      // At least half as large again, however much seems to be alive.
      this.#compactFrom = Math.max(this.#compactBytesMin, compaction.size * 1.5)
      this.#isSealed = true
      this.#compaction = undefined
      await this.#removeLoose()
    } catch (error) {
      await draft.discard().catch(() => {})
      throw error
    } finally {
      this.#compaction = undefined
      if (hasTurn) this.#endTurn()
    }
  }

  // Failing.

  /** Writes everything in memory anew, because it is right and the journal may not be. */
  async #renew(): Promise<void> {
    if (this.#compaction) {
      this.#compaction.abandon('the journal it was to replace is broken')
      await this.#compacted
    }
    this.#isRenewing = true
    try {
      await this.#writeSnapshot(false)
    } finally {
      this.#isRenewing = false
    }
  }

  async #renewOrStop(cause: unknown): Promise<void> {
    try {
      await this.#renew()
    } catch (second) {
      throw this.#stop(new AggregateError([cause, second], 'neither the batch nor a new journal could be written'))
    }
    this.#host?.report(this.#writeFailed(cause))
  }

  #unreadable({ attachment, cause }: UnreadableError, changes: readonly Change[]): OffstageError {
    const { attachments } = this.#records
    const isNamedIn = (item: JobRecord | Row) => attachments.isNamed(attachment, valuesIn(item))
    const holder = changes.find(({ after, rows = [] }) => after && [after, ...rows].some(isNamedIn))?.after
    const whose = holder ? `job '${holder.id}'` : 'a row'
    const error = new OffstageError(
      'DATA_CLONE',
      `A ${tagOf(attachment.object)} of ${whose} cannot be stored: its bytes cannot be read; its file may have been changed or removed.`,
      { cause },
    )
    return holder ? Object.assign(error, { jobId: holder.id }) : error
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
    // The error of the system, with its code, helps more than the one made from it.
    const cause = error instanceof MediumError ? (error.cause ?? error) : error
    return new OffstageError('STORE_WRITE_FAILED', `${this.#medium.place} could not be written: ${reason}`, { cause })
  }

  // Closing.

  async close(): Promise<void> {
    this.#isClosing = true
    this.#stopSealTimer?.()
    this.#stopSealTimer = undefined
    // A compaction is not worth waiting for. A journal that takes the place of a broken one is.
    if (!this.#isRenewing) this.#compaction?.abandon('the store is being closed')
    await this.#compacted
    try {
      await this.#seal()
    } catch {
      // Without the seal the last batch is durable too; it is only not protected from flipped bits.
    }
    await this.#medium.close()
    this.#records = new LiveRecords()
    this.#host = undefined
  }
}
