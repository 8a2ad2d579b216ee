import { type JobRecord, plus, type Rules, type State, states } from '../job/record.ts'
import type { ErrorClass } from '../shared/error-wire.ts'
import { isObject } from '../shared/show.ts'
import type { Attachments } from './attachments.ts'
import { ByteReader } from './bytes.ts'
import { bits, bitsEnd, blank, operations, stepsKinds, times } from './change-format.ts'
import type { LiveRecords } from './live-records.ts'
import { readValue } from './value-reader.ts'

/** Jobs of different batches share equal rules and names. This many are remembered. */
const sharedMax = 1_000

/**
 * A change that does not fit the records: it is about a job that does not exist (`orphan`), adds a job in the place of another
 * (`clash`), or adds steps to a job that has none (`steps`).
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
  #attachments: Attachments | undefined
  #texts: string[] = []
  #rules: Rules[] = []
  #lastSeq = 0
  #lastTime = 0

  /** With `onMisfit`, changes that do not fit are reported and carried out as far as possible. Without it they throw. */
  constructor(errors: readonly ErrorClass[], onMisfit?: (misfit: Misfit, seq: number) => void) {
    this.#errors = errors
    this.#onMisfit = onMisfit
  }

  /**
   * Throws when the bytes make no sense, or when a change does not fit the records. Do not use `records` then: they may contain
   * a part of the frame.
   */
  replay(payload: Uint8Array, records: LiveRecords): void {
    const from = new ByteReader(payload)
    this.#from = from
    this.#texts = []
    this.#rules = []
    this.#lastSeq = 0
    this.#lastTime = 0
    this.#attachments = records.attachments
    while (!from.isAtEnd) this.#change(records)
  }

  #change(records: LiveRecords): void {
    const from = this.#from
    const start = from.position
    const operation = from.u8()
    if (operation < operations.insert || operation > operations.drop) throw newer(`operation ${operation}`)
    if (operation >= operations.put) return this.#row(operation, records, start)
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

  /** A row always fits: put contains the whole value, and dropping a row that does not exist changes nothing. */
  #row(operation: number, records: LiveRecords, start: number): void {
    const from = this.#from
    const table = this.#text()
    const key = from.string()
    if (operation === operations.drop) return records.deleteRow(table, key)
    const value = this.#value()
    records.setRow({ table, key, value }, from.position - start)
  }

  #misfit(misfit: Misfit | undefined, seq: number, message: string): void {
    if (!misfit || !this.#onMisfit) throw new Error(message)
    this.#onMisfit(misfit, seq)
  }

  #orphan(operation: number, seq: number): void {
    this.#misfit('orphan', seq, `a change of job ${seq}, which is not there`)
    // Its fields have to be read to find its end.
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
      group: mask & bits.group ? this.#text() : before.group,
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
    // They are stored as absolute times.
    if (mask & bits.startMs) record.startMs = plus(record.startMs, -record.addedAt)
    if (mask & bits.finishMs) record.finishMs = plus(record.finishMs, -record.addedAt)
    return record
  }

  #value(): unknown {
    return readValue(this.#from, this.#errors, this.#attachments)
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

  /** No other code holds the previous record, so its map is reused for the next one: copying it each time would be slow. */
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

/** Returns the one value that is shared by all with the same key. */
function share<Value>(values: Map<string, Value>, key: string, make: () => Value): Value {
  const found = values.get(key)
  if (found !== undefined) return found
  const value = make()
  if (values.size === sharedMax) values.clear()
  values.set(key, value)
  return value
}

function rulesFrom(list: unknown): Rules {
  if (!Array.isArray(list)) throw newer('kind of rules')
  const [attempts, backoff, timeoutMs, keepMs, tags, ...more] = list
  // Most rules have none of these. An array is the marks, an object the headers, a number `retryForMs`, and one below 0 `keepValues`.
  const marks = Array.isArray(more[0]) ? more.shift() : undefined
  const headers = isObject(more[0]) && !Array.isArray(more[0]) ? more.shift() : undefined
  const retryForMs = typeof more[0] === 'number' && more[0] >= 0 ? more.shift() : undefined
  const keepValues = typeof more[0] === 'number' && more[0] < 0 ? -more.shift() : undefined
  if (list.length < 5 || more.length > 0) throw newer('kind of rules')
  if (!Array.isArray(tags)) throw new Error('the rules make no sense')
  const rules = { attempts: numberFrom(attempts), backoff, timeoutMs, keepMs, tags }
  return {
    ...rules,
    ...(marks && { marks }),
    ...(headers && { headers: Object.freeze(headers) }),
    ...(retryForMs !== undefined && { retryForMs }),
    ...(keepValues !== undefined && { keepValues }),
  }
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
