import { type JobRecord, plus, type Rules, states } from '../job/record.ts'
import { stepsSince } from '../job/steps.ts'
import { OffstageError } from '../shared/errors.ts'
import { refused } from '../shared/refusal.ts'
import type { Attachment, Attachments } from './attachments.ts'
import { ByteWriter, type GappedBytes, numberBytesMax, TooLong } from './bytes.ts'
import { bits, blank, operations, stepsKinds, times } from './change-format.ts'
import { payloadBytesMax } from './frame.ts'
import { LongValues } from './long-values.ts'
import type { Change, Row } from './store.ts'
import { writeThrown } from './thrown-writer.ts'
import { writeValue, writingValue } from './value-writer.ts'

/** A frame is full from this size on, which is far below what any engine, file or database takes at once. */
const frameBytesDefault = 4 * 1024 * 1024
/**
 * The largest difference of two times that is stored as a difference, so that twice the difference plus 2 is still a varint.
 */
const timeStepMax = 2 ** 51

/** Values that come last in an operation, and that another operation can add. */
const laterBits = bits.result | bits.error | bits.checkpoint | bits.steps

export interface BatchOptions {
  /** A frame is full from this size on. */
  readonly frameBytes?: number | undefined
  /** For tests: no frame is larger. */
  readonly frameBytesMax?: number | undefined
  /** An error that takes more bytes is shortened. */
  readonly errorBytesMax?: number | undefined
  /** Numbers the blobs. Without it a blob is refused. */
  readonly attachments?: Attachments | undefined
  /** Which values are to be encoded beforehand. */
  readonly longValues?: LongValues | undefined
}

/** A frame that is not stamped yet: without its header, and without its large buffers. */
export interface BatchFrame extends GappedBytes {
  /** The attachments that the frame names. */
  readonly named: readonly Attachment[] | undefined
}

/**
 * Collects changes in one batch, and cuts the batch into frames, each of which can be read on its own. An operation is never
 * cut, and contains at most one large value. So a frame is no longer than `frameBytes` plus the longest value.
 *
 * Values are checked before. If one is refused nevertheless, `add` throws `DATA_CLONE`, which names the job, and the batch must
 * not be used any more.
 */
export class BatchWriter {
  /** Full frames, the oldest first, for the caller to take. At least one more frame follows. */
  readonly full: BatchFrame[] = []
  readonly #out = new ByteWriter()
  readonly #reserve: number
  readonly #frameBytes: number
  readonly #errorBytesMax: number | undefined
  readonly #texts = new Map<string, number>()
  readonly #rules = new Map<Rules, number>()
  #lastSeq = 0
  #lastTime = 0
  /** The bytes of all frames that were full. */
  #fullBytes = 0
  #operationAt = 0
  readonly #attachments: Attachments | undefined
  readonly #longValues: LongValues
  /** The values of the next change that are encoded already. */
  #prepared: Map<unknown, ByteWriter> | undefined

  /** Leaves `reserve` bytes free at the front of each frame. */
  constructor(reserve: number, options: BatchOptions = {}) {
    const { frameBytes = frameBytesDefault, frameBytesMax = payloadBytesMax, errorBytesMax, attachments } = options
    this.#longValues = options.longValues ?? new LongValues()
    this.#reserve = reserve
    this.#frameBytes = frameBytes
    this.#errorBytesMax = errorBytesMax
    this.#attachments = attachments
    this.#out.raw(new Uint8Array(reserve))
    this.#out.lengthMax = reserve + frameBytesMax - numberBytesMax
  }

  get isEmpty(): boolean {
    return this.bytes === 0
  }

  get bytes(): number {
    return this.#fullBytes + this.#out.length - this.#reserve
  }

  /** Whether a change may have values that are to be encoded before it is added; see `preparing`. */
  get mayBeLong(): boolean {
    return this.#longValues.areThere
  }

