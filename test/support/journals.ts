// Journals as bytes, made batch by batch, for tests of what is left of them when they are damaged.
import type { JobRecord } from '../../src/job/record.ts'
import { BatchWriter } from '../../src/store/batch-writer.ts'
import { fill, type GappedBytes } from '../../src/store/bytes.ts'
import { blank } from '../../src/store/change-format.ts'
import { type Chain, headerBytes, stamp } from '../../src/store/frame.ts'
import type { ByteSource } from '../../src/store/journal-bytes.ts'
import type { Change } from '../../src/store/store.ts'

/** With its large buffers in their places. */
export function filled(written: GappedBytes): Uint8Array<ArrayBuffer> {
  fill(written, 0, written.bytes.length)
  return written.bytes
}

export const gapless = (bytes: Uint8Array<ArrayBuffer>): GappedBytes => ({ bytes, gaps: [] })

export interface WrittenBatch {
  readonly at: number
  readonly end: number
  readonly changes: readonly Change[]
}

export class JournalBuilder {
  readonly batches: WrittenBatch[] = []
  readonly #frames: Uint8Array[] = []
  readonly #chain: Chain
  #size = 0

  constructor(salt: number) {
    this.#chain = { salt, epoch: salt + 1, sequence: 0, checksum: 0, goesOn: false }
  }

  batch(...changes: readonly Change[]): this {
    const writer = new BatchWriter(headerBytes)
    for (const change of changes) writer.add(change)
    return this.frame(filled(writer.finish()), changes)
  }

  /** In as many frames as it takes, when each is full from `frameBytes` on. */
  large(frameBytes: number, ...changes: readonly Change[]): this {
    const writer = new BatchWriter(headerBytes, { frameBytes })
    for (const change of changes) writer.add(change)
    for (const frame of writer.full) this.frame(filled(frame), changes, true)
    return this.frame(filled(writer.finish()), changes)
  }

  insert(...records: readonly JobRecord[]): this {
    return this.batch(...records.map((after) => ({ before: undefined, after })))
  }

  seal(): this {
    return this.frame(new Uint8Array(headerBytes))
  }

  /** A batch whose last frame is missing. */
  begun(...records: readonly JobRecord[]): this {
    const writer = new BatchWriter(headerBytes)
    for (const after of records) writer.add({ before: undefined, after })
    return this.frame(filled(writer.finish()), [], true)
  }

  /** Room for a header, then any payload. */
  frame(frame: Uint8Array<ArrayBuffer>, changes: readonly Change[] = [], goesOn = false): this {
    stamp(gapless(frame), this.#chain, { goesOn })
    this.batches.push({ at: this.#size, end: this.#size + frame.length, changes })
    this.#frames.push(frame)
    this.#size += frame.length
    return this
  }

  get bytes(): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(this.#size)
    let at = 0
    for (const frame of this.#frames) {
      bytes.set(frame, at)
      at += frame.length
    }
    return bytes
  }
}

const addedAt = 1_700_000_000_000

export const jobRecord = (seq: number, id: string, more: Partial<JobRecord> = {}): JobRecord => ({
  ...blank,
  name: 'task',
  queue: 'default',
  dueAt: addedAt,
  addedAt,
  ...more,
  seq,
  id,
})

/** Counts what is asked of it. */
export class MemorySource implements ByteSource {
  readonly #bytes: Uint8Array
  bytesRead = 0
  longestRead = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get size(): number {
    return this.#bytes.length
  }

  read(into: Uint8Array, at: number): number {
    const bytes = this.#bytes.subarray(at, at + into.length)
    into.set(bytes)
    this.bytesRead += bytes.length
    this.longestRead = Math.max(this.longestRead, into.length)
    return bytes.length
  }
}
