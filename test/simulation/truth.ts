import type { JobRecord } from '../../src/job/record.ts'
import type { Change } from '../../src/store/store.ts'
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

/** What a store holds, as far as it has said: each batch whole or not at all. */
export class Truth {
  records: Records = new Map()
  /** On its way, or of unknown fate: whoever opens next finds all of it or nothing. */
  pending: readonly Change[] | undefined
  /** Batches that a power cut may take from the end, the oldest first, and what was there before them. */
  #loose: (readonly Change[])[] = []
  #durable: Records = new Map()

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
    applyTo(this.records, changes)
    this.#loose.push(changes)
  }

  /** All of it is on the platters. */
  durable(): void {
    if (this.#loose.length === 0) return
    this.#loose = []
    this.#durable = new Map(this.records)
  }

  /** What is found after a power cut, where nobody had promised more: all that was durable, and then batch by batch. */
  recoveredInPart(found: readonly JobRecord[]): void {
    const bySeq: Records = new Map(found.map((record) => [record.seq, record]))
    const batches = [...this.#loose, ...(this.pending ? [this.pending] : [])]
    const records = new Map(this.#durable)
    let difference = differenceOf(records, bySeq)
    for (const changes of batches) {
      if (difference === undefined) break
      applyTo(records, changes)
      difference = differenceOf(records, bySeq)
    }
    assert(difference === undefined, 'I1', () => `found no state of those that a power cut may leave: ${difference}`)
    this.records = records
    this.pending = undefined
    this.#loose = []
    this.#durable = new Map(records)
  }

  forgetAll(): void {
    this.records.clear()
    this.pending = undefined
    this.durable()
    this.#durable.clear()
  }

  /** Nothing of it may ever be seen. */
  refused(): void {
    this.pending = undefined
  }

  /** What a fresh opening has found. */
  recovered(found: readonly JobRecord[]): void {
    const bySeq: Records = new Map(found.map((record) => [record.seq, record]))
    assert(bySeq.size === found.length, 'I3', () => 'two records have one sequence number')
    const without = differenceOf(this.records, bySeq)
    if (without === undefined) {
      this.pending = undefined
      return
    }
    const { pending } = this
    if (!pending) throw new Violation('I1', `what was acknowledged is not what was found: ${without}`)
    const records = new Map(this.records)
    applyTo(records, pending)
    const difference = differenceOf(records, bySeq)
    if (difference !== undefined)
      throw new Violation(
        'I1',
        `found neither the state before the last batch (${without}) nor behind it (${difference})`,
      )
    this.#apply(pending)
    this.pending = undefined
  }
}

export function applyTo(records: Records, changes: readonly Change[]): void {
  for (const { before, after } of changes) {
    if (after) records.set(after.seq, after)
    else if (before) records.delete(before.seq)
  }
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