  /** Encodes the long values of a change, which must be added next. Yields between pieces; most changes have none. */
  *preparing({ before = blank, after }: Change): Generator<void> {
    if (!after) return
    for (const value of newValues(before, after)) {
      if (!this.#longValues.isLong(value)) continue
      const out = new ByteWriter()
      try {
        yield* writingValue(out, value, this.#attachments)
      } catch {
        continue // `add` reports it, with its path.
      }
      this.#longValues.setSize(value, out.length)
      this.#attachments?.note(value, out.namedSince(0))
      this.#prepared ??= new Map()
      this.#prepared.set(value, out)
    }
  }

  /** Adds the move of the job; its rows are added one by one with `addRow`. Returns how many bytes the move took. */
  add({ before, after }: Change): number {
    const start = this.bytes
    try {
      if (after && after === before) return 0
      if (after) this.#write(before ?? blank, after, before ? operations.update : operations.insert)
      else if (before) this.#begin(operations.remove, before.seq)
    } catch (error) {
      throw refusedFor((after ?? before) as JobRecord, error)
    }
    this.#prepared = undefined
    return this.bytes - start
  }

  /** Adds one row. Returns how many bytes it took. `of`: the job that it belongs to, if it does to one. */
  addRow({ table, key, value }: Row, of?: JobRecord): number {
    const start = this.bytes
    const out = this.#out
    const isGone = value === undefined
    this.#open(isGone ? operations.drop : operations.put)
    this.#text(table)
    out.string(key)
    try {
      if (!isGone) this.#value(value, `row '${key}' of '${table}'`)
    } catch (error) {
      if (of) throw refusedFor(of, error)
      throw error instanceof TooLong ? refused(error, 'row', 'stored') : error
    }
    return this.bytes - start
  }

  /** Returns the last frame, in a buffer of its own. */
  finish(): BatchFrame {
    const { bytes, gaps } = this.#out.toBytes()
    const named = this.#out.namedSince(0)
    return { bytes, gaps, named: named && [...new Set(named)] }
  }

  #begin(operation: number, seq: number): void {
    this.#open(operation)
    this.#out.signed(seq - this.#lastSeq)
    this.#lastSeq = seq
  }

  #open(operation: number): void {
    if (this.#out.length - this.#reserve >= this.#frameBytes) this.#cut()
    this.#operationAt = this.#out.length
    this.#out.u8(operation)
  }

  /** Ends the frame: the next operation goes into a new one. */
  #cut(): void {
    const out = this.#out
    if (out.length > this.#reserve) this.full.push(this.finish())
    this.#fullBytes += out.length - this.#reserve
    out.truncate(this.#reserve)
    this.#texts.clear()
    this.#rules.clear()
    this.#lastSeq = 0
    this.#lastTime = 0
  }

  #write(before: JobRecord, after: JobRecord, operation: number): void {
    const mask = differences(before, after)
    if (this.#fields(before, after, operation, mask, this.#frameBytes)) return
    // Too much for one operation: each value gets its own.
    this.#out.truncate(this.#operationAt)
    this.#cut()
    this.#fields(before, after, operation, mask & ~laterBits)
    for (const bit of [bits.result, bits.error, bits.checkpoint])
      if (mask & bit) this.#fields(before, after, operations.update, bit)
    if (mask & bits.steps) this.#stepByStep(before.steps, after)
  }

  /** Writes one operation. Returns `false`, with the operation incomplete, if it exceeds `bytesMax` and more would follow. */
  #fields(before: JobRecord, after: JobRecord, operation: number, mask: number, bytesMax = Infinity): boolean {
    const out = this.#out
    this.#begin(operation, after.seq)
    const end = this.#operationAt + bytesMax
    out.varint(mask)
    if (mask & bits.id) out.string(after.id)
    if (mask & bits.name) this.#text(after.name)
    if (mask & bits.queue) this.#text(after.queue)
    if (mask & bits.group) this.#text(after.group as string)
    if (mask & bits.rules) this.#rulesOf(after.rules)
    if (mask & bits.input) this.#value(after.input, 'input')
    if (mask & bits.state) out.u8(states.indexOf(after.state))
    if (mask & bits.priority) writeValue(out, after.priority, 'priority')
    if (mask & bits.dueAt) this.#time(after.dueAt)
    if (mask & bits.attempt) out.varint(after.attempt)
    if (mask & bits.failures) out.varint(after.failures)
    if (mask & bits.interruptions) out.varint(after.interruptions)
    if (mask & bits.crashes) out.varint(after.crashes)
    if (mask & bits.addedAt) this.#time(after.addedAt)
    if (mask & bits.runAt) this.#time(after.runAt)
    if (mask & bits.expiresAt) this.#time(after.expiresAt)
    if (mask & bits.startMs) this.#time(plus(after.startMs, after.addedAt))
    if (mask & bits.finishMs) this.#time(plus(after.finishMs, after.addedAt))
    if (!(mask & laterBits)) return true
    if (out.length > end) return false
    if (mask & bits.result) this.#value(after.result, 'result')
    if (mask & bits.error && out.length > end) return false
    if (mask & bits.error) writeThrown(out, after.error, this.#errorBytesMax, this.#attachments)
    if (mask & bits.checkpoint && out.length > end) return false
    if (mask & bits.checkpoint) this.#value(after.checkpoint, 'checkpoint')
    return !(mask & bits.steps) || this.#steps(before.steps, after.steps, end)
  }

  #value(value: unknown, what: string): void {
    const prepared = this.#prepared?.get(value)
    if (prepared) this.#out.append(prepared)
    else writeValue(this.#out, value, what, this.#attachments)
  }

  /** Writes the number of a text in this frame, and the text itself when the number is new. */
  #text(text: string): void {
    const number = this.#texts.get(text) ?? this.#texts.size
    this.#out.varint(number)
    if (number < this.#texts.size) return
    this.#texts.set(text, number)
    this.#out.string(text)
  }

  #rulesOf(rules: Rules): void {
    const number = this.#rules.get(rules) ?? this.#rules.size
    this.#out.varint(number)
    if (number < this.#rules.size) return
    this.#rules.set(rules, number)
    const { attempts, backoff, timeoutMs, keepMs, tags, marks, headers, retryForMs, keepValues } = rules
    const kept = keepValues === undefined ? undefined : -keepValues
    const more = [marks, headers, retryForMs, kept].filter((rule) => rule !== undefined)
    writeValue(this.#out, [attempts, backoff, timeoutMs, keepMs, tags, ...more], 'rules')
  }

  #time(time: number | undefined): void {
    const out = this.#out
    if (time === undefined) return out.varint(times.none)
    const step = time - this.#lastTime
    if (!Number.isSafeInteger(time) || Object.is(time, -0) || Math.abs(step) >= timeStepMax) {
      out.varint(times.double)
      return out.f64(time)
    }
    out.varint(times.first + (step < 0 ? -step * 2 - 1 : step * 2))
    this.#lastTime = time
  }

  /** Returns `false` as `#fields` does. */
  #steps(before: JobRecord['steps'], after: JobRecord['steps'], end: number): boolean {
    const out = this.#out
    const { kind, added } = stepsBetween(before, after)
    out.u8(kind)
    if (!after) return true
    out.varint(added.length)
    for (const [key, value] of added) {
      if (out.length > end) return false
      out.string(key)
      this.#value(value, 'step')
    }
    return true
  }

  #stepByStep(before: JobRecord['steps'], after: JobRecord): void {
    const out = this.#out
    let { kind, added } = stepsBetween(before, after.steps)
    if (added.length === 0) this.#fields({ ...after, steps: before }, after, operations.update, bits.steps)
    for (const [key, value] of added) {
      this.#begin(operations.update, after.seq)
      out.varint(bits.steps)
      out.u8(kind)
      out.varint(1)
      out.string(key)
      this.#value(value, 'step')
      kind = stepsKinds.more
    }
  }
}

