import type { JobRecord } from '../job/record.ts'
import type { Clock } from '../shared/clock.ts'
import { defer } from '../shared/deferred.ts'
import { appendBatch, appendLast, changesPerCheck, sliceMs } from './append-batch.ts'
import type { BatchWriter } from './batch-writer.ts'
import { type Chain, stamp } from './frame.ts'
import type { LiveRecords } from './live-records.ts'
import { type Draft, MediumError } from './medium.ts'
import type { Change, Row } from './store.ts'

/** One frame of a snapshot holds about so much. */
const sliceBytes = 256 * 1024

/**
 * A snapshot of all that is alive, on its way into a draft that is to take the journal's place. It is written in slices:
 * commits may go on in between, and what they change among records that are in the draft already follows behind.
 */
export class Compaction {
  /** Of the draft, in bytes. */
  size = 0
  readonly #draft: Draft
  readonly #chain: Chain
  readonly #records: LiveRecords
  readonly #newBatch: () => BatchWriter
  readonly #clock: Clock
  /** Records up to this one are in the draft: what changes among them from now on must follow. */
  #cursor = -1
  readonly #behind: Change[] = []
  readonly #abandoned = defer<never>()

  constructor(draft: Draft, chain: Chain, records: LiveRecords, newBatch: () => BatchWriter, clock: Clock) {
    this.#draft = draft
    this.#chain = chain
    this.#records = records
    this.#newBatch = newBatch
    this.#clock = clock
    this.#abandoned.promise.catch(() => {})
  }

  /** Rejects when nothing more is to be written. */
  get abandoned(): Promise<never> {
    return this.#abandoned.promise
  }

  /** A change that is in the journal. Records further on come by themselves; rows may be in the draft already. */
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
        batch.add({ before: undefined, after: item })
        this.#cursor = item.seq
      }
      if (batch.bytes < sliceBytes && (++added % changesPerCheck !== 0 || clock.monotonic() < until)) continue
      await appendLast(batch, this.#append)
      await this.#writeBehind()
      batch = this.#newBatch()
      until = clock.monotonic() + sliceMs
    }
    // The walk is over: what is added while the last frame is written is not met any more, and must follow.
    this.#cursor = Number.POSITIVE_INFINITY
    if (!batch.isEmpty) await appendLast(batch, this.#append)
  }

  /** Records come in the order of adding, which is that of `seq`. */
  *#items(): Iterable<JobRecord | Row> {
    yield* this.#records.rows()
    yield* this.#records.values()
  }

  /** While nobody commits. */
  async publish(): Promise<void> {
    await this.#writeBehind()
    // A seal, because the last batch must be as safe as the others.
    await appendLast(this.#newBatch(), this.#append)
    await this.#draft.publish()
  }

  async #writeBehind(): Promise<void> {
    while (this.#behind.length > 0) {
      const changes = this.#behind.splice(0)
      await appendBatch(this.#newBatch(), changes, [], this.#append, this.#clock)
    }
  }

  /** A draft is synced as a whole, whatever the durability. */
  readonly #append = async (frame: Uint8Array, goesOn: boolean): Promise<void> => {
    stamp(frame, this.#chain, { goesOn })
    this.size += frame.length
    await Promise.race([this.#draft.append(frame), this.#abandoned.promise])
  }
}
