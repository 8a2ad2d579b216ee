import type { JobRecord } from '../job/record.ts'
import type { Clock } from '../shared/clock.ts'
import { defer } from '../shared/deferred.ts'
import { type AppendFrame, appendBatch, appendLast, changesPerCheck, prepare, sliceMs } from './append-batch.ts'
import type { BatchWriter } from './batch-writer.ts'
import { type Chain, stampInSlices } from './frame.ts'
import type { LiveRecords } from './live-records.ts'
import { type Draft, MediumError } from './medium.ts'
import type { Change, Row } from './store.ts'

/** The approximate size of one frame of a snapshot. */
const sliceBytes = 256 * 1024

/**
 * A snapshot of everything that is alive, on its way into a draft that will replace the journal. It is written in slices, and
 * commits may go on in between. What they change in records that are already in the draft is appended to it later.
 */
export class Compaction {
  /** The size of the draft, in bytes. */
  size = 0
  readonly #draft: Draft
  readonly #chain: Chain
  readonly #records: LiveRecords
  readonly #newBatch: () => BatchWriter
  readonly #clock: Clock
  /** Records up to this one are in the draft. Changes to them from now on must be appended. */
  #cursor = -1
  readonly #behind: Change[] = []
  /** What names other attachments in the draft than it has held until now. */
  readonly #changed: (JobRecord | Row)[] = []
  readonly #abandoned = defer<never>()

  constructor(draft: Draft, chain: Chain, records: LiveRecords, newBatch: () => BatchWriter, clock: Clock) {
    this.#draft = draft
    this.#chain = chain
    this.#records = records
    this.#newBatch = newBatch
    this.#clock = clock
    this.#abandoned.promise.catch(() => {})
  }

  /** Rejects when the compaction is abandoned. */
  get abandoned(): Promise<never> {
    return this.#abandoned.promise
  }

  /**
   * Takes a change that is committed to the journal. Records beyond the cursor will be written later anyway. Rows may already
   * be in the draft, so they are always appended.
   */
  follow(change: Change): void {
    const { before, after, rows } = change
    const record = after ?? before
    if (record && record.seq <= this.#cursor) this.#behind.push(change)
    else if (rows) this.#behind.push({ before: undefined, after: undefined, rows })
  }

  abandon(reason: string): void {
    this.#abandoned.reject(new MediumError('broken', reason))
  }

  async writeAll(): Promise<void> {
    const clock = this.#clock
    let batch = this.#newBatch()
    let until = clock.monotonic() + sliceMs
    let added = 0
    for (const item of this.#items()) {
      if ('table' in item) batch.addRow(item)
      else {
        const change = { before: undefined, after: item }
        // First: what changes while it is being prepared must be appended.
        this.#cursor = item.seq
        if (batch.mayBeLong) await prepare(batch, change, clock)
        batch.add(change)
      }
      if (!this.#records.isHeld(item)) this.#changed.push(item)
      if (batch.bytes < sliceBytes && (++added % changesPerCheck !== 0 || clock.monotonic() < until)) continue
      await appendLast(batch, this.#append)
      await this.#writeBehind()
      batch = this.#newBatch()
      until = clock.monotonic() + sliceMs
    }
    // The walk is over. What is added while the last frame is written is not reached any more, and must be appended.
    this.#cursor = Number.POSITIVE_INFINITY
    if (!batch.isEmpty) await appendLast(batch, this.#append)
  }

  /** Records come in the order of adding, which is the order of `seq`. */
  *#items(): Iterable<JobRecord | Row> {
    yield* this.#records.rows()
    yield* this.#records.values()
  }

  /** Puts the draft in the journal's place. No commit may be under way. */
  async publish(): Promise<void> {
    await this.#writeBehind()
    // The last frame is a seal, because the last batch must be as safe as the others.
    await appendLast(this.#newBatch(), this.#append)
    await this.#draft.publish()
    for (const item of this.#changed) this.#records.holdAgain(item)
  }

  async #writeBehind(): Promise<void> {
    while (this.#behind.length > 0) {
      const changes = this.#behind.splice(0)
      await appendBatch(this.#newBatch(), changes, [], this.#append, this.#clock)
    }
  }

  /** A draft is synced as a whole, whatever the durability. */
  readonly #append: AppendFrame = async (frame, goesOn) => {
    const { bytes, named } = frame
    const { length } = bytes
    await stampInSlices(frame, this.#chain, { goesOn })
    this.size += length
    await Promise.race([this.#draft.append(bytes, named), this.#abandoned.promise])
  }
}
