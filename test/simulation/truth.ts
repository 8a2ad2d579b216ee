import type { JobRecord } from '../../src/job/record.ts'
import type { Change, Row, Stored } from '../../src/store/store.ts'
import { isEqual, show } from './equal.ts'

/** Something that must never be, and was. */
export class Violation extends Error {
  readonly invariant: string

  constructor(invariant: string, message: string) {
    super(`${invariant}: ${message}`)
    this.invariant = invariant
    const { stackTraceLimit } = Error
    Error.stackTraceLimit = 20
    Error.captureStackTrace(this)
    Error.stackTraceLimit = stackTraceLimit
  }
}

export function assert(isTrue: boolean, invariant: string, message: () => string): asserts isTrue {
  if (!isTrue) throw new Violation(invariant, message())
}

type Records = Map<number, JobRecord>
/** By table and key. */
type Rows = Map<string, Row>

const rowKey = ({ table, key }: Row): string => `${table}/${key}`
const rowMap = (rows: readonly Row[]): Rows => new Map(rows.map((row) => [rowKey(row), row]))

/** What a store holds, as far as it has said: each batch whole or not at all. */
export class Truth {
  records: Records = new Map()
  rows: Rows = new Map()
  /** On its way, or of unknown fate: whoever opens next finds all of it or nothing. */
  pending: readonly Change[] | undefined
  /** Batches that a power cut may take from the end, the oldest first, and what was there before them. */
  #loose: (readonly Change[])[] = []
  #durable: Records = new Map()
  #durableRows: Rows = new Map()

  begin(changes: readonly Change[]): void {
    assert(this.pending === undefined, 'I6', () => 'a batch follows one whose fate is not known')
    this.pending = changes
  }

  /** It is safe. */
  done(): void {
    this.#apply(this.pending as readonly Change[])
    this.pending = undefined
  }

  #apply(changes: readonly Change[]): void {
    applyTo(this.records, changes, this.rows)
    this.#loose.push(changes)
  }

  /** All of it is on the platters. */
  durable(): void {
    if (this.#loose.length === 0) return
    this.#loose = []
    this.#durable = new Map(this.records)
    this.#durableRows = new Map(this.rows)
  }

  /** What is found after a power cut, where nobody had promised more: all that was durable, and then batch by batch. */
  recoveredInPart(found: Stored): void {
    const bySeq: Records = new Map(found.records.map((record) => [record.seq, record]))
    const foundRows = rowMap(found.rows)
    const batches = [...this.#loose, ...(this.pending ? [this.pending] : [])]
    const records = new Map(this.#durable)
    const rows = new Map(this.#durableRows)
    const differs = () => differenceOf(records, bySeq) ?? differenceOfRows(rows, foundRows)
    let difference = differs()
    for (const changes of batches) {
      if (difference === undefined) break
      applyTo(records, changes, rows)
      difference = differs()
    }
    assert(difference === undefined, 'I1', () => `found no state of those that a power cut may leave: ${difference}`)
    this.#adopt(bySeq, foundRows)
    this.pending = undefined
    this.durable()
    this.#loose = []
    this.#durable = new Map(records)
    this.#durableRows = new Map(rows)
  }

  forgetAll(): void {
    this.records.clear()
    this.rows.clear()
    this.pending = undefined
    this.durable()
    this.#durable.clear()
    this.#durableRows.clear()
  }

  /** Nothing of it may ever be seen. */
  refused(): void {
    this.pending = undefined
  }

  /** What a fresh opening has found. */
  recovered(found: Stored): void {
    const bySeq: Records = new Map(found.records.map((record) => [record.seq, record]))
    const foundRows = rowMap(found.rows)
    assert(bySeq.size === found.records.length, 'I3', () => 'two records have one sequence number')
    const without = differenceOf(this.records, bySeq) ?? differenceOfRows(this.rows, foundRows)
    if (without === undefined) {
      this.pending = undefined
      this.#adopt(bySeq, foundRows)
      return
    }
    const { pending } = this
    if (!pending) throw new Violation('I1', `what was acknowledged is not what was found: ${without}`)
    const records = new Map(this.records)
    const rows = new Map(this.rows)
    applyTo(records, pending, rows)
    const difference = differenceOf(records, bySeq) ?? differenceOfRows(rows, foundRows)
    if (difference !== undefined)
      throw new Violation(
        'I1',
        `found neither the state before the last batch (${without}) nor behind it (${difference})`,
      )
    this.#apply(pending)
    this.pending = undefined
    this.#adopt(bySeq, foundRows)
  }

  /** What follows is based on what the store has returned: to it, equal blobs are not the same. */
  #adopt(records: Records, rows: Rows): void {
    this.records = records
    this.rows = rows
  }
}

export function applyTo(records: Records, changes: readonly Change[], allRows?: Rows): void {
  for (const { before, after, rows } of changes) {
    if (after) records.set(after.seq, after)
    else if (before) records.delete(before.seq)
    for (const row of allRows ? (rows ?? []) : []) {
      if (row.value === undefined) allRows?.delete(rowKey(row))
      else allRows?.set(rowKey(row), row)
    }
  }
}

function differenceOfRows(expected: Rows, found: Rows): string | undefined {
  for (const [key, { value }] of expected) {
    const there = found.get(key)
    if (!there) return `row ${key} (${show(value)}) is missing`
    if (!isEqual(value, there.value)) return `row ${key}: expected ${show(value)}, found ${show(there.value)}`
  }
  for (const key of found.keys()) if (!expected.has(key)) return `row ${key} should not be there`
  return undefined
}

function differenceOf(expected: Records, found: Records): string | undefined {
  for (const [seq, record] of expected) {
    const there = found.get(seq)
    if (!there) return `job ${seq} (${record.state}) is missing`
    if (there !== record && !isEqual(record, there)) return `job ${seq} ${fieldsThatDiffer(record, there)}`
  }
  if (found.size === expected.size) return undefined
  for (const seq of found.keys()) if (!expected.has(seq)) return `job ${seq} should not be there`
  return undefined
}

const fieldsThatDiffer = (a: JobRecord, b: JobRecord): string =>
  (Object.keys(a) as (keyof JobRecord)[])
    .filter((key) => !isEqual(a[key], b[key]))
    .map((key) => `${key}: expected ${show(a[key])}, found ${show(b[key])}`)
    .join('; ')
