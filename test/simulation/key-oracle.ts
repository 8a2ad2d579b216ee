/**
 * What must be true of jobs with a key, by the calls that were made, the clock and the batches alone.
 *
 * Most keys are used with one mode, and then each mode has rules of its own; one is used with all of them.
 */
import type { DedupeOptions } from '../../src/dedupe/dedupe-extension.ts'
import type { Step } from '../../src/engine/steps.ts'
import { isTerminal, isWaiting, type JobRecord } from '../../src/job/record.ts'
import type { OffstageError } from '../../src/shared/errors.ts'
import type { Row } from '../../src/store/store.ts'
import { isEqual, show } from './equal.ts'
import { inputOf, isHeldBack, isOf, type SimInput } from './kinds.ts'
import type { SimClock } from './sim-clock.ts'
import type { Stats } from './stats.ts'
import { assert } from './truth.ts'

export type Mode = NonNullable<DedupeOptions['mode']>

/** A call that adds a job with a key. */
export interface KeyCall {
  readonly tag: number
  readonly name: string
  readonly key: string
  readonly mode: Mode
  readonly windowMs: number | undefined
  /** Its own, or the library makes one. */
  readonly id: string | undefined
  readonly input: SimInput
  /** When it was made: wall time, and how many batches were committed in this life; whether it was carried out then. */
  readonly at: number
  readonly since: number
  readonly isAtOnce: boolean
}

type Rows = ReadonlyMap<string, Row>
type Records = ReadonlyMap<number, JobRecord>

export interface KeyWorld {
  readonly clock: SimClock
  readonly stats: Stats
}

export const mixed = 'mixed'
/** Looking at the clock may take a millisecond. */
const slackMs = 50

/** Makes one input of two: the newest, and the tags of both. */
export const merge = (waiting: SimInput, added: SimInput): SimInput => ({
  ...added,
  merged: [...(waiting.merged ?? []), ...(added.merged ?? [])],
})

export class KeyOracle {
  readonly #world: KeyWorld
  readonly #calls = new Map<number, KeyCall>()
  /** By tag: when it was called, in monotonic time. */
  readonly #askedAt = new Map<number, number>()
  /** By tag: the job that has what the call brought, or had it. */
  readonly #jobOf = new Map<number, string>()
  readonly #absent = new Set<number>()
  /** By the id of a job: the call that has added it. */
  readonly #addedBy = new Map<string, KeyCall>()
  readonly #addedAt = new Map<string, number>()
  /** So late it has been. */
  #highest = 0
  /** Of this life: in which batch each job ended. */
  readonly #endedIn = new Map<string, number>()
  /** Whose ends do not count: they were asked to run again. */
  readonly #revived = new Set<string>()
  readonly #overtaken = new Set<string>()

  constructor(world: KeyWorld) {
    this.#world = world
  }

  newLife(): void {
    this.#endedIn.clear()
  }

  recovered(records: Records): void {
    for (const record of records.values()) {
      if (!isOf(record, 'key')) continue
      this.#learn(record)
      if (isTerminal(record.state)) this.#endedIn.set(record.id, 0)
    }
  }

  // Calls.

  asked(call: KeyCall): void {
    this.#calls.set(call.tag, call)
    this.#askedAt.set(call.tag, this.#world.clock.elapsed)
  }

  /** Somebody has it run again: for its key it has ended. */
  retried(id: string): void {
    this.#revived.add(id)
  }

  added(call: KeyCall, id: string, disposition: string): void {
    const { stats } = this.#world
    const { tag, mode, name, key } = call
    stats.count(`keys: ${mode}: ${disposition}`)
    const by = this.#addedBy.get(id)
    assert(by?.name === name && by.key === key, 'I19', () => `${tag} (${mode}) got '${id}', which has another key`)
    const isTaken = disposition === 'existing'
    if (!isTaken || mode === 'debounce' || mode === 'coalesce') {
      const job = this.#jobOf.get(tag)
      assert(job === id, 'I1', () => `${tag} (${mode}) is said to be in '${id}' (${disposition}), and is in ${job}`)
      assert(isTaken || by === call, 'I19', () => `${tag} (${mode}) is said to be ${disposition}, in '${id}'`)
      return
    }
    assert(!this.#jobOf.has(tag), 'I6', () => `${tag} (${mode}) got '${id}', and is stored beside it`)
    this.#absent.add(tag)
    this.#judgeTaken(call, id)
  }

  rejected(call: KeyCall, error: OffstageError): void {
    const { tag, mode } = call
    const { code, jobId } = error
    this.#world.stats.count(`keys: ${mode} refused: ${code}`)
    assert(!this.#jobOf.has(tag), 'I6', () => `${tag} was refused (${code}), and is in '${this.#jobOf.get(tag)}'`)
    this.#absent.add(tag)
    if (code !== 'DUPLICATE_ID') return
    assert(mode === 'reject', 'I19', () => `${tag} (${mode}) was refused: ${error.message}`)
    this.#judgeTaken(call, jobId as string)
  }

  /** Who has the key: a job that has not ended, or whose window is not over. */
  #judgeTaken({ tag, mode, at, since, isAtOnce }: KeyCall, id: string): void {
    const { stats } = this.#world
    const endedIn = this.#endedIn.get(id) ?? Number.POSITIVE_INFINITY
    const hasEnded = endedIn <= since && !this.#revived.has(id)
    const isWindow = mode === 'throttle'
    if (!hasEnded && !isWindow) return
    const until = this.#untilOf(id)
    const isOver = until === undefined || (isAtOnce && at > until + slackMs)
    assert(
      !isOver,
      'I19',
      () => `${tag} (${mode}) met '${id}', which ${hasEnded ? 'has ended' : `is over at ${until}`}`,
    )
    if (hasEnded) stats.count('keys: taken for their window')
  }

  /** Until when the key of a job is taken, whatever becomes of it. */
  #untilOf(id: string, addedAt = this.#addedAt.get(id) ?? 0, call = this.#addedBy.get(id)): number | undefined {
    const { windowMs, mode } = call ?? {}
    return mode === 'debounce' || mode === 'coalesce' || windowMs === undefined ? undefined : addedAt + windowMs
  }

