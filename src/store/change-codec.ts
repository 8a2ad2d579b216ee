/**
 * One committed batch as bytes, in one frame or in several. Format version 1, written for ever.
 *
 * A frame holds a list of operations, each on the job with a certain `seq`: insert, update, remove. An insert and an update
 * say which fields differ from those before (an insert: from `blank`), and then their values, in the order of
 * `JobRecord`. Within a frame a sequence number, a time, a name, a queue or a type's rules is said once in full; what
 * follows refers to it. Between frames there are no such ties.
 */
import { type JobRecord, plus, type Rules, type State, states } from '../job/record.ts'
import { stepsSince } from '../job/steps.ts'
import type { ErrorClass } from '../shared/error-wire.ts'
import { OffstageError } from '../shared/errors.ts'
import { refused } from '../shared/refusal.ts'
import { ByteReader, ByteWriter, numberBytesMax, TooLong } from './bytes.ts'
import { payloadBytesMax } from './frame.ts'
import type { Change } from './store.ts'
import { writeThrown } from './thrown-writer.ts'
import { readValue } from './value-reader.ts'
import { roomBehind } from './value-room.ts'
import { writeValue } from './value-writer.ts'

const operations = { insert: 1, update: 2, remove: 3 } as const

/**
 * A bit for each field, what changes most in the lowest: a mask below 2⁷ is one byte, below 2¹⁴ two. `seq` names the job
 * and so has none. A bit never gets a new meaning; new fields get new ones, at the end.
 */
const bits = {
  state: 1 << 0,
  attempt: 1 << 1,
  startMs: 1 << 2,
  finishMs: 1 << 3,
  result: 1 << 4,
  error: 1 << 5,
  steps: 1 << 6,
  failures: 1 << 7,
  runAt: 1 << 8,
  checkpoint: 1 << 9,
  priority: 1 << 10,
  expiresAt: 1 << 11,
  interruptions: 1 << 12,
  dueAt: 1 << 13,
  id: 1 << 14,
  name: 1 << 15,
  queue: 1 << 16,
  rules: 1 << 17,
  input: 1 << 18,
  addedAt: 1 << 19,
  crashes: 1 << 20,
} as const

const bitsEnd = 1 << 21

/** What an insert does not say is so. Part of the format: no value here may ever change. */
const blank: JobRecord = {
  id: '',
  name: '',
  queue: '',
  rules: { attempts: 1, backoff: undefined, timeoutMs: undefined, keepMs: undefined, tags: [] },
  input: undefined,
  state: 'queued',
  priority: 0,
  dueAt: 0,
  seq: 0,
  attempt: 0,
  failures: 0,
  interruptions: 0,
  crashes: 0,
  addedAt: 0,
  runAt: undefined,
  expiresAt: undefined,
  startMs: undefined,
  finishMs: undefined,
  result: undefined,
  error: undefined,
  checkpoint: undefined,
  steps: undefined,
}

/** Before the first; even numbers from 2 on are whole milliseconds later than the last time, odd ones earlier. */
const times = { none: 0, double: 1, first: 2 } as const
/** A difference of two times is not stored as one beyond this, so that twice as much and 2 is a varint. */
const timeStepMax = 2 ** 51

const stepsKinds = { none: 0, whole: 1, more: 2 } as const

/** What one giant value needed is not kept for ever. */
const scratchBytesMax = 1024 * 1024
/**
 * Small values are not written to see what they take: half of what they may take at most is about that. Rather too much:
 * what is taken off then brings the next compaction nearer, where too little could put it off for ever.
 */
const shownBytesMax = 8 * 1024
/** What a record takes beside its id and its values. */
const otherBytes = 20

/** The records that are in a journal, by `seq`. */
export class LiveRecords {
  readonly #bySeq = new Map<number, JobRecord>()
  /**
   * What a snapshot would take, about: each operation counts in full, and a removal takes off what its record comes to.
   * To keep that number for each would take 40 bytes a job.
   */
  bytes = 0
  #scratch = new ByteWriter()
  readonly #errorBytesMax: number | undefined

