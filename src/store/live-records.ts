import type { JobRecord } from '../job/record.ts'
import { Attachments, type Holder } from './attachments.ts'
import { ByteWriter } from './bytes.ts'
import { LongValues } from './long-values.ts'
import type { Row } from './store.ts'
import { writeThrown } from './thrown-writer.ts'
import { roomBehind } from './value-room.ts'
import { writeValue } from './value-writer.ts'

/** The memory for one giant value is not kept for ever. */
const scratchBytesMax = 1024 * 1024
/**
 * The size of small values is estimated instead of measured: it is the most that they may take. When such a record is removed,
 * too much is subtracted, which only brings the next compaction nearer; subtracting too little could put it off for ever.
 */
const shownBytesMax = 8 * 1024
/** What a record takes besides its id and its values, in bytes. */
const otherBytes = 20

interface LiveRow {
  readonly row: Row
  /** The size of the row in a snapshot. It is kept for each row, because there may be few rows that change often. */
  readonly bytes: number
}

/** Returns the values of a record or a row. Each may name attachments. */
export function valuesIn(item: JobRecord | Row): unknown[] {
  if ('table' in item) return [item.value]
  const { input, result, error, checkpoint, steps } = item
  return [input, result, error, checkpoint, ...(steps?.values() ?? [])]
}

/** Returns by which name a record or a row holds attachments. */
export const holderOf = (item: JobRecord | Row): Holder =>
  'table' in item ? `row ${JSON.stringify([item.table, item.key])}` : item.seq

/** The records in a journal, by `seq`, and the rows, by table and key. */
export class LiveRecords {
  readonly #bySeq = new Map<number, JobRecord>()
  readonly #tables = new Map<string, Map<string, LiveRow>>()
  /**
   * The approximate size of a snapshot. Each operation counts in full, and a removal subtracts the estimated size of its
   * record. Keeping that number for each record would take 40 bytes per job.
   */
  bytes = 0
  #scratch = new ByteWriter()
  readonly #errorBytesMax: number | undefined
  /** The records and rows hold what their values name. */
  readonly attachments: Attachments
  readonly longValues = new LongValues()

  constructor(errorBytesMax?: number, attachments = new Attachments()) {
    this.#errorBytesMax = errorBytesMax
    this.attachments = attachments
  }

  get(seq: number): JobRecord | undefined {
    return this.#bySeq.get(seq)
  }

  /** `bytes`: the size of the operation that wrote it. */
  set(record: JobRecord, bytes: number): void {
    this.#bySeq.set(record.seq, record)
    this.bytes += bytes
    this.longValues.note(bytes)
    if (this.attachments.areUsed) this.attachments.hold(record.seq, valuesIn(record))
  }

  delete(seq: number): void {
    const record = this.#bySeq.get(seq)
    if (!record) return
    this.#bySeq.delete(seq)
    if (this.attachments.areUsed) this.attachments.hold(seq, [])
    this.bytes = Math.max(0, this.bytes - this.#bytesOf(record))
  }

  #bytesOf({ id, input, result, error, checkpoint, steps, rules: { headers } }: JobRecord): number {
    let known = 0
    const short = (value: unknown) => {
      const bytes = this.longValues.sizeOf(value)
      known += bytes ?? 0
      return bytes === undefined ? value : undefined
    }
    const values = [short(input), short(result), error, short(checkpoint), steps]
    if (headers) values.push(headers)
    const room = values.reduce<number>((left, value) => roomBehind(value, left), shownBytesMax)
    if (room >= 0) return id.length + known + shownBytesMax - room
    const out = this.#scratch
    out.string(id)
    const measuring = new Attachments()
    try {
      writeValue(out, values[0], 'input', measuring)
      if (headers) writeValue(out, headers, 'headers')
      if (result !== undefined) writeValue(out, values[1], 'result', measuring)
      if (error !== undefined) writeThrown(out, error, this.#errorBytesMax, measuring)
      if (checkpoint !== undefined) writeValue(out, values[3], 'checkpoint', measuring)
      if (steps) for (const value of steps.values()) writeValue(out, value, 'step', measuring)
    } catch {
      // The application has written something that cannot be encoded into its copy of a result. The size is only an estimate
      // anyway.
    }
    const { length } = out
    out.truncate(0)
    if (out.capacity > scratchBytesMax) this.#scratch = new ByteWriter()
    return length + known + otherBytes
  }

  /** `bytes`: the size of the operation that wrote it. */
  setRow(row: Row, bytes: number): void {
    const { table, key } = row
    let rows = this.#tables.get(table)
    if (!rows) {
      rows = new Map()
      this.#tables.set(table, rows)
    }
    this.bytes += bytes - (rows.get(key)?.bytes ?? 0)
    rows.set(key, { row, bytes })
    if (this.attachments.areUsed) this.attachments.hold(holderOf(row), valuesIn(row))
  }

  deleteRow(table: string, key: string): void {
    const there = this.#tables.get(table)?.get(key)
    if (!there) return
    this.#tables.get(table)?.delete(key)
    if (this.attachments.areUsed) this.attachments.hold(holderOf(there.row), [])
    this.bytes = Math.max(0, this.bytes - there.bytes)
  }

  /** A row that changes during the iteration may come with its old or its new value, or not at all. */
  *rows(): Iterable<Row> {
    for (const rows of this.#tables.values()) for (const { row } of rows.values()) yield row
  }

  /** Whether an item holds what its values named when they were written last. The application may have changed its copy of a result. */
  isHeld(item: JobRecord | Row): boolean {
    return !this.attachments.areUsed || this.attachments.isHeld(holderOf(item), valuesIn(item))
  }

  /** Makes an item that is still there hold what its values name now. */
  holdAgain(item: JobRecord | Row): void {
    const isThere =
      'table' in item ? this.#tables.get(item.table)?.get(item.key)?.row === item : this.get(item.seq) === item
    if (isThere) this.attachments.hold(holderOf(item), valuesIn(item))
  }

  /** In the order of adding. Records that are added during the iteration come as well. */
  values(): IterableIterator<JobRecord> {
    return this.#bySeq.values()
  }
}