function refusedFor({ id }: JobRecord, error: unknown): unknown {
  const refusal = error instanceof TooLong ? refused(error, 'job', 'stored') : error
  return refusal instanceof OffstageError ? Object.assign(refusal, { jobId: id }) : refusal
}

/**
 * Steps are usually added one by one, so only new ones are written. Otherwise a job with a thousand steps would write a
 * million.
 */
function stepsBetween(
  before: JobRecord['steps'],
  after: JobRecord['steps'],
): { kind: number; readonly added: readonly (readonly [string, unknown])[] } {
  if (!after) return { kind: stepsKinds.none, added: [] }
  const added = before && stepsSince(after, before)
  return added ? { kind: stepsKinds.more, added } : { kind: stepsKinds.whole, added: [...after] }
}

function* newValues(before: JobRecord, after: JobRecord): Iterable<unknown> {
  if (before.input !== after.input) yield after.input
  if (before.result !== after.result) yield after.result
  if (before.checkpoint !== after.checkpoint) yield after.checkpoint
  if (before.steps !== after.steps) for (const [, value] of stepsBetween(before.steps, after.steps).added) yield value
}

function differences(before: JobRecord, after: JobRecord): number {
  let mask = 0
  if (!Object.is(before.id, after.id)) mask |= bits.id
  if (!Object.is(before.name, after.name)) mask |= bits.name
  if (!Object.is(before.queue, after.queue)) mask |= bits.queue
  if (!Object.is(before.group, after.group)) mask |= bits.group
  if (!Object.is(before.rules, after.rules)) mask |= bits.rules
  if (!Object.is(before.input, after.input)) mask |= bits.input
  if (!Object.is(before.state, after.state)) mask |= bits.state
  if (!Object.is(before.priority, after.priority)) mask |= bits.priority
  if (!Object.is(before.dueAt, after.dueAt)) mask |= bits.dueAt
  if (!Object.is(before.attempt, after.attempt)) mask |= bits.attempt
  if (!Object.is(before.failures, after.failures)) mask |= bits.failures
  if (!Object.is(before.interruptions, after.interruptions)) mask |= bits.interruptions
  if (!Object.is(before.crashes, after.crashes)) mask |= bits.crashes
  if (!Object.is(before.addedAt, after.addedAt)) mask |= bits.addedAt
  if (!Object.is(before.runAt, after.runAt)) mask |= bits.runAt
  if (!Object.is(before.expiresAt, after.expiresAt)) mask |= bits.expiresAt
  if (!Object.is(before.startMs, after.startMs)) mask |= bits.startMs
  if (!Object.is(before.finishMs, after.finishMs)) mask |= bits.finishMs
  if (!Object.is(before.result, after.result)) mask |= bits.result
  if (!Object.is(before.error, after.error)) mask |= bits.error
  if (!Object.is(before.checkpoint, after.checkpoint)) mask |= bits.checkpoint
  if (!Object.is(before.steps, after.steps)) mask |= bits.steps
  return mask
}