  constructor(errorBytesMax?: number) {
    this.#errorBytesMax = errorBytesMax
  }

  get(seq: number): JobRecord | undefined {
    return this.#bySeq.get(seq)
  }

  /** `bytes`: what it took to say so. */
  set(record: JobRecord, bytes: number): void {
    this.#bySeq.set(record.seq, record)
    this.bytes += bytes
  }

  delete(seq: number): void {
    const record = this.#bySeq.get(seq)
    if (!record) return
    this.#bySeq.delete(seq)
    this.bytes = Math.max(0, this.bytes - this.#bytesOf(record))
  }

  #bytesOf({ id, input, result, error, checkpoint, steps }: JobRecord): number {
    const values = [input, result, error, checkpoint, steps]
    const room = values.reduce<number>((left, value) => roomBehind(value, left), shownBytesMax)
    if (room >= 0) return id.length + (shownBytesMax - room) / 2
    const out = this.#scratch
    out.truncate(0)
    out.string(id)
    try {
      writeValue(out, input, 'input')
      if (result !== undefined) writeValue(out, result, 'result')
      if (error !== undefined) writeThrown(out, error, this.#errorBytesMax)
      if (checkpoint !== undefined) writeValue(out, checkpoint, 'checkpoint')
      if (steps) for (const value of steps.values()) writeValue(out, value, 'step')
    } catch {
      // The application has written something into its copy of a result. It is a guess anyway.
    }
    const { length } = out
    if (length > scratchBytesMax) this.#scratch = new ByteWriter()
    return length + otherBytes
  }

  /** In the order of adding; what is added meanwhile comes as well. */
  values(): IterableIterator<JobRecord> {
    return this.#bySeq.values()
  }
}

/** A frame is full from so much on: far below what any engine, file or database takes at once. */
const frameBytesDefault = 4 * 1024 * 1024

/** Values that come last in an operation, and that another operation can add. */
const laterBits = bits.result | bits.error | bits.checkpoint | bits.steps

/**
 * Gathers changes into one batch, and cuts that into frames. Each can be read on its own. No operation is cut, and none
 * has more than one value that is large, so no frame is longer than `frameBytes` and the longest value together.
 *
 * Values were checked before; should one be refused after all, `add` throws `DATA_CLONE`, which names the job, and the batch
 * is not to be used any more.
 */
export class BatchWriter {
  /** Frames that are full, the oldest first, for the caller to take: at least one more follows. */
  readonly full: Uint8Array<ArrayBuffer>[] = []
  readonly #out = new ByteWriter()
  readonly #reserve: number
  readonly #frameBytes: number
  readonly #errorBytesMax: number | undefined
  readonly #texts = new Map<string, number>()
  readonly #rules = new Map<Rules, number>()
  #lastSeq = 0
  #lastTime = 0
  /** Of the frames that were full. */
  #fullBytes = 0
  #operationAt = 0

  /** `reserve` bytes are left free at the front of each frame. An error that takes more than `errorBytesMax` is shortened. */
  constructor(
    reserve: number,
    frameBytes = frameBytesDefault,
    errorBytesMax?: number,
    frameBytesMax = payloadBytesMax,
  ) {
    this.#reserve = reserve
    this.#frameBytes = frameBytes
    this.#errorBytesMax = errorBytesMax
    this.#out.raw(new Uint8Array(reserve))
    this.#out.lengthMax = reserve + frameBytesMax - numberBytesMax
  }

  get isEmpty(): boolean {
    return this.bytes === 0
  }

  get bytes(): number {
    return this.#fullBytes + this.#out.length - this.#reserve
  }

