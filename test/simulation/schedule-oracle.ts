/**
 * What must be true of schedules, by the calls that were made, the clock and the batches alone. All occurrences in a simulation
 * are arithmetic: so many milliseconds apart, by the zone UTC.
 *
 * A row is right at first, because it is what a call asked for. From then on each writing is judged: what it has made of the row,
 * and which jobs it has added with that.
 */
import type { Step } from '../../src/engine/steps.ts'
import { isTerminal, isWaiting, type JobRecord } from '../../src/job/record.ts'
import type { ScheduleSpec } from '../../src/schedules/spec.ts'
import type { OffstageError } from '../../src/shared/errors.ts'
import type { Row } from '../../src/store/store.ts'
import { isEqual, show } from './equal.ts'
import { inputOf, isHeldBack, isOf, occurrenceOf, type SimInput } from './kinds.ts'
import type { SimClock } from './sim-clock.ts'
import type { Stats } from './stats.ts'
import { assert } from './truth.ts'

type Verb = 'remove' | 'pause' | 'resume' | 'trigger'

/** A spec with moments that are numbers. */
export type SimSpec = ScheduleSpec & { readonly startAt?: number; readonly endAt?: number }

/** A call of `set`. */
export interface SetCall {
  readonly tag: number
  readonly id: string
  readonly spec: SimSpec
  readonly name: string
  readonly input: SimInput
}

/** What is stored of a schedule. */
interface StoredSchedule {
  readonly spec: SimSpec
  readonly job: { readonly name: string; readonly input: SimInput }
  readonly setAt: number
  readonly nextAt: number | undefined
  readonly isPaused: boolean
  readonly count: number
  readonly lastAt: number | undefined
  readonly lastJobId: string | undefined
}

type Rows = ReadonlyMap<string, Row>
type Records = ReadonlyMap<number, JobRecord>

export interface ScheduleWorld {
  readonly clock: SimClock
  readonly stats: Stats
  readonly maxQueued: number
  /** The last batch was refused. */
  readonly isRefusing: boolean
  /** The scheduler takes no jobs any more. */
  readonly isClosing: boolean
}

/** Every so many milliseconds, from midnight on. */
const crons: Readonly<Record<string, { readonly periodMs: number; readonly offsetMs: number }>> = {
  '*/10 * * * * *': { periodMs: 10_000, offsetMs: 0 },
  '*/5 * * * *': { periodMs: 300_000, offsetMs: 0 },
  '15 * * * *': { periodMs: 3_600_000, offsetMs: 900_000 },
  '30 3 * * *': { periodMs: 86_400_000, offsetMs: 12_600_000 },
}
export const cronTexts = Object.keys(crons)

/** An occurrence that is noticed later was missed. */
const missedAfterMs = 60_000
const missedMaxDefault = 100
/** The first timer looks at the wall clock at least this often; when the queue was full, it is tried again after a second. */
const latenessMs = 30_000 + 1_000 + 1_000

/** The occurrences of a schedule. */
class Times {
  readonly #base: number
  readonly #from: number
  readonly #until: number
  readonly periodMs: number
  /** An occurrence comes no later than so long after its time. */
  readonly jitterMs: number

  constructor({ cron, everyMs, startAt, endAt, jitterMs = 0 }: SimSpec, setAt: number) {
    const { periodMs, offsetMs } = (cron === undefined ? undefined : crons[cron]) ?? { periodMs: 0, offsetMs: 0 }
    this.periodMs = everyMs ?? periodMs
    this.#base = everyMs === undefined ? offsetMs : (startAt ?? setAt + everyMs)
    this.#from = everyMs === undefined ? (startAt ?? 0) : this.#base
    this.#until = endAt ?? Number.POSITIVE_INFINITY
    this.jitterMs = Math.min(jitterMs, this.periodMs)
  }