  #untilOfRecord(record: JobRecord): number | undefined {
    const { id, addedAt } = record
    // It may have been added in this very batch.
    return this.#untilOf(id, addedAt, this.#addedBy.get(id) ?? this.#calls.get(inputOf(record).tag))
  }

  // Jobs.

  /** What the job of a key must have been given, by all calls that are in it. */
  knows(record: JobRecord): boolean {
    const { tag, merged = [] } = inputOf(record)
    const expected = this.#calls.get(tag)?.input
    return expected !== undefined && merged.at(-1) === tag && isEqual(record.input, { ...expected, merged })
  }

  #learn(record: JobRecord): void {
    const { id, addedAt } = record
    const { merged = [] } = inputOf(record)
    for (const tag of merged) {
      assert(!this.#absent.has(tag), 'I6', () => `'${id}' has ${tag}, which was refused`)
      const other = this.#jobOf.get(tag)
      assert(other === undefined || other === id, 'I3', () => `${tag} is in '${id}', and in '${other}'`)
      this.#jobOf.set(tag, id)
    }
    const [first] = merged
    if (this.#addedBy.has(id)) return
    this.#addedBy.set(id, this.#calls.get(first as number) as KeyCall)
    this.#addedAt.set(id, addedAt)
  }

  judgeInsert(record: JobRecord, model: Records): void {
    const { id, state } = record
    const call = this.#calls.get(inputOf(record).tag)
    const what = () => `'${id}', of ${show(call)}`
    assert(call !== undefined && isEqual(record.input, call.input), 'I1', () => `${what()}, has another input`)
    assert(call.id === undefined || call.id === id, 'I19', () => `${what()}, has another id`)
    const { key, name, mode } = call
    const newest = this.#newestOf(call, model)
    const isLive = newest !== undefined && !isTerminal(newest.state) && !this.#hasLostKey(newest.id)
    const isBehind = isHeldBack(record)
    if (isBehind) this.#world.stats.count('keys: jobs that wait for the one before')
    if (key === mixed) return
    if (!isLive) {
      assert(!isBehind || this.#hasLive(call, model), 'I19', () => `${what()} waits for nobody`)
      const isWithin = newest && mode !== 'replace' && this.#isWithin(newest)
      return assert(!isWithin, 'I19', () => `${what()} is added within the window of '${newest?.id}'`)
    }
    const there = `'${newest.id}' is ${newest.state}`
    if (mode === 'throttle') return assert(!this.#isWithin(newest), 'I19', () => `${what()} is added, and ${there}`)
    const mayFollow = mode === 'replace' || mode === 'coalesce' || mode === 'debounce'
    // One that ran when it got its follower may wait again, and another takes the place of the follower.
    const isRunning = newest.state === 'running' || (mode === 'replace' ? isBehind : hasRecorded(newest))
    assert(mayFollow && isRunning, 'I19', () => `${what()} (${name}) is added, and ${there}`)
    assert(isBehind === (mode !== 'debounce'), 'I19', () => `${what()} is ${state}, and ${there}`)
  }

  /** Whether the window of a job is over by neither clock. The wall clock may have been set back since it was. */
  #isWithin(record: JobRecord): boolean {
    const until = this.#untilOfRecord(record)
    const { highest, elapsed } = this.#world.clock
    const { tag, windowMs = 0 } = this.#addedBy.get(record.id) ?? {}
    const askedAt = this.#askedAt.get(tag as number) ?? Number.NEGATIVE_INFINITY
    const isOver = Math.max(this.#highest, highest) + slackMs >= (until ?? 0) || elapsed + slackMs >= askedAt + windowMs
    return until !== undefined && !isOver
  }

  #hasLostKey(id: string): boolean {
    return this.#revived.has(id) || this.#overtaken.has(id)
  }

  /** The last that was added of those that are there. */
  #newestOf(call: KeyCall, model: Records): JobRecord | undefined {
    let newest: JobRecord | undefined
    for (const record of model.values())
      if (this.#isSame(record, call) && record.seq > (newest?.seq ?? -1)) newest = record
    return newest
  }

  #hasLive(call: KeyCall, model: Records): boolean {
    for (const record of model.values()) if (this.#isSame(record, call) && !isTerminal(record.state)) return true
    return false
  }

  #isSame(record: JobRecord, { key, name }: KeyCall): boolean {
    if (!isOf(record, 'key')) return false
    const other = this.#calls.get(inputOf(record).tag)
    return other?.key === key && other.name === name
  }

  /** Another input for a job that waits: a call has brought it. */
  judgeUpdate(before: JobRecord, after: JobRecord): void {
    const { tag, merged } = inputOf(after)
    const call = this.#calls.get(tag)
    const what = () => `'${after.id}' gets ${show(after.input)} by ${show(call)}; it has ${show(before.input)}`
    assert(call !== undefined && this.#isSame(before, call) && isWaiting(before.state), 'I19', what)
    assert(tag > inputOf(before).tag, 'I17', () => `${what()}, which is newer`)
    assert(!hasRecorded(before), 'I19', () => `${what()}, and has recorded what belongs to that`)
    const expected = call.mode === 'coalesce' ? merge(inputOf(before), call.input).merged : call.input.merged
    assert(call.mode === 'coalesce' || call.mode === 'debounce', 'I19', what)
    assert(isEqual(merged, expected), 'I19', what)
    this.#world.stats.count(`keys: inputs by ${call.mode}`)
  }

  /** One goes only for one that comes, of the same key and by the same call. */
  judgeReplaced({ before, call }: Step, steps: readonly Step[]): void {
    const gone = before as JobRecord
    const isReplaced = steps.some(({ type, after, call: by }) => {
      const added = type === 'insert' && after && isOf(after, 'key') ? this.#calls.get(inputOf(after).tag) : undefined
      return added?.mode === 'replace' && by === call && this.#isSame(gone, added)
    })
    assert(isReplaced, 'I14', () => `'${gone.id}' goes without what was to replace it`)
    assert(gone.state !== 'running', 'I19', () => `'${gone.id}' is replaced while it runs`)
  }

  // Batches.

  committed(steps: readonly Step[], batch: number, records: Records): void {
    for (const { type, before, after } of steps) {
      const record = after ?? before
      if (!record || !isOf(record, 'key')) continue
      if (after && (type === 'insert' || type === 'update')) this.#learn(after)
      if (after && type === 'insert') this.#noteOvertaken(after, records)
      if (!after || isTerminal(after.state)) {
        if (!this.#endedIn.has(record.id)) this.#endedIn.set(record.id, batch)
      } else this.#endedIn.delete(record.id)
    }
  }

  /** With `debounce` the job that runs has its key no longer, even if it waits once more. */
  #noteOvertaken({ id, input }: JobRecord, records: Records): void {
    const call = this.#calls.get(inputOf({ input }).tag) as KeyCall
    if (call.mode !== 'debounce') return
    for (const record of records.values())
      if (record.id !== id && this.#isSame(record, call)) this.#overtaken.add(record.id)
  }

  /** What must be true behind each batch: nobody waits for nobody, and no row is left behind. */
  judgeBatch(model: Records, rows: Rows): void {
    this.#highest = Math.max(this.#highest, this.#world.clock.highest)
    const live = new Map<string, JobRecord>()
    const leading = new Set<string>()
    for (const record of model.values()) {
      if (!isOf(record, 'key') || isTerminal(record.state)) continue
      live.set(record.id, record)
      if (!isHeldBack(record)) leading.add(this.#keyOf(record))
    }
    for (const record of live.values())
      assert(
        !isHeldBack(record) || leading.has(this.#keyOf(record)),
        'I19',
        () =>
          `'${record.id}' (${this.#keyOf(record)}) waits for nobody: ${show([...rows.values()].filter(({ table }) => table === 'dedupe'))}`,
      )
    for (const { table, key, value } of rows.values()) {
      if (table !== 'dedupe') continue
      const { jobId = key.slice('job '.length), until } = value as { readonly jobId?: string; readonly until?: number }
      assert(
        live.has(jobId) || until !== undefined,
        'I19',
        () => `the row '${key}' is left of '${jobId}', which has ended`,
      )
    }
  }

  #keyOf(record: JobRecord): string {
    const { name, key } = this.#calls.get(inputOf(record).tag) as KeyCall
    return `${name} ${key}`
  }
}

/** Whether a later attempt goes on from what this job has recorded. */
const hasRecorded = ({ attempt, steps, checkpoint }: JobRecord): boolean =>
  attempt > 0 && (steps ?? checkpoint) !== undefined