  /** Answers how many bytes it took. */
  add({ before, after }: Change): number {
    const start = this.bytes
    try {
      if (after) this.#write(before ?? blank, after, before ? operations.update : operations.insert)
      else if (before) this.#begin(operations.remove, before.seq)
    } catch (error) {
      throw refusedFor((after ?? before) as JobRecord, error)
    }
    return this.bytes - start
  }

  /** The last frame, in a buffer of its own. */
  finish(): Uint8Array<ArrayBuffer> {
    return this.#out.toBytes()
  }

  #begin(operation: number, seq: number): void {
    if (this.#out.length - this.#reserve >= this.#frameBytes) this.#cut()
    this.#operationAt = this.#out.length
    this.#out.u8(operation)
    this.#out.signed(seq - this.#lastSeq)
    this.#lastSeq = seq
  }

  /** What follows goes into the next frame. */
  #cut(): void {
    const out = this.#out
    if (out.length > this.#reserve) this.full.push(out.toBytes())
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
    // Too much for one operation: each value has its own.
    this.#out.truncate(this.#operationAt)
    this.#cut()
    this.#fields(before, after, operation, mask & ~laterBits)
    for (const bit of [bits.result, bits.error, bits.checkpoint])
      if (mask & bit) this.#fields(before, after, operations.update, bit)
    if (mask & bits.steps) this.#stepByStep(before.steps, after)
  }

  /** One operation. Answers `false`, and is not done with it, where it gets longer than `bytesMax` and there is more. */
  #fields(before: JobRecord, after: JobRecord, operation: number, mask: number, bytesMax = Infinity): boolean {
    const out = this.#out
    this.#begin(operation, after.seq)
    const end = this.#operationAt + bytesMax
    out.varint(mask)
    if (mask & bits.id) out.string(after.id)
    if (mask & bits.name) this.#text(after.name)
    if (mask & bits.queue) this.#text(after.queue)
    if (mask & bits.rules) this.#rulesOf(after.rules)
    if (mask & bits.input) writeValue(out, after.input, 'input')
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
    if (mask & bits.result) writeValue(out, after.result, 'result')
    if (mask & bits.error && out.length > end) return false
    if (mask & bits.error) writeThrown(out, after.error, this.#errorBytesMax)
    if (mask & bits.checkpoint && out.length > end) return false
    if (mask & bits.checkpoint) writeValue(out, after.checkpoint, 'checkpoint')
    return !(mask & bits.steps) || this.#steps(before.steps, after.steps, end)
  }