  has(at: number): boolean {
    return (at - this.#base) % this.periodMs === 0 && at >= this.#from && at <= this.#until
  }

  after(at: number): number | undefined {
    const from = Math.max(at + 1, this.#from)
    const next = this.#base + Math.ceil((from - this.#base) / this.periodMs) * this.periodMs
    return next <= this.#until ? next : undefined
  }

  upTo(at: number): number {
    return this.#base + Math.floor((Math.min(at, this.#until) - this.#base) / this.periodMs) * this.periodMs
  }
}

const rowOf = (rows: Rows, id: string): StoredSchedule | undefined =>
  rows.get(`schedules/${id}`)?.value as StoredSchedule | undefined
const isActive = (record: JobRecord | undefined): boolean => record !== undefined && !isTerminal(record.state)
const isUnrecorded = ({ message }: OffstageError): boolean => message.startsWith('The change is not stored yet')

export class ScheduleOracle {
  readonly #world: ScheduleWorld
  readonly #sets = new Map<number, SetCall>()
  /** Calls of `set` that are in a batch, and those that never may be. */
  readonly #applied = new Set<number>()
  readonly #refused = new Set<number>()
  /** Of this life, by verb and id: how many calls were made and not refused, and how many are in batches. */
  readonly #asked = new Map<string, number>()
  readonly #done = new Map<string, number>()
  /** How many calls were made about a schedule. */
  readonly #serials = new Map<string, number>()
  /** Jobs that the current writing has added. */
  #adding: JobRecord[] = []
  #addingIn: object | undefined
  /** Jobs that it must have cancelled when it is over. */
  readonly #replaced = new Set<string>()
  /** What the writings of a batch have carried out: told once it is committed. */
  readonly #outcomes = new WeakMap<Step, readonly (readonly [Verb | 'set', string | number])[]>()
  readonly #triggered = new Set<string>()
  readonly #overdue = new Map<string, { readonly at: number; readonly since: number }>()

  constructor(world: ScheduleWorld) {
    this.#world = world
  }

  newLife(): void {
    this.#asked.clear()
    this.#done.clear()
    this.#overdue.clear()
  }

  recovered(rows: Rows): void {
    for (const { table, value } of rows.values()) {
      if (table !== 'schedules') continue
      const { tag } = (value as StoredSchedule).job.input
      assert(!this.#refused.has(tag), 'I6', () => `a schedule is there whose \`set\` ${tag} was refused`)
      this.#applied.add(tag)
    }
  }

  // Calls.

  asked(verb: Verb | 'set', id: string, set?: SetCall): number {
    if (set) this.#sets.set(set.tag, set)
    else this.#count(this.#asked, `${verb} ${id}`, 1)
    const serial = (this.#serials.get(id) ?? 0) + 1
    this.#serials.set(id, serial)
    return serial
  }

  /** `serial`: what `asked` has returned; `result`: whether there was such a schedule. */
  acknowledged(verb: Verb | 'set', id: string, serial: number, tag: number, result: unknown, rows: Rows): void {
    const { stats } = this.#world
    stats.count(`schedules: ${verb}${result ? '' : ', none there'}`)
    if (verb === 'set')
      assert(this.#applied.has(tag), 'I1', () => `\`set\` ${tag} of '${id}' resolved, and is in no batch`)
    if (verb === 'trigger' && result)
      assert(
        this.#triggered.has(result as string),
        'I1',
        () => `'${result}' is said to be triggered, and is in no batch`,
      )
    // A later call may have changed it by now.
    if (this.#serials.get(id) !== serial || !result) return
    const row = rowOf(rows, id)
    const isSo =
      verb === 'set'
        ? row?.job.input.tag === tag
        : verb === 'remove'
          ? !row
          : verb === 'trigger' || row?.isPaused === (verb === 'pause')
    assert(isSo, 'I4', () => `${verb} of '${id}' resolved, and it is ${show(row)}`)
  }

  rejected(verb: Verb | 'set', id: string, tag: number, error: OffstageError): void {
    if (error.code !== 'STORE_WRITE_FAILED' || isUnrecorded(error)) return
    this.#world.stats.count('schedules: calls refused')
    if (verb === 'set') {
      assert(!this.#applied.has(tag), 'I6', () => `\`set\` ${tag} of '${id}' was refused, and is stored`)
      this.#refused.add(tag)
    } else {
      this.#count(this.#asked, `${verb} ${id}`, -1)
      this.#assertAsked(verb, id)
    }
  }

  #count(counts: Map<string, number>, key: string, by: number): void {
    counts.set(key, (counts.get(key) ?? 0) + by)
  }

  #assertAsked(verb: Verb, id: string): void {
    const [asked, done] = [this.#asked, this.#done].map((counts) => counts.get(`${verb} ${id}`) ?? 0) as [
      number,
      number,
    ]
    assert(done <= asked, 'I6', () => `${verb} of '${id}' was asked for ${asked} times, and done ${done} times`)
  }

  // Jobs.

  /** What the job of a schedule must have been given. */
  knows(record: JobRecord): boolean {
    const { tag } = inputOf(record)
    return isEqual(this.#sets.get(tag)?.input, record.input)
  }

  /** `model`: what is there behind the steps before. */
  judgeInsert(step: Step, record: JobRecord, model: Records, rows: Rows): void {
    const { scheduleId, at } = occurrenceOf(record.id)
    const set = this.#sets.get(inputOf(record).tag)
    const what = () => `'${record.id}' of the schedule ${show(rowOf(rows, scheduleId))}`
    assert(set?.id === scheduleId && set.name === record.name, 'I19', () => `${what()} is another job`)
    assert(step.turn !== undefined, 'I19', () => `${what()} is added by nobody`)
    if (this.#addingIn !== step.turn) {
      this.#adding = []
      this.#replaced.clear()
    }
    this.#addingIn = step.turn
    if (at === undefined) {
      this.#outcomes.set(step, [['trigger', scheduleId]])
      return
    }
    const row = rowOf(rows, scheduleId)
    const before = this.#adding.filter(({ id }) => occurrenceOf(id).scheduleId === scheduleId).at(-1)
    this.#adding.push(record)
    const { scheduledFor, previous } = record.rules.headers ?? {}
    const previousAt = before ? occurrenceOf(before.id).at : row?.lastAt
    assert(Date.parse(scheduledFor ?? '') === at, 'I19', () => `${what()} is told that it is for ${scheduledFor}`)
    assert(
      (previous === undefined ? undefined : Date.parse(previous)) === previousAt,
      'I19',
      () => `${what()} is told that ${previous} was before it, not ${previousAt}`,
    )
    if (row) this.#judgeOverlap(record, before?.id ?? row.lastJobId, row, model, what)
  }

  #judgeOverlap(
    { state }: JobRecord,
    lastId: string | undefined,
    { spec: { overlap = 'skip', missed } }: StoredSchedule,
    model: Records,
    what: () => string,
  ): void {
    const last = lastId === undefined ? undefined : byId(model, lastId)
    const isBlocked = state === 'blocked'
    assert(!isBlocked || overlap === 'queue' || missed === 'all', 'I19', () => `${what()} waits for another`)
    if (isBlocked) this.#world.stats.count('schedules: jobs that wait for the one before')
    if (!isActive(last) || overlap === 'allow') return
    if (overlap !== 'replace') assert(isBlocked, 'I19', () => `${what()} does not wait for '${lastId}'`)
    else if (!isBlocked) this.#replaced.add(lastId as string)
  }

  // Writings.

  /** `rows`: as they are before this step; `model`: with the moves of its writing. */
  judgeTurn(step: Step, model: Records, rows: Rows): void {
    const added = step.turn !== undefined && step.turn === this.#addingIn ? this.#adding : []
    this.#adding = []
    this.#addingIn = undefined
    for (const id of this.#replaced)
      assert(!isActive(byId(model, id)), 'I19', () => `'${id}' goes on beside what was to replace it`)
    this.#replaced.clear()
    const after = new Map<string, StoredSchedule | undefined>()
    for (const { table, key, value } of step.rows ?? [])
      if (table === 'schedules') after.set(key, value as StoredSchedule | undefined)
    for (const { id } of added) {
      const { scheduleId } = occurrenceOf(id)
      assert(after.has(scheduleId), 'I19', () => `'${id}' is added, and its schedule does not say so`)
    }
    const outcomes = [...after].flatMap(([id, row]) => {
      const times = added
        .map(({ id }) => occurrenceOf(id))
        .flatMap(({ scheduleId, at }) => (scheduleId === id ? at : []))
      return this.#judgeRow(id, rowOf(rows, id), row, times as number[], model)
    })
    this.#outcomes.set(step, outcomes)
  }

  #judgeRow(
    id: string,
    before: StoredSchedule | undefined,
    after: StoredSchedule | undefined,
    added: readonly number[],
    model: Records,
  ): (readonly [Verb | 'set', string | number])[] {
    const what = () => `the schedule '${id}', ${show(before)}, becomes ${show(after)} with the jobs of [${added}]`
    const none = () => assert(added.length === 0, 'I19', what)
    if (!after) {
      none()
      return before ? [['remove', id]] : []
    }
    const { tag } = after.job.input
    if (!before || before.job.input.tag !== tag) {
      none()
      this.#judgeSet(id, before, after, what)
      return [['set', tag]]
    }
    assert(isEqual([before.spec, before.job, before.setAt], [after.spec, after.job, after.setAt]), 'I19', what)
    if (before.isPaused !== after.isPaused) {
      none()
      assert(isEqual(factsOf(before), factsOf(after)), 'I19', what)
      if (after.isPaused) assert(after.nextAt === before.nextAt, 'I19', what)
      else this.#judgeNext(before, after, what)
      return [[after.isPaused ? 'pause' : 'resume', id]]
    }
    this.#judgeTick(id, before, after, added, model, what)
    return []
  }

  #judgeSet(id: string, before: StoredSchedule | undefined, after: StoredSchedule, what: () => string): void {
    const { clock, stats } = this.#world
    const { tag } = after.job.input
    const set = this.#sets.get(tag)
    assert(set?.id === id && isEqual(set.input, after.job.input), 'I19', () => `${what()}, and nobody has set it so`)
    assert(!this.#refused.has(tag), 'I6', () => `${what()}, and that was refused`)
    for (const [key, value] of Object.entries(set.spec))
      assert(after.spec[key as keyof SimSpec] === value, 'I19', () => `${what()}: \`${key}\` was ${value}`)
    const facts = before ? factsOf(before) : { count: 0, lastAt: undefined, lastJobId: undefined }
    assert(isEqual(factsOf(after), facts) && after.isPaused === (before?.isPaused ?? false), 'I19', what)
    const isSame = before !== undefined && isEqual(timesIn(before.spec), timesIn(after.spec))
    if (isSame) {
      stats.count('schedules: set again with the same times')
      assert(after.setAt === before.setAt, 'I19', what)
    } else assert(after.setAt >= clock.lowest && after.setAt <= clock.highest, 'I19', what)
    const isLeft = after.count < (after.spec.limit ?? Number.POSITIVE_INFINITY)
    if (isSame && before.nextAt !== undefined && isLeft) assert(after.nextAt === before.nextAt, 'I19', what)
    else this.#judgeNext(after, after, what, isSame ? undefined : after.setAt)
  }

  /** It counts from now on: from `now`, if that is known. */
  #judgeNext({ lastAt = 0 }: StoredSchedule, after: StoredSchedule, what: () => string, now?: number): void {
    const { lowest, highest } = this.#world.clock
    const { limit = Number.POSITIVE_INFINITY } = after.spec
    const times = new Times(after.spec, after.setAt)
    const nextAfter = (at: number) => (after.count < limit ? times.after(Math.max(at, lastAt)) : undefined)
    const [first, last] = [nextAfter(now ?? lowest), nextAfter(now ?? highest)]
    const { nextAt = Number.POSITIVE_INFINITY } = after
    const isOne = after.nextAt === undefined || times.has(nextAt)
    assert(
      isOne && nextAt >= (first ?? Number.POSITIVE_INFINITY) && nextAt <= (last ?? Number.POSITIVE_INFINITY),
      'I19',
      () => `${what()}: the next is between ${first} and ${last}`,
    )
  }

  /** An occurrence has come, or several have; or only the line of its jobs has moved on. */
  #judgeTick(
    id: string,
    before: StoredSchedule,
    after: StoredSchedule,
    added: readonly number[],
    model: Records,
    what: () => string,
  ): void {
    const { clock, stats } = this.#world
    const newest = added.at(-1)
    const facts =
      newest === undefined
        ? factsOf(before)
        : { count: before.count + added.length, lastAt: newest, lastJobId: jobIdOf(id, newest) }
    assert(isEqual(factsOf(after), facts), 'I19', what)
    if (after.nextAt === before.nextAt && added.length === 0) return
    const { nextAt: from } = before
    assert(!before.isPaused && from !== undefined, 'I19', () => `${what()}, and it is not to come`)
    const { spec } = before
    const { limit = Number.POSITIVE_INFINITY } = spec
    const times = new Times(spec, before.setAt)
    let last = Math.max(from - 1, before.lastAt ?? 0)
    for (const at of added) {
      assert(times.has(at), 'I19', () => `${what()}, and ${at} is not one of its times`)
      assert(at > last, 'I19', () => `${what()}, and ${at} is over`)
      assert(at <= clock.highest, 'I19', () => `${what()}, and ${at} has not come`)
      last = at
    }
    stats.count('schedules: occurrences that added a job', added.length)
    if (added.length > 1) stats.count('schedules: missed occurrences made up for')
    assert(after.count <= limit, 'I19', () => `${what()}, and its limit is ${limit}`)
    if (after.count === limit && added.length > 0) {
      stats.count('schedules: limits reached')
      return assert(after.nextAt === undefined, 'I19', () => `${what()}, and its limit is reached`)
    }
    this.#judgePassed(id, before, after, added, times, model, what)
  }

  /** Of the occurrences that are over, those that added no job were left out by the policy. */
  #judgePassed(
    id: string,
    { spec, nextAt: from = 0 }: StoredSchedule,
    after: StoredSchedule,
    added: readonly number[],
    times: Times,
    model: Records,
    what: () => string,
  ): void {
    const { clock, stats } = this.#world
    const { missed = 'last', missedMax = missedMaxDefault, overlap = 'skip' } = spec
    const { periodMs, jitterMs } = times
    const { nextAt } = after
    if (nextAt !== undefined)
      assert(times.has(nextAt) && nextAt >= from, 'I19', () => `${what()}, and comes at no time of its own`)
    const newest = times.upTo((nextAt ?? Number.POSITIVE_INFINITY) - 1)
    const passed = Math.round((newest - from) / periodMs) + 1
    const suffix = (count: number) => Array.from({ length: count }, (_, n) => newest - (count - 1 - n) * periodMs)
    const isThere = (at: number) => added.includes(at) || byId(model, jobIdOf(id, at)) !== undefined
    assert(newest <= clock.highest, 'I19', () => `${what()}, and ${newest} has not come`)
    const mayBeMissed = clock.highest - newest > missedAfterMs
    const mayBeInTime = clock.lowest - newest - jitterMs <= missedAfterMs
    const counts = new Set<number>()
    if (mayBeMissed) counts.add(missed === 'skip' ? 0 : missed === 'last' ? 1 : missedMax)
    if (mayBeInTime) counts.add(missed === 'all' ? missedMax + 1 : 1)
    const isOverlapping = overlap === 'skip' && this.#isBusy(id, model, added)
    const fits = [...counts].some((most) => {
      const count = Math.min(most, passed)
      const mayBeLeftOut = count === 1 && isOverlapping && (missed !== 'all' || mayBeInTime)
      return (mayBeLeftOut && added.length === 0) || suffix(count).every(isThere)
    })
    const isHeld = nextAt !== undefined && nextAt <= clock.highest && this.#mayBeFull(model)
    if (isHeld && !fits) {
      // It keeps its place, and those before it are added, or are too many.
      stats.count('schedules: occurrences that wait for room')
      const isWhole = added.length === passed || missed !== 'all' || added.length <= missedMax
      return assert(isWhole && suffix(added.length).every(isThere), 'I19', () => `${what()}, and the queue is full`)
    }
    const isAlone = missed !== 'all' || (passed === 1 && !mayBeMissed)
    const isBeside =
      overlap === 'skip' && isAlone && !isHeld && added.some((at) => byId(model, jobIdOf(id, at))?.state === 'blocked')
    assert(!isBeside, 'I19', () => `${what()}, and the one before has not ended`)
    assert(
      fits,
      'I19',
      () =>
        `${what()}: of ${passed} that have come, up to ${newest}, some are lost (${clock.lowest} to ${clock.highest}, ${waitingIn(model)} of ${this.#world.maxQueued} wait)`,
    )
    assert(added.length <= Math.max(...counts), 'I19', () => `${what()}: too many are made up for`)
  }

  /** What fell with a refused batch may have filled the queue. */
  #mayBeFull(model: Records): boolean {
    return waitingIn(model) >= this.#world.maxQueued || this.#world.isRefusing || this.#world.isClosing
  }

  /** Whether a job of the schedule has not ended. */
  #isBusy(id: string, model: Records, added: readonly number[]): boolean {
    for (const record of model.values()) {
      if (!isOf(record, 'schedule') || !isActive(record)) continue
      const { scheduleId, at } = occurrenceOf(record.id)
      if (scheduleId === id && at !== undefined && !added.includes(at)) return true
    }
    return false
  }