  /** Its number in the frame; behind a number that is new, what it stands for. */
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
    const { attempts, backoff, timeoutMs, keepMs, tags } = rules
    writeValue(this.#out, [attempts, backoff, timeoutMs, keepMs, tags], 'rules')
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

  /** Answers `false` as `#fields` does. */
  #steps(before: JobRecord['steps'], after: JobRecord['steps'], end: number): boolean {
    const out = this.#out
    const { kind, added } = stepsBetween(before, after)
    out.u8(kind)
    if (!after) return true
    out.varint(added.length)
    for (const [key, value] of added) {
      if (out.length > end) return false
      out.string(key)
      writeValue(out, value, 'step')
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
      writeValue(out, value, 'step')
      kind = stepsKinds.more
    }
  }
}

function refusedFor({ id }: JobRecord, error: unknown): unknown {
  const refusal = error instanceof TooLong ? refused(error, 'job', 'stored') : error
  return refusal instanceof OffstageError ? Object.assign(refusal, { jobId: id }) : refusal
}

/** Steps are mostly added one by one: only what is new is written, or a thousand of them would take a million. */
function stepsBetween(
  before: JobRecord['steps'],
  after: JobRecord['steps'],
): { kind: number; readonly added: readonly (readonly [string, unknown])[] } {
  if (!after) return { kind: stepsKinds.none, added: [] }
  const added = before && stepsSince(after, before)
  return added ? { kind: stepsKinds.more, added } : { kind: stepsKinds.whole, added: [...after] }
}

function differences(before: JobRecord, after: JobRecord): number {
  let mask = 0
  if (!Object.is(before.id, after.id)) mask |= bits.id
  if (!Object.is(before.name, after.name)) mask |= bits.name
  if (!Object.is(before.queue, after.queue)) mask |= bits.queue
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

/** Rules and names that jobs of different batches have in common are kept once; so many are looked out for. */
const sharedMax = 1_000

/**
 * A change that does not fit what is there: of a job that is not there (`orphan`), a new job in the place of another
 * (`clash`), more steps of a job that has none (`steps`).
 */
export type Misfit = 'orphan' | 'clash' | 'steps'

/** Carries out frames, the oldest first. */
export class Replayer {
  readonly #errors: readonly ErrorClass[]
  readonly #onMisfit: ((misfit: Misfit, seq: number) => void) | undefined
  readonly #sharedTexts = new Map<string, string>()
  /** By their bytes. */
  readonly #sharedRules = new Map<string, Rules>()
  #from = new ByteReader(new Uint8Array(0))
  #texts: string[] = []
  #rules: Rules[] = []
  #lastSeq = 0
  #lastTime = 0

  /** With `onMisfit` what does not fit is told, and carried out as far as it can be. */
  constructor(errors: readonly ErrorClass[], onMisfit?: (misfit: Misfit, seq: number) => void) {
    this.#errors = errors
    this.#onMisfit = onMisfit
  }

  /**
   * Throws when the bytes make no sense, or a change does not fit what is there. `records` are worth nothing then: a part
   * of the frame may be in them.
   */
  replay(payload: Uint8Array, records: LiveRecords): void {
    const from = new ByteReader(payload)
    this.#from = from
    this.#texts = []
    this.#rules = []
    this.#lastSeq = 0
    this.#lastTime = 0
    while (!from.isAtEnd) this.#change(records)
  }

  #change(records: LiveRecords): void {
    const from = this.#from
    const start = from.position
    const operation = from.u8()
    if (operation < operations.insert || operation > operations.remove) throw newer(`operation ${operation}`)
    const seq = this.#lastSeq + from.signed()
    this.#lastSeq = seq
    const before = records.get(seq)
    if (operation === operations.insert) {
      if (before || !Number.isSafeInteger(seq) || seq < 0)
        this.#misfit(before && 'clash', seq, `there cannot be another job ${seq}`)
      records.set(this.#record(blank, seq), from.position - start)
      return
    }
    if (!before) return this.#orphan(operation, seq)
    if (operation === operations.remove) return records.delete(seq)
    records.set(this.#record(before, seq), from.position - start)
  }

  #misfit(misfit: Misfit | undefined, seq: number, message: string): void {
    if (!misfit || !this.#onMisfit) throw new Error(message)
    this.#onMisfit(misfit, seq)
  }

  #orphan(operation: number, seq: number): void {
    this.#misfit('orphan', seq, `a change of job ${seq}, which is not there`)
    // What it says has to be read to find the end of it.
    if (operation === operations.update) this.#record({ ...blank, steps: new Map() }, seq)
  }

  #record(before: JobRecord, seq: number): JobRecord {
    const from = this.#from
    const mask = from.varint()
    if (mask >= bitsEnd) throw newer('field')
    const record = {
      id: mask & bits.id ? from.string() : before.id,
      name: mask & bits.name ? this.#text() : before.name,
      queue: mask & bits.queue ? this.#text() : before.queue,
      rules: mask & bits.rules ? this.#rulesOf() : before.rules,
      input: mask & bits.input ? this.#value() : before.input,
      state: mask & bits.state ? this.#state() : before.state,
      priority: mask & bits.priority ? numberFrom(this.#value()) : before.priority,
      dueAt: mask & bits.dueAt ? numberFrom(this.#time()) : before.dueAt,
      seq,
      attempt: mask & bits.attempt ? from.varint() : before.attempt,
      failures: mask & bits.failures ? from.varint() : before.failures,
      interruptions: mask & bits.interruptions ? from.varint() : before.interruptions,
      crashes: mask & bits.crashes ? from.varint() : before.crashes,
      addedAt: mask & bits.addedAt ? numberFrom(this.#time()) : before.addedAt,
      runAt: mask & bits.runAt ? this.#time() : before.runAt,
      expiresAt: mask & bits.expiresAt ? this.#time() : before.expiresAt,
      startMs: mask & bits.startMs ? this.#time() : before.startMs,
      finishMs: mask & bits.finishMs ? this.#time() : before.finishMs,
      result: mask & bits.result ? this.#value() : before.result,
      error: mask & bits.error ? this.#value() : before.error,
      checkpoint: mask & bits.checkpoint ? this.#value() : before.checkpoint,
      steps: mask & bits.steps ? this.#steps(before.steps, seq) : before.steps,
    }
    // They are stored as the times that they are.
    if (mask & bits.startMs) record.startMs = plus(record.startMs, -record.addedAt)
    if (mask & bits.finishMs) record.finishMs = plus(record.finishMs, -record.addedAt)
    return record
  }

  #value(): unknown {
    return readValue(this.#from, this.#errors)
  }

  #text(): string {
    const number = this.#from.varint()
    if (number === this.#texts.length) {
      const text = this.#from.string()
      this.#texts.push(share(this.#sharedTexts, text, () => text))
    }
    return known(this.#texts[number])
  }

  #rulesOf(): Rules {
    const number = this.#from.varint()
    if (number === this.#rules.length) {
      const start = this.#from.position
      const list = this.#value()
      this.#rules.push(share(this.#sharedRules, this.#from.textSince(start), () => rulesFrom(list)))
    }
    return known(this.#rules[number])
  }

  #state(): State {
    const number = this.#from.u8()
    const state = states[number]
    if (!state) throw newer(`state ${number}`)
    return state
  }

  #time(): number | undefined {
    const code = this.#from.varint()
    if (code === times.none) return undefined
    if (code === times.double) return this.#from.f64()
    const step = code - times.first
    this.#lastTime += step % 2 === 0 ? step / 2 : -(step + 1) / 2
    return this.#lastTime
  }

  /** Nobody else has the record before, so its map becomes the next one's: copies would make it slow. */
  #steps(before: JobRecord['steps'], seq: number): JobRecord['steps'] {
    const from = this.#from
    const kind = from.u8()
    if (kind === stepsKinds.none) return undefined
    if (kind > stepsKinds.more) throw newer('list of steps')
    const isMore = kind === stepsKinds.more
    if (isMore && !before) this.#misfit('steps', seq, 'more steps of a job that has none')
    const steps = isMore && before ? (before as Map<string, unknown>) : new Map<string, unknown>()
    for (let left = from.varint(); left > 0; left--) steps.set(from.string(), this.#value())
    return steps
  }
}

/** The value that is shared by all with the same key. */
function share<Value>(values: Map<string, Value>, key: string, make: () => Value): Value {
  const found = values.get(key)
  if (found !== undefined) return found
  const value = make()
  if (values.size === sharedMax) values.clear()
  values.set(key, value)
  return value
}

function rulesFrom(list: unknown): Rules {
  if (!Array.isArray(list) || list.length !== 5) throw newer('kind of rules')
  const [attempts, backoff, timeoutMs, keepMs, tags] = list
  if (!Array.isArray(tags)) throw new Error('the rules make no sense')
  return { attempts: numberFrom(attempts), backoff, timeoutMs, keepMs, tags }
}

function numberFrom(value: unknown): number {
  if (typeof value !== 'number') throw new Error('a number is missing')
  return value
}

function known<Value>(value: Value | undefined): Value {
  if (value === undefined) throw new Error('a reference leads nowhere')
  return value
}

const newer = (what: string): Error => new Error(`there is a ${what} that only a newer version of offstage knows`)