  // Batches.

  /** What must be true behind each batch: whoever waits waits for somebody. */
  judgeBatch(model: Records, rows: Rows): void {
    const leading = new Map<string, number>()
    const blocked: JobRecord[] = []
    for (const record of model.values()) {
      if (!isOf(record, 'schedule') || isTerminal(record.state)) continue
      const { scheduleId, at } = occurrenceOf(record.id)
      if (isHeldBack(record)) blocked.push(record)
      else if (at !== undefined)
        leading.set(scheduleId, Math.min(leading.get(scheduleId) ?? Number.POSITIVE_INFINITY, record.seq))
    }
    for (const { id, seq } of blocked) {
      const { scheduleId } = occurrenceOf(id)
      const isWaiting = (leading.get(scheduleId) ?? Number.POSITIVE_INFINITY) < seq && rowOf(rows, scheduleId)
      assert(
        isWaiting !== undefined && isWaiting !== false,
        'I19',
        () => `'${id}' waits for nobody: ${show(rowOf(rows, scheduleId))}`,
      )
    }
  }

  committed(steps: readonly Step[]): void {
    for (const step of steps) {
      for (const [verb, which] of this.#outcomes.get(step) ?? []) {
        if (verb === 'set') {
          assert(!this.#applied.has(which as number), 'I3', () => `\`set\` ${which} is carried out twice`)
          this.#applied.add(which as number)
        } else {
          if (verb === 'trigger') this.#triggered.add((step.after as JobRecord).id)
          this.#count(this.#done, `${verb} ${which}`, 1)
          this.#assertAsked(verb, which as string)
        }
      }
    }
  }

  // Time.

  /** No occurrence may be long overdue while there is room. */
  checkTimely(model: Records, rows: Rows): void {
    const now = this.#world.clock.now()
    const mono = this.#world.clock.elapsed
    const isFull = waitingIn(model) >= this.#world.maxQueued
    for (const { table, key, value } of rows.values()) {
      if (table !== 'schedules') continue
      const nextAt = (value as StoredSchedule).nextAt as number
      const overdue = this.#overdue.get(key)
      if (isFull || this.#comesAt(value as StoredSchedule) > now) this.#overdue.delete(key)
      else if (overdue?.at !== nextAt) this.#overdue.set(key, { at: nextAt, since: mono })
      else
        assert(
          mono - overdue.since <= latenessMs,
          'I5',
          () => `'${key}' has not come, and was due ${mono - overdue.since} ms ago`,
        )
    }
  }

  /** Whether an occurrence is due now. */
  isDue(rows: Rows): boolean {
    const now = this.#world.clock.now()
    for (const { table, value } of rows.values())
      if (table === 'schedules' && this.#comesAt(value as StoredSchedule) <= now) return true
    return false
  }

  /** When the next occurrence must have come. */
  #comesAt({ spec, setAt, isPaused, nextAt = Number.POSITIVE_INFINITY }: StoredSchedule): number {
    return isPaused ? Number.POSITIVE_INFINITY : nextAt + new Times(spec, setAt).jitterMs
  }

  forgetLateness(): void {
    this.#overdue.clear()
  }
}

const jobIdOf = (id: string, at: number): string => `${id}@${new Date(at).toISOString()}`
const factsOf = ({ count, lastAt, lastJobId }: Omit<StoredSchedule, 'spec'>) => ({ count, lastAt, lastJobId })
const timesIn = ({ cron, everyMs, startAt, endAt }: SimSpec) => [cron, everyMs, startAt, endAt]

function byId(model: Records, id: string): JobRecord | undefined {
  for (const record of model.values()) if (record.id === id) return record
  return undefined
}

function waitingIn(model: Records): number {
  let count = 0
  for (const { state } of model.values()) if (isWaiting(state)) count++
  return count
}
