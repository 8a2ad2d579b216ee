/**
 * What must be true, held against everything that a user, a thread and a disk can see.
 *
 * The store is watched: each batch is judged when it is handed over (is every move legal, in order, in time?), and what is
 * told to anybody must be in a batch that the store has said to have. What a later opening finds must be those batches.
 */
import type { Step } from '../../src/engine/steps.ts'
import { type Backoff, finishedAt, isTerminal, isWaiting, type JobRecord, type State } from '../../src/job/record.ts'
import { never } from '../../src/job/retry.ts'
import { fromThread, type SentWait } from '../../src/pool/protocol.ts'
import type { RateLimit } from '../../src/queue/rate-limit.ts'
import type { WireThrown } from '../../src/shared/error-wire.ts'
import type { OffstageError } from '../../src/shared/errors.ts'
import type { Change, Row, Store, Stored, StoreHost } from '../../src/store/store.ts'
import { isEqual, show } from './equal.ts'
import { checkRows } from './extensions.ts'
import { FamilyOracle } from './family-oracle.ts'
import { FlowOracle } from './flow-oracle.ts'
import { GroupOracle, isGrouped, lineOf } from './group-oracle.ts'
import { HistoryOracle } from './history-oracle.ts'
import { KeyOracle } from './key-oracle.ts'
import { isOf, type Tag, tagOf } from './kinds.ts'
import { OrderOracle, type OrderSettings } from './order-oracle.ts'
import { ScheduleOracle } from './schedule-oracle.ts'
import { type Options, SettingOracle } from './setting-oracle.ts'
import type { Extremes, SimClock } from './sim-clock.ts'
import { lasts, type SimTask, type SimWorker } from './sim-worker.ts'
import type { Stats } from './stats.ts'
import { TopicOracle } from './topic-oracle.ts'
import { applyTo, assert, Truth, Violation } from './truth.ts'
import { WaitOracle } from './wait-oracle.ts'

export interface Added {
  readonly tag: number
  readonly input: unknown
  readonly options: { readonly id?: string | undefined; readonly delayMs?: number; readonly priority?: number }
}

/** What can be seen of a job. */
export interface Found {
  readonly tag: Tag
  readonly state: State
  readonly priority: number
}

/** What `update` is given. */
export interface Changes {
  readonly input?: unknown
  readonly runAt?: number
  readonly priority?: number
}

type Terminal = 'completed' | 'failed' | 'cancelled'

export interface World {
  readonly clock: SimClock
  readonly stats: Stats
  readonly workers: readonly SimWorker[]
  readonly maxQueued: number
  readonly isClosing: boolean
  readonly order: OrderSettings
  readonly keep: Readonly<Record<Terminal, { readonly count: number; readonly ageMs: number }>>
}

/** How long a process must have lived before a suspect starts, and how long nothing starts beside one. */
const graceMs = 1_000
const trialMs = 5_000

/** Timers look at the wall clock at least this often. */
const latenessMs = 30_000

export class Oracle {
  readonly truth = new Truth()
  readonly waits: WaitOracle
  readonly #world: World
  violation: unknown
  /** By the tag in its input. */
  readonly adds = new Map<number, Added>()
  /** What was asked to be changed of jobs, by id, in all lives. */
  readonly updates = new Map<string, Changes[]>()
  readonly #inserted = new Set<Tag>()
  readonly #absent = new Set<Tag>()
  readonly #completed = new Set<Tag>()
  readonly #failures = new Map<Tag, number>()
  /** With those of the batch that is judged. */
  #batchFailures = new Map<Tag, number>()
  #lastBatch: readonly Step[] = []
  /** Batches that were committed in this life, and in which of them each job went that is gone. */
  batches = 0
  readonly #wentIn = new Map<string, number>()
  #seen = new Set<Step>()
  readonly #answers = new Map<string, unknown>()
  /** By what was thrown: the wait that the handler asked for with it. By job and attempt: the snoozes of handlers. */
  readonly #asked = new Map<string, number | undefined>()
  readonly #snoozes = new Map<string, number>()
  /** Of this life: which queue rests, until when, and how many batches had been handed in when it began to. */
  #rests: { readonly queue: string; readonly until: number; readonly batches: number }[] = []
  #handedIn = 0
  /** By attempt. */
  readonly #queueOf = new Map<string, string>()
  /** By tag: until when a job that has failed may start again, and when that is over by the monotonic clock. */
  readonly #windows = new Map<Tag, { readonly until: number; readonly from: number }>()
  readonly #begun = new Set<string>()
  /** Safe, and not sent: by job and attempt. What a thread has no need of yet is sent later. */
  readonly #starts = new Map<string, JobRecord>()
  /** Of this life: ids that were promoted, and removed by hand, at any time. */
  readonly promoted = new Set<string>()
  readonly removed = new Set<string>()
  readonly verbs = new Map<string, number>()
  /** In how many calls of `addMany` that are under way an id is: nobody can tell yet when these add it. */
  readonly adding = new Map<string, number>()
  /** Since the last batch. */
  areGatesTouched = false
  #released = new Set<string>()
  /** Ids of jobs that cost a thread: they let others go first for a while. */
  readonly #resting = new Set<string>()
  #deaths = 0
  #blames = 0
  /**
   * Of this life: whether a thread has shown that the module loads, or may have: one does not fail, or a job ended one so soon
   * that the next had little to show; attempts whose thread a module ended.
   */
  hasLoaded = false
  readonly #ended = new Set<string>()
  isPaused = false
  readonly settings: SettingOracle
  /** Whose condition is not met. */
  readonly unmetQueues = new Set<string>()
  /** Of the options. */
  limits: Options = {}
  /** Of this life: when attempts were sent in each queue that has a rate limit. */
  readonly #sent = new Map<string, number[]>()
  /** By attempt: under which of the rate limits of its queue it was let in; and under which the last start was told. */
  readonly #paceOf = new Map<string, number>()
  readonly #lastPaces = new Map<string, number>()
  /** The groups of attempts that have left their threads since the last batch. */
  readonly #leftLines = new Set<string | undefined>()
  /** Of jobs whose delay, or time to start or to be kept, began in this life: monotonic time, no later and no sooner than that. */
  readonly #spans = new Map<number, { readonly from: number; readonly until: number }>()
  readonly #added = new Map<number, number>()
  isStopped = false
  /** Batches that were refused since the last that was not; and those of them in which there was nothing to give up, ever. */
  refusedInARow = 0
  timesStuck = 0
  /** Batches that came back, and openings. */
  answered = 0
  /** What calls asked for that the store refused. */
  readonly #refusedCalls = new WeakSet<object>()
  hasExtensions = false
  hasSchedules = false
  hasKeys = false
  hasHistory = false
  hasFlows = false
  hasFamilies = false
  hasTopics = false
  readonly topics: TopicOracle
  readonly flows: FlowOracle
  readonly families: FamilyOracle
  readonly groups: GroupOracle
  readonly schedules: ScheduleOracle
  readonly keys: KeyOracle
  readonly history: HistoryOracle
  readonly #order: OrderOracle
  readonly #refusedBumps = new Set<string>()
  readonly #overdue = new Map<number, number>()
  /** By `seq`: what ran when the process before ended, and has not been counted; when, at the earliest, each attempt was started. */
  readonly #inherited = new Set<number>()
  readonly #startedAt = new Map<number, number>()
  #openedAt = 0
  /** The clock's, before they were last reset. */
  #extremesBefore: Extremes | undefined

  constructor(world: World) {
    this.#world = world
    this.waits = new WaitOracle(world)
    const { clock, stats, maxQueued } = world
    const oracle = this
    this.settings = new SettingOracle(stats)
    this.keys = new KeyOracle({ clock, stats })
    this.history = new HistoryOracle(stats)
    this.topics = new TopicOracle(clock, stats)
    this.flows = new FlowOracle(stats, this.removed, this.#inserted)
    this.families = new FamilyOracle(stats)
    this.#order = new OrderOracle(world.order, clock, stats)
    this.groups = new GroupOracle({
      stats,
      order: this.#order,
      settings: this.settings,
      mayRest: (line) => this.#mayRest(line),
      isHeld: (record) => this.#isHeld(record),
      onThreads: () => [...this.#leftLines, ...this.#linesOnThreads()],
    })
    this.schedules = new ScheduleOracle({
      clock,
      stats,
      maxQueued,
      get isRefusing() {
        return oracle.refusedInARow > 0
      },
      get isClosing() {
        return world.isClosing
      },
    })
  }

  /** A call may change a job of its key: which, only the engine knows. */
  touchedKeys(): void {
    for (const record of this.truth.records.values())
      if (isOf(record, 'key')) this.verbs.set(record.id, (this.verbs.get(record.id) ?? 0) + 1)
  }

  /** Said to be counted; or refused, so that it never may be. */
  bumped(key: string): void {
    const isCounted = this.truth.rows.has(`tally/${key}`)
    assert(isCounted || this.isStopped, 'I1', () => `'${key}' is said to be counted, and is not`)
    this.#world.stats.count('turns acknowledged')
  }

  notBumped(key: string, isRefusable: boolean, error: unknown): void {
    const { code, message } = error as OffstageError
    if (!isRefusable || this.isStopped || code !== 'STORE_WRITE_FAILED') return
    // It is counted, and what else the command has seen is not committed.
    if (message.startsWith('The change is not stored yet')) return
    this.#world.stats.count('turns refused')
    assert(!this.truth.rows.has(`tally/${key}`), 'I6', () => `'${key}' is refused, and is counted`)
    this.#refusedBumps.add(key)
  }

  guard(act: () => void): void {
    try {
      act()
    } catch (error) {
      this.violation ??= error
    }
  }

  /** A process is gone, or ended. What it held in memory is gone with it. */
  newLife(options: Options): void {
    this.#lastBatch = []
    this.batches = 0
    this.#wentIn.clear()
    this.#seen = new Set()
    this.#answers.clear()
    this.#asked.clear()
    this.#snoozes.clear()
    this.#rests = []
    this.#queueOf.clear()
    this.#windows.clear()
    this.#begun.clear()
    this.#starts.clear()
    this.promoted.clear()
    this.removed.clear()
    this.verbs.clear()
    this.adding.clear()
    this.#released.clear()
    this.#resting.clear()
    this.#overdue.clear()
    this.#inherited.clear()
    this.#startedAt.clear()
    this.hasLoaded = false
    this.#ended.clear()
    this.areGatesTouched = true
    this.isPaused = false
    this.settings.newLife(options)
    this.limits = options
    this.groups.forget()
    this.#paceOf.clear()
    this.#lastPaces.clear()
    this.#sent.clear()
    this.#spans.clear()
    this.#added.clear()
    this.isStopped = false
    this.refusedInARow = 0
    this.#extremesBefore = this.#world.clock.resetExtremes()
    this.schedules.newLife()
    this.keys.newLife()
  }

  byId(id: string): JobRecord | undefined {
    for (const record of this.truth.records.values()) if (record.id === id) return record
    return undefined
  }

  // The store.

  recovered(stored: Stored): void {
    const { records } = stored
    this.truth.recovered(stored)
    this.answered++
    this.#openedAt = this.#world.clock.elapsed
    // From here on a record is known by its identity.
    this.truth.records = new Map(records.map((record) => [record.seq, record]))
    for (const key of this.#refusedBumps)
      assert(!this.truth.rows.has(`tally/${key}`), 'I6', () => `'${key}' was refused, and is counted`)
    const ids = new Set<string>()
    for (const record of records) {
      if (record.state === 'running') this.#inherited.add(record.seq)
      assert(!ids.has(record.id), 'I3', () => `two jobs are called '${record.id}'`)
      ids.add(record.id)
      const tag = tagOf(record)
      assert(this.#isAsAdded(record) || this.#isUpdatedTo(record), 'I1', () => `job '${record.id}' has another input`)
      assert(!this.#absent.has(tag), 'I6', () => `job '${record.id}' is there, and its add was refused`)
      this.#inserted.add(tag)
      const isAsTold = record.state === 'completed' || !this.#completed.has(tag)
      assert(isAsTold, 'I2', () => `'${record.id}' was completed, and is ${record.state}`)
      if (record.state === 'completed') this.#completed.add(tag)
      this.#failures.set(tag, record.failures)
      const until = mayRunOut(record) ? record.expiresAt : undefined
      if (until !== undefined) this.#windows.set(tag, { until, from: Number.POSITIVE_INFINITY })
    }
    this.settings.recovered(this.truth.rows)
    this.keys.recovered(this.truth.records)
    this.topics.recovered(this.truth.records)
    this.schedules.recovered(this.truth.rows)
    if (this.hasHistory) this.history.recovered(this.truth.rows)
  }

  /** Whether its input is what somebody has given it. */
  #isAsAdded(record: JobRecord): boolean {
    if (isOf(record, 'key')) return this.keys.knows(record)
    if (isOf(record, 'schedule')) return this.schedules.knows(record)
    if (isOf(record, 'topic')) return this.topics.knows(record)
    return isEqual(this.adds.get(tagOf(record) as number)?.input, record.input)
  }

  committing(steps: readonly Step[]): void {
    const model = new Map(this.truth.records)
    const rows = new Map(this.truth.rows)
    this.truth.begin(steps)
    this.#batchFailures = new Map()
    this.#judgeCalls(steps)
    for (const step of steps) {
      try {
        this.#judge(step, model, steps)
        if (this.hasSchedules) this.#judgeSchedules(step, model, rows)
        if (this.hasTopics) this.topics.judge(step, model, rows)
        if (this.hasFlows && !this.#seen.has(step)) this.flows.judge(step, model, steps)
        if (this.hasFamilies) this.#judgeFamilies(step, model)
      } catch (error) {
        const batch = steps.flatMap(({ type, before, after }) =>
          type === 'turn' || type === 'setting'
            ? []
            : `${type} ${(after ?? before)?.id} p${after?.priority} ${(after ?? before)?.queue}`,
        )
        ;(error as Error).message += `; the batch: ${batch.join(', ')}`
        throw error
      }
      applyTo(model, [step], rows)
      this.#count(step, this.#batchFailures)
    }
    if (this.hasExtensions) checkRows(model.values(), rows.values())
    if (this.hasSchedules) this.schedules.judgeBatch(model, rows)
    if (this.hasKeys) this.keys.judgeBatch(model, rows)
    if (this.hasHistory) this.history.judgeBatch(model, rows)
    if (this.hasFlows) this.flows.judgeBatch(steps, model, this.truth.rows, rows)
    if (this.hasFamilies) this.families.judgeBatch(model)
    for (const step of steps) this.#seen.add(step)
    this.areGatesTouched = false
    this.#released.clear()
    this.#leftLines.clear()
    this.#deaths = 0
    this.#blames = 0
    this.#handedIn++
    this.#extremesBefore = this.#world.clock.resetExtremes()
  }

  #judgeSchedules(step: Step, model: Map<number, JobRecord>, rows: Map<string, Row>): void {
    const { type, after } = step
    if (type === 'turn') this.schedules.judgeTurn(step, model, rows)
    else if (type === 'insert' && after && isOf(after, 'schedule')) this.schedules.judgeInsert(step, after, model, rows)
  }

  #judgeFamilies(step: Step, model: Map<number, JobRecord>): void {
    const { type, after } = step
    // What a call has done to it may be over by the time that it resolves.
    if (type === 'retry' && after && isOf(after, 'child')) this.verbs.set(after.id, (this.verbs.get(after.id) ?? 0) + 1)
    this.families.judge(step, model)
  }

  /** What one call asks for is done whole, or not at all. */
  #judgeCalls(steps: readonly Step[]): void {
    for (const { type, call, before } of steps) {
      const { id } = before ?? {}
      // Jobs with keys have another id; see `judgeReplaced`.
      const isReplaced =
        type !== 'replaced' ||
        (before && isOf(before, 'key')) ||
        steps.some((other) => other.type === 'insert' && other.after?.id === id)
      assert(isReplaced, 'I14', () => `'${id}' goes without what was to replace it`)
      const isRefused = call !== undefined && this.#refusedCalls.has(call)
      assert(!isRefused, 'I14', () => `${type} of '${id}' was for a call that was refused`)
    }
  }

  committed(steps: readonly Step[]): void {
    this.refusedInARow = 0
    this.answered++
    this.truth.done()
    this.#lastBatch = steps
    this.batches++
    this.#seen.clear()
    for (const { type, before, after } of steps) {
      if (before && !after) this.#wentIn.set(before.id, this.batches)
      if (type === 'insert' && after) this.#inserted.add(tagOf(after))
      if (type === 'start' && after) this.#starts.set(keyOf(after), after)
      if (type === 'start' && after) this.#queueOf.set(keyOf(after), lineOf(after))
      // Whatever else becomes of a job that runs: that attempt has no right to begin any more.
      else if (before?.state === 'running' && after?.state !== 'running')
        this.#starts.delete(`${tagOf(before)}/${before.attempt}`)
    }
    for (const [tag, count] of this.#batchFailures) this.#failures.set(tag, count)
    if (this.hasHistory) this.history.committed(steps)
    if (this.hasTopics) this.topics.committed(steps)
    if (this.hasKeys) this.keys.committed(steps, this.batches, this.truth.records)
    if (this.hasSchedules) this.schedules.committed(steps)
  }

  #failuresOf(tag: Tag): number {
    return this.#batchFailures.get(tag) ?? this.#failures.get(tag) ?? 0
  }

  #count({ type, before }: Step, counts: Map<Tag, number>): void {
    if (!before) return
    if (type === 'fail') counts.set(tagOf(before), this.#failuresOf(tagOf(before)) + 1)
    if (type === 'retry') counts.set(tagOf(before), 0)
  }

  stopped({ code, message }: OffstageError): void {
    this.isStopped = true
    this.guard(() =>
      assert(code !== 'STORE_LOCKED', 'I10', () => `somebody else is said to have written, and nobody did: ${message}`),
    )
  }

  refused(steps: readonly Step[]): void {
    this.refusedInARow++
    this.groups.forget()
    // What had come about by then, and fell with the batch, is done anew.
    if (this.#extremesBefore) this.#world.clock.takeBackReset(this.#extremesBefore)
    this.answered++
    if (steps.every(({ call }) => !call)) this.timesStuck++
    for (const { call } of steps) if (call) this.#refusedCalls.add(call)
    if (!this.isStopped) this.truth.refused()
  }

  // One move.

  #judge(step: Step, model: Map<number, JobRecord>, steps: readonly Step[]): void {
    const { type, before, after } = step
    if (type === 'turn' || type === 'setting') return
    const { seq, id } = (after ?? before) as JobRecord
    const current = model.get(seq)
    const what = () => `${type} of '${id}' (${before?.state} → ${after?.state})`
    assert(current === before, 'I3', () => `${what()} does not follow ${show(current)} but ${show(before)}`)
    if (after && !this.#seen.has(step)) this.#noteSpans(before, after, type)
    if (type === 'insert') return this.#judgeInsert(after as JobRecord, model)
    if (!before) throw new Violation('I3', what())
    if (!after) {
      if (type === 'replaced' && isOf(before, 'key')) return this.keys.judgeReplaced(step, steps)
      if (type === 'replaced' && isOf(before, 'child')) return this.families.judgeReplaced(before, steps)
      return this.#seen.has(step) ? undefined : this.#judgeRemoval(before, model)
    }
    const moved = after
    const isUpdate = type === 'update'
    const isKeyed = isOf(before, 'key')
    const hasInput = moved.input === before.input || (isUpdate && (isKeyed || this.#isUpdatedTo(moved)))
    // Also of one that was added in this very batch, which no call that filters can be known to meet.
    if (isKeyed && type === 'retry') this.keys.retried(id)
    if (isKeyed && moved.input !== before.input) this.keys.judgeUpdate(before, moved)
    assert(moved.id === id && moved.seq === before.seq && hasInput, 'I1', what)
    const isUntried = isUpdate && before.attempt === 0 && before.failures === 0
    assert(
      type === 'due' || type === 'unblock' || isUntried || moved.dueAt === before.dueAt,
      'I7',
      () => `${what()} has another place in line`,
    )
    assert(
      type === 'prioritize' || isUpdate || moved.priority === before.priority,
      'I7',
      () => `${what()} has another priority`,
    )
    assert(
      !isTerminal(before.state) || type === 'retry' || type === 'mark',
      'I3',
      () => `${what()} changes what has ended`,
    )
    assert(before.state !== 'completed' || type === 'mark', 'I2', what)
    const isNew = !this.#seen.has(step)
    if (type !== 'start') this.groups.moved(before)
    else if (isNew) this.#paceOf.set(keyOf(moved), this.areGatesTouched ? -1 : this.settings.paceOf(lineOf(moved)))
    this.waits.judge(step, before, moved, keyOf(before), !isNew || this.promoted.has(id), what)
    this.#judgeMove(step, before, moved, model, isNew, what)
  }

  #noteSpans(before: JobRecord | undefined, record: JobRecord, type: Step['type']): void {
    const { seq, runAt, addedAt, rules, state } = record
    const { elapsedAtReset, elapsed } = this.#world.clock
    if (type === 'insert') this.#added.set(seq, elapsedAtReset)
    // A moment that was given goes by the wall clock.
    if (type === 'update' && before?.runAt !== runAt) this.#spans.delete(seq)
    const isPutOff = (type === 'fail' || type === 'snooze' || type === 'wait') && state === 'scheduled'
    const waitMs = () =>
      type === 'fail'
        ? this.#waitOf(record, rules.backoff)
        : type === 'wait'
          ? this.waits.spanOf(keyOf(record))
          : this.#snoozes.get(keyOf(record))
    const spanMs = isTerminal(state) ? 0 : isPutOff ? (waitMs() as number) : (runAt ?? addedAt) - addedAt
    if (type === 'insert' || isPutOff || isTerminal(state))
      this.#spans.set(seq, { from: elapsedAtReset + spanMs, until: elapsed + spanMs })
  }

  #judgeMove(
    step: Step,
    before: JobRecord,
    after: JobRecord,
    model: Map<number, JobRecord>,
    isNew: boolean,
    what: () => string,
  ): void {
    const { clock } = this.#world
    const key = keyOf(before)
    if (isNew) this.#judgeCrashes(step.type, before, after, what)
    // Whoever waits has not failed, as one that snoozes.
    if (isNew && step.type === 'wait') this.#windows.delete(tagOf(before))
    switch (step.type) {
      case 'start':
        assert(before.state === 'queued' && after.state === 'running', 'I3', what)
        assert(
          after.attempt === before.attempt + 1,
          'I13',
          () => `${what()}: attempt ${before.attempt} is followed by ${after.attempt}`,
        )
        assert(
          this.#failuresOf(tagOf(before)) < before.rules.attempts,
          'I13',
          () => `${what()}: all attempts are used up`,
        )
        if (isNew) this.#judgeStart(before, model, what)
        if (isNew) this.#startedAt.set(before.seq, clock.elapsedAtReset)
        this.#resting.delete(before.id)
        return
      case 'complete':
        assert(before.state === 'running', 'I4', what)
        assert(
          this.#answers.has(key) && this.#answers.get(key) === after.result,
          'I4',
          () => `${what()} with a result that no handler returned in attempt ${before.attempt}: ${show(after.result)}`,
        )
        return
      case 'fail':
        assert(!this.#snoozes.has(key) || isUnstorable(after), 'I13', () => `${what()}, and its handler has put it off`)
        return this.#judgeFailure(before, after, isNew, what)
      case 'snooze':
        return this.#judgeSnooze(before, after, isNew, what)
      case 'interrupt':
        assert(after.failures === before.failures, 'I13', () => `${what()} uses up an attempt`)
        assert(
          after.interruptions === before.interruptions || this.#deaths > 0 || !isNew,
          'I13',
          () => `${what()} is blamed for a death that was none`,
        )
        if (after.interruptions > before.interruptions) this.#resting.add(before.id)
        if (isNew && after.interruptions > before.interruptions) this.#blames++
        assert(
          this.#blames <= this.#deaths,
          'I13',
          () => `${what()}: ${this.#blames} jobs are blamed for ${this.#deaths} deaths`,
        )
        assert(
          (after.state === 'failed') === after.interruptions >= 3,
          'I13',
          () => `${what()} with ${after.interruptions} interruptions`,
        )
        assert(
          after.state !== 'failed' || this.hasLoaded || !this.#ended.has(key),
          'I13',
          () => `${what()}, and the module has ended its thread`,
        )
        return
      case 'crash':
        return assert(after.failures === before.failures, 'I13', () => `${what()} uses up an attempt`)
      case 'release':
        assert(!this.#begun.has(key), 'I13', () => `${what()} as if it had never begun`)
        this.#recall(tagOf(before), before.attempt)
        assert(after.state === 'queued' && after.attempt === before.attempt - 1, 'I13', what)
        return
      case 'expire':
        assert(after.state === 'failed' && isWaiting(before.state), 'I7', what)
        if (before.attempt > 0) return this.#judgeRunOut(before, after, isNew, what)
        assert(
          before.attempt === 0 &&
            (!isNew ||
              (before.expiresAt ?? Number.POSITIVE_INFINITY) <= clock.highest ||
              this.#addedFor(before) >= (before.expiresAt as number) - before.addedAt),
          'I7',
          () => `${what()} before its time`,
        )
        return
      case 'due': {
        const isOver = (this.#spans.get(before.seq)?.from ?? Number.POSITIVE_INFINITY) <= clock.elapsed
        const isDue = (before.runAt as number) <= clock.highest || isOver || this.promoted.has(before.id) || !isNew
        assert(
          before.state === 'scheduled' && isDue,
          'I7',
          () => `${what()} before its time: ${before.runAt}, ${clock.highest}`,
        )
        return
      }
      case 'unblock':
        this.#world.stats.count('unblocked with the end of another')
        return assert(before.state === 'blocked' && isWaiting(after.state), 'I3', what)
      case 'update': {
        const mayBeDue = this.#changesOf(before).some(({ runAt }) => (runAt ?? Infinity) <= clock.highest) || !isNew
        const isSame = after.state === before.state && after.runAt === before.runAt
        const isBlocked = before.state === 'blocked' && after.state === 'blocked'
        const isLater = after.state === 'scheduled' && (after.runAt as number) > clock.lowest
        assert(isWaiting(before.state), 'I3', what)
        assert(
          isSame || isBlocked || isLater || !isNew || (after.state === 'queued' && mayBeDue),
          'I7',
          () => `${what()} in time`,
        )
        return
      }
      case 'retry':
        assert(before.state === 'failed' || before.state === 'cancelled', 'I3', what)
        if (isNew) this.#windows.delete(tagOf(before))
        return
      case 'cancel':
        return assert(after.state === 'cancelled', 'I3', what)
      case 'checkpoint':
      case 'step':
        return assert(before.state === 'running', 'I3', what)
    }
  }

  #changesOf(record: JobRecord): readonly Changes[] {
    return this.updates.get(record.id) ?? []
  }

  #isUpdatedTo(record: JobRecord): boolean {
    return this.#changesOf(record).some(({ input }) => input !== undefined && isEqual(input, record.input))
  }

  /** A start that ended with its process is counted once; what shows that the process lives on takes all of it back. */
  #judgeCrashes(type: Step['type'], before: JobRecord, after: JobRecord, what: () => string): void {
    const { clock, stats } = this.#world
    const isOwnMaking = after.interruptions > before.interruptions
    const isCleared = ['complete', 'fail', 'snooze', 'wait', 'acquit', 'retry'].includes(type) || isOwnMaking
    const crashes = type === 'crash' ? before.crashes + 1 : isCleared ? 0 : before.crashes
    assert(after.crashes === crashes, 'I13', () => `${what()}: ${after.crashes} crashes are counted, not ${crashes}`)
    const isInherited = this.#inherited.delete(before.seq)
    assert(
      isInherited === (type === 'crash'),
      'I13',
      () => `${what()}: its process ${isInherited ? '' : 'never '}ended`,
    )
    if (type === 'crash') {
      const isPoisoned = after.state === 'failed' && (after.error as OffstageError).code === 'JOB_POISONED'
      assert(isPoisoned === crashes >= 3, 'I13', () => `${what()} with ${crashes} crashes`)
      if (isPoisoned) stats.count('poisoned by the ends of their process')
    }
    if (type !== 'acquit') return
    stats.count('acquitted after a while')
    const ranMs = clock.elapsed - (this.#startedAt.get(before.seq) as number)
    assert(ranMs >= trialMs && before.crashes > 0, 'I13', () => `${what()} after ${ranMs} ms`)
  }

  /** Nothing starts beside a suspect, nor does one beside what has just started. */
  #judgeTrial(before: JobRecord, model: Map<number, JobRecord>, what: () => string): void {
    const { clock, stats } = this.#world
    for (const other of model.values()) {
      if (other.state !== 'running') continue
      assert(other.crashes === 0, 'I13', () => `${what()} while '${other.id}' is on trial`)
      const ranMs = clock.elapsed - (this.#startedAt.get(other.seq) as number)
      const isAlone = before.crashes === 0 || ranMs >= trialMs
      assert(isAlone, 'I13', () => `${what()}, a trial, beside '${other.id}', which has run for ${ranMs} ms`)
    }
    if (before.crashes === 0) return
    stats.count('trials')
    const livedMs = clock.elapsed - this.#openedAt
    assert(livedMs >= graceMs, 'I13', () => `${what()}, a trial, ${livedMs} ms after the opening`)
  }

  /** So long ago it was added, if that was in this life. */
  #addedFor({ seq }: JobRecord): number {
    return this.#world.clock.elapsed - (this.#added.get(seq) ?? Number.POSITIVE_INFINITY)
  }

  /** An attempt is on its way to a thread. */
  /** A start is told, right after it was sent. */
  sent(jobId: string, attempt: number): void {
    const record = this.byId(jobId)
    if (!record) return
    const line = lineOf(record)
    const pace = this.settings.paceOf(line)
    const rateLimit =
      isGrouped(record.queue) && record.group === undefined ? undefined : this.settings.rateLimitOf(line)
    // Without a limit nothing counts, and a bucket is filled anew.
    const isNew = this.#lastPaces.get(line) !== pace
    this.#lastPaces.set(line, pace)
    if (!rateLimit || (isNew && rateLimit.type === 'token-bucket')) this.#sent.delete(line)
    if (!rateLimit) return
    this.#world.stats.count(`starts under a rate limit${record.queue === line ? '' : ' of a group'}`)
    // Whoever was let in before the limit was there counts for it, and may be one too many.
    const isJudged = this.#paceOf.get(`${tagOf(record)}/${attempt}`) === pace
    this.#judgeSent(line, rateLimit, isJudged)
  }

  #judgeSent(
    line: string,
    { type, limit, intervalMs, burst = limit, minGapMs = 0 }: RateLimit,
    isJudged: boolean,
  ): void {
    const now = this.#world.clock.elapsed
    const sent = this.#sent.get(line) ?? []
    const what = () => `the starts in '${line}' at ${sent.join(', ')} and ${now}`
    const isApart = now - (sent.at(-1) ?? Number.NEGATIVE_INFINITY) >= minGapMs
    assert(isApart || !isJudged, 'I7', () => `${what()}, ${minGapMs} ms apart`)
    sent.push(now)
    this.#sent.set(line, sent)
    // Where fixed windows begin cannot be seen. In two that touch are no more than twice the limit.
    const perSpan = type === 'fixed-window' ? 2 * limit : limit
    const isBucket = type === 'token-bucket'
    for (const [index, from] of sent.entries()) {
      const mayBe = isBucket ? burst + ((now - from) * limit) / intervalMs + 1e-6 : perSpan
      const isInSpan = isBucket || now < from + intervalMs
      assert(!isJudged || !isInSpan || sent.length - index <= mayBe, 'I7', () => `${what()}: more than ${mayBe}`)
    }
    if (sent.length > 50) sent.shift()
  }

  #judgeInsert(after: JobRecord, model: Map<number, JobRecord>): void {
    const tag = tagOf(after)
    assert(this.#isAsAdded(after), 'I1', () => `job '${after.id}' is stored, and nobody added it with its input`)
    if (isOf(after, 'key')) this.keys.judgeInsert(after, model)
    assert(!this.#absent.has(tag), 'I6', () => `job '${after.id}' is stored, and its add was refused`)
    assert(!this.#inserted.has(tag), 'I3', () => `job '${after.id}' is stored twice`)
    for (const { id, seq } of model.values()) {
      assert(id !== after.id, 'I3', () => `a second job '${id}'`)
      assert(seq < after.seq, 'I7', () => `job '${after.id}' stands before '${id}', which was there`)
    }
  }

  #judgeRemoval(before: JobRecord, model: Map<number, JobRecord>): void {
    if (this.removed.has(before.id)) return
    const { state, rules, id } = before
    assert(isTerminal(state), 'I1', () => `job '${id}' is removed while ${state}`)
    const { clock, keep } = this.#world
    const { count, ageMs } = keep[state as Terminal]
    const { keepMs } = rules
    const isOver =
      (this.#spans.get(before.seq)?.from ?? Number.POSITIVE_INFINITY) + (keepMs ?? Infinity) <= clock.elapsed
    const isOld = keepMs === 0 || isOver || (finishedAt(before) as number) + (keepMs ?? ageMs) <= clock.highest
    let others = 0
    for (const record of model.values()) if (record.state === state) others++
    assert(
      isOld || others > count,
      'I1',
      () =>
        `job '${id}', ${state}, is removed before its time: ${others} of ${count}, ${show(rules.keepMs)}, ${finishedAt(before)} + ${ageMs}, ${clock.highest}`,
    )
    this.#world.stats.count('let go by retention')
  }

  #judgeFailure(before: JobRecord, after: JobRecord, isNew: boolean, what: () => string): void {
    const { stats, clock } = this.#world
    const { attempts, retryForMs } = before.rules
    const tag = tagOf(before)
    const failures = this.#failuresOf(tag) + 1
    assert(after.failures === failures, 'I13', () => `${what()}: ${failures} failures, recorded are ${after.failures}`)
    const askedMs = this.#asked.get(textOf(after.error))
    if (askedMs === never) stats.count('failed for good by a handler')
    assert(after.state === 'failed' || askedMs !== never, 'I13', () => `${what()}, and its handler wants no more`)
    if (after.state !== 'failed') assert(failures < attempts, 'I13', () => `${what()}: all attempts are used up`)
    const waitMs = this.#waitOf(after, before.rules.backoff)
    const { lowest, highest } = clock
    if (isNew && retryForMs !== undefined && (failures === 1 || !this.#windows.has(tag))) {
      const until = before.addedAt + (before.startMs ?? 0) + retryForMs
      this.#windows.set(tag, { until, from: clock.elapsedAtReset + until - highest })
    }
    const until = isNew ? (this.#windows.get(tag)?.until ?? Number.POSITIVE_INFINITY) : Number.POSITIVE_INFINITY
    if (after.state === 'failed') {
      const isFinal = askedMs === never || isUnstorable(after) || isFallen(after) || failures >= attempts
      // How long a random wait would have been, nobody knows.
      const longestMs = isDecorrelated(before.rules.backoff) && askedMs === undefined ? 2_000 : waitMs
      const isOver = highest + longestMs > until || !isNew
      if (!isFinal && isNew) stats.count('no time left for another attempt')
      assert(isFinal || isOver, 'I13', () => `${what()}: attempts are left (${failures} of ${attempts})`)
      return
    }
    if (!isNew || this.#seen.size > 0) return
    if (askedMs !== undefined) stats.count('tried again when a handler asked for it')
    assert(lowest + waitMs <= until, 'I7', () => `${what()} beyond ${until}, when its time for retries is over`)
    this.#judgeWait(after, waitMs, what)
    const { backoff } = before.rules
    if (!isDecorrelated(backoff) || askedMs !== undefined) return
    const { delayMs, maxMs = 0, lastMs = delayMs } = backoff as { delayMs: number; maxMs?: number; lastMs?: number }
    const mostMs = Math.min(3 * (failures === 1 ? delayMs : lastMs), maxMs)
    assert(
      waitMs >= delayMs && waitMs <= mostMs,
      'I7',
      () => `${what()} waits ${waitMs} ms, not ${delayMs} to ${mostMs}`,
    )
  }

  /** The wait that follows from what was thrown, or else from the back-off. */
  #waitOf({ error, failures, rules }: JobRecord, backoff: Backoff | undefined): number {
    const askedMs = this.#asked.get(textOf(error))
    if (askedMs !== undefined) return askedMs
    if (!backoff) return 0
    if (!('type' in backoff)) return backoff[Math.min(failures, backoff.length) - 1] as number
    const { delayMs } = backoff as { delayMs: number }
    return isDecorrelated(backoff) ? ((rules.backoff as { lastMs?: number }).lastMs ?? delayMs) : delayMs
  }

  #judgeWait({ state, runAt = 0 }: JobRecord, waitMs: number, what: () => string): void {
    const { lowest, highest } = this.#world.clock
    const isThen = runAt >= lowest + waitMs && runAt <= highest + waitMs
    assert(
      waitMs > 0 ? state === 'scheduled' && isThen : state === 'queued',
      'I7',
      () => `${what()}: it does not wait ${waitMs} ms`,
    )
  }

  #judgeSnooze(before: JobRecord, after: JobRecord, isNew: boolean, what: () => string): void {
    const ms = this.#snoozes.get(keyOf(before))
    assert(ms !== undefined && before.state === 'running', 'I13', () => `${what()}, which its handler never asked for`)
    assert(
      after.failures === before.failures && after.attempt === before.attempt,
      'I13',
      () => `${what()} uses up an attempt`,
    )
    const isKept = after.checkpoint === before.checkpoint && after.steps === before.steps
    assert(isKept, 'I1', () => `${what()} loses what was kept`)
    if (isNew) this.#windows.delete(tagOf(before))
    if (!isNew || this.#seen.size > 0) return
    this.#world.stats.count('snoozed')
    this.#judgeWait(after, ms, what)
  }

  /** The time for retries is over, and no other attempt has started. */
  #judgeRunOut(before: JobRecord, after: JobRecord, isNew: boolean, what: () => string): void {
    const { clock, stats } = this.#world
    assert(before.error === undefined || after.error === before.error, 'I4', () => `${what()} with another error`)
    // In a batch that is handed in again, a retry by hand may follow, which has begun the time anew.
    if (!isNew) return
    const window = this.#windows.get(tagOf(before))
    assert(window !== undefined, 'I7', () => `${what()}, and it may start again`)
    const isOver = window.until <= clock.highest || window.from <= clock.elapsed
    assert(isOver, 'I7', () => `${what()} before ${window.until}`)
    stats.count('no attempt in the time for retries')
  }

  /** What is in this batch was decided after the last one was handed in. A rest that is over by now may not have been then. */
  #judgeRest(record: JobRecord, what: () => string): void {
    const { elapsed, elapsedAtReset } = this.#world.clock
    this.#rests = this.#rests.filter(({ until }) => until >= elapsedAtReset)
    for (const rest of this.#rests) {
      const isOver = rest.until <= elapsed || rest.batches === this.#handedIn
      assert(rest.queue !== lineOf(record) || isOver, 'I7', () => `${what()} while its queue or group rests`)
    }
    if (this.#rests.length > 0) this.#world.stats.count('starts while another queue rests')
  }

  #mayRest(queue: string): boolean {
    return this.#rests.some((rest) => rest.queue === queue)
  }

  #judgeStart(before: JobRecord, model: Map<number, JobRecord>, what: () => string): void {
    const { clock } = this.#world
    const hasExpired = before.attempt === 0 && before.expiresAt !== undefined && before.expiresAt <= clock.lowest
    assert(!hasExpired, 'I7', () => `${what()} after it expired`)
    const { until = Number.POSITIVE_INFINITY } = this.#windows.get(tagOf(before)) ?? {}
    assert(until > clock.lowest, 'I7', () => `${what()} after ${until}, when its time for retries was over`)
    assert(!this.#completed.has(tagOf(before)), 'I2', () => `${what()} after it was completed`)
    this.#judgeTrial(before, model, what)
    this.#judgeRest(before, what)
    if (this.areGatesTouched) return this.groups.forget()
    const { settings } = this
    assert(!this.isPaused && !settings.isPaused(before.queue), 'I7', () => `${what()} while paused`)
    assert(!this.unmetQueues.has(before.queue), 'I7', () => `${what()} while its condition is not met`)
    const limit = settings.limitOf(before.queue)
    let running = 0
    this.groups.started(before, model, what)
    for (const other of model.values()) {
      if (other.state === 'running' && other.queue === before.queue) running++
      if (other.state !== 'queued' || other === before || !this.#order.isAhead(other, before)) continue
      // Groups take turns, so only jobs of one group can be compared.
      const isComparable =
        lineOf(other) === lineOf(before) ||
        (!isGrouped(other.queue) &&
          !isGrouped(before.queue) &&
          this.limits[other.queue] === undefined &&
          !settings.isPaused(other.queue) &&
          !this.#mayRest(other.queue))
      // Suspects and others let each other go first.
      const isOther = other.crashes > 0 !== before.crashes > 0
      if (!isComparable || isOther || this.#isHeld(other)) continue
      throw new Violation(
        'I7',
        `${what()} although '${other.id}' (${other.priority}, ${other.dueAt}, ${other.seq}) is ahead of (${before.priority}, ${before.dueAt}, ${before.seq})`,
      )
    }
    assert(running < limit, 'I7', () => `${what()}: ${running} run in '${before.queue}', whose limit is ${limit}`)
  }

  /** An earlier attempt is on a thread still, or was a moment ago; or it rests. */
  #isHeld(record: JobRecord): boolean {
    if (this.#released.has(record.id) || this.#resting.has(record.id)) return true
    return this.#world.workers.some(
      (worker) => !worker.isDead && !worker.isClosing && [...worker.known.values()].some(({ id }) => id === record.id),
    )
  }

  *#linesOnThreads(): Iterable<string | undefined> {
    for (const worker of this.#world.workers)
      if (!worker.isDead && !worker.isClosing)
        for (const task of worker.known.values()) yield this.#queueOf.get(`${tagOf(task)}/${task.attempt}`)
  }

  // The threads.

  ran(task: SimTask): void {
    const { id, attempt } = task
    const key = `${tagOf(task)}/${attempt}`
    const start = this.#starts.get(key)
    if (!start) throw new Violation('I4', `attempt ${attempt} of '${id}' is sent before its start is safe`)
    this.#starts.delete(key)
    this.#order.ran(task, start, this.#world.workers)
    const { input, checkpoint, steps, rules } = start
    assert(!this.#completed.has(tagOf(start)), 'I2', () => `'${id}' is run again after it was completed`)
    assert(isEqual(task.input, input), 'I1', () => `'${id}' is run with another input`)
    const { parents, parentErrors, ...resume } = (
      task.resume === 0 ? { checkpoint: undefined, steps: undefined } : task.resume
    ) as {
      readonly parents?: unknown
      readonly parentErrors?: unknown
    }
    if (this.hasFlows) this.flows.judgeParents(start, parents, (each) => this.byId(each))
    assert(
      isEqual(resume, { checkpoint, steps, ...(rules.headers && { headers: rules.headers }) }),
      'I1',
      () => `'${id}' resumes from ${show(task.resume)}, not from ${show({ checkpoint, steps })}`,
    )
    for (const other of this.#world.workers) {
      if (other.isDead || other.isClosing) continue
      for (const rival of other.known.values()) {
        const isRival = rival !== task && !rival.isOver && other.mayRun(rival) && rival.id === id
        assert(!isRival, 'I2', () => `attempts ${rival.attempt} and ${attempt} of '${id}' are both on threads`)
      }
    }
    this.#begun.delete(key)
  }

  /** An attempt that was sent is no more. */
  #recall(tag: Tag, attempt: number): void {
    for (const { known } of this.#world.workers) {
      for (const task of known.values()) if (tagOf(task) === tag && task.attempt === attempt) task.isRecalled = true
    }
  }

  claimed(task: SimTask): void {
    assert(!task.isRecalled, 'I2', () => `attempt ${task.attempt} of '${task.id}' begins, and it was taken back`)
  }

  heard(task: SimTask, message: readonly unknown[]): void {
    const key = `${tagOf(task)}/${task.attempt}`
    const operation = message[0] as number
    if (operation === fromThread.begun) this.#begun.add(key)
    if (operation === fromThread.done) this.#answers.set(key, message[3])
    if (operation === fromThread.failed) this.#asked.set(textOfWire(message[3] as WireThrown), message[4] as number)
    if (operation === fromThread.snoozed && !task.isStale) this.#snoozes.set(key, message[2] as number)
    if (operation === fromThread.waiting && !task.isStale) this.waits.heard(key, message[2] as readonly SentWait[])
    if (operation === fromThread.rateLimited) this.#rest(task, message[2] as number)
    if (lasts.includes(operation)) this.#released.add(task.id)
    if (lasts.includes(operation)) this.#leftLines.add(this.#queueOf.get(key))
  }

  /** The queue of a job is to rest, whatever has become of the job. The job itself is put off by nothing. */
  #rest(task: SimTask, ms: number): void {
    const key = `${tagOf(task)}/${task.attempt}`
    if (!task.isStale) this.#snoozes.set(key, 0)
    const until = this.#world.clock.elapsed + ms
    this.#rests.push({ queue: this.#queueOf.get(key) as string, until, batches: this.#handedIn })
  }

  kept(value: unknown): void {
    const isSafe = this.#lastBatch.some(
      ({ type, after }) =>
        (type === 'checkpoint' && after?.checkpoint === value) ||
        (type === 'step' && [...(after?.steps?.values() ?? [])].includes(value)),
    )
    assert(value === undefined || isSafe, 'I4', () => `${show(value)} is said to be safe before it is`)
  }

  gone(worker: SimWorker, isByItself: boolean): void {
    if (isByItself) this.#deaths++
    for (const task of worker.known.values()) {
      this.#released.add(task.id)
      this.#leftLines.add(this.#queueOf.get(`${tagOf(task)}/${task.attempt}`))
      if (task.isStale) this.#resting.add(task.id)
    }
  }

  moduleFailed({ known }: SimWorker): void {
    for (const task of known.values()) this.#ended.add(`${tagOf(task)}/${task.attempt}`)
  }

  // The user.

  told(type: string, jobId: string): void {
    const isTrue = this.#lastBatch.some((step) => {
      if ((step.after ?? step.before)?.id !== jobId) return false
      if (type === 'added') return step.type === 'insert'
      if (type === 'started') return step.type === 'start'
      if (type === 'removed') return step.after === undefined
      if (type === 'interrupted') return step.type === 'interrupt' || step.type === 'crash'
      if (type === 'retrying') return step.type === 'fail'
      if (type === 'snoozed') return step.type === 'snooze'
      return step.after?.state === type
    })
    assert(isTrue, 'I4', () => `'${type}' of '${jobId}' is told, and is in no batch that is safe`)
  }

  /** `since`: how many batches there were when it was asked for. One that was there already may have gone since. */
  addResolved({ tag }: Added, id: string, since: number): void {
    const there = this.byId(id)
    const isThere = this.#inserted.has(tag) || there !== undefined || this.removed.has(id)
    const mayBeGone = (this.#wentIn.get(id) ?? 0) > since
    assert(isThere || mayBeGone, 'I1', () => `add of '${id}' resolved, and the store does not have it`)
  }

  /** `isKnown`: the error says that nothing of it is there. */
  addRejected({ tag }: Added, error: unknown): void {
    if (this.isStopped) return
    assert(!this.#inserted.has(tag), 'I6', () => `an add was refused (${String(error)}), and is stored`)
    this.#absent.add(tag)
  }

  resultResolved(tag: Tag, result: unknown): void {
    for (const record of this.truth.records.values()) {
      if (tagOf(record) !== tag) continue
      assert(
        record.state === 'completed' && record.result === result,
        'I4',
        () => `the result of '${record.id}' is told while it is ${record.state}`,
      )
      this.#completed.add(tag)
    }
  }

  resultRejected(tag: Tag, error: unknown): void {
    const { code } = (error ?? {}) as Partial<OffstageError>
    if (this.isStopped || code === 'SCHEDULER_CLOSED' || !this.#inserted.has(tag)) return
    // It waits on.
    if (code === 'WORKER_LOAD_FAILED') return this.#world.stats.count('rejected: no thread')
    const inBatch = this.#lastBatch.some(
      ({ after }) => after && tagOf(after) === tag && (after.state === 'failed' || after.state === 'cancelled'),
    )
    if (inBatch) return
    for (const record of this.truth.records.values()) {
      if (tagOf(record) !== tag) continue
      assert(
        isTerminal(record.state) && record.state !== 'completed',
        'I4',
        () => `'${record.id}' is said to have failed while it is ${record.state}: ${String(error)}`,
      )
    }
  }

  /**
   * Somebody looks now. What is found is as the store has it, and what the store has from now until the answer is found.
   * If nothing came back from the store meanwhile, that is all that it has.
   */
  look() {
    const { answered } = this
    const before = [...this.truth.records.values()]
    /** `isTelling`: not all of the last batch is told yet. */
    const isExact = (isTelling: boolean) => !isTelling && !this.isStopped && answered === this.answered
    /** Its number may have been given again: when the process ended before it was committed. */
    const isStill = (record: JobRecord) => {
      const there = this.truth.records.get(record.seq)
      return there !== undefined && tagOf(there) === tagOf(record)
    }
    const agree = (found: readonly Found[], isTelling: boolean) => {
      if (isTelling || this.isStopped) return
      for (const { tag, state, priority } of found) {
        const record = [...this.truth.records.values()].find((each) => tagOf(each) === tag)
        const isSo = !record || (record.state === state && record.priority === priority)
        assert(isSo, 'I4', () => `a job is found ${state} (${priority}); it is ${record?.state} (${record?.priority})`)
      }
    }
    return {
      counts: (counts: Record<State, number>, isTelling: boolean) => {
        const states = this.states()
        if (!isExact(isTelling)) return
        assert(show(counts) === show(states), 'I4', () => `${show(counts)} are counted, of ${show(states)}`)
      },
      one: (id: string, found: Found | undefined, isTelling: boolean) => {
        agree(found ? [found] : [], isTelling)
        const there = before.find((record) => record.id === id)
        const isLost = !found && there && isStill(there) && !isTelling && !this.isStopped
        assert(!isLost, 'I1', () => `'${id}' is not found, and it is there`)
        const isRight = !isExact(isTelling) || found?.tag === (there && tagOf(there))
        assert(isRight, 'I4', () => `another '${id}' is found than is there`)
      },
      all: (found: readonly Found[], state: State | undefined, isTelling: boolean) => {
        agree(found, isTelling)
        const tags = found.map(({ tag }) => tag).join()
        const expected = before.filter((record) => state === undefined || record.state === state).map(tagOf)
        if (isExact(isTelling)) assert(tags === expected.join(), 'I4', () => `${tags} are found, of ${expected}`)
        if (state !== undefined || isTelling || this.isStopped) return
        const lost = before.find((record) => isStill(record) && !found.some(({ tag }) => tag === tagOf(record)))
        assert(!lost, 'I1', () => `'${lost?.id}' is not found, and it is there`)
      },
    }
  }

  acted(verb: string, id: string, serial: number, count: number, argument: unknown): void {
    if (this.verbs.get(id) !== serial || (this.adding.get(id) ?? 0) > 0 || count === 0) return
    const record = this.byId(id)
    if (verb === 'cancel')
      assert(!record || isTerminal(record.state), 'I4', () => `cancel of '${id}' resolved while it is ${record?.state}`)
    if (verb === 'remove') assert(!record, 'I4', () => `remove of '${id}' resolved while it is ${record?.state}`)
    if (verb === 'setPriority')
      assert(
        !record || record.priority === argument,
        'I4',
        () => `setPriority of '${id}' resolved; it has ${record?.priority}, not ${String(argument)}`,
      )
    if (verb === 'update' && record && isWaiting(record.state)) {
      const { input, runAt, priority } = argument as Changes
      assert(
        input === undefined || isEqual(record.input, input),
        'I4',
        () => `'${id}' has another input than it was given`,
      )
      assert(priority === undefined || record.priority === priority, 'I4', () => `'${id}' has another priority`)
      const isUntried = record.state === 'scheduled' && record.attempt === 0 && record.failures === 0
      const isLater = isUntried && runAt !== undefined && runAt > this.#world.clock.highest
      assert(!isLater || record.runAt === runAt, 'I4', () => `'${id}' is due at ${record.runAt}, not at ${runAt}`)
    }
    if (verb === 'promote')
      assert(
        record?.state !== 'scheduled' || record.attempt > 0 || record.failures > 0,
        'I4',
        () => `promote of '${id}' resolved while it is scheduled`,
      )
  }

  /** Nothing may be long overdue. */
  checkTimely(): void {
    const { clock } = this.#world
    const now = clock.now()
    const mono = clock.elapsed
    for (const record of this.truth.records.values()) {
      const { seq, state, runAt, expiresAt, attempt, id } = record
      const isOver = (this.#spans.get(seq)?.until ?? Number.POSITIVE_INFINITY) <= mono
      const isDue = state === 'scheduled' && ((runAt as number) <= now || isOver)
      const hasExpired = isWaiting(state) && (attempt === 0 || mayRunOut(record)) && (expiresAt ?? never) <= now
      if (!isDue && !hasExpired) {
        this.#overdue.delete(seq)
        continue
      }
      const since = this.#overdue.get(seq)
      if (since === undefined) this.#overdue.set(seq, mono)
      else
        assert(
          mono - since <= latenessMs + 1_000,
          'I5',
          () => `'${id}' is ${state}, and ${isDue ? 'due' : 'expired'} for ${mono - since} ms`,
        )
    }
    for (const seq of this.#overdue.keys()) if (!this.truth.records.has(seq)) this.#overdue.delete(seq)
    if (this.hasSchedules) this.schedules.checkTimely(this.truth.records, this.truth.rows)
  }

  forgetLateness(): void {
    this.#overdue.clear()
    this.schedules.forgetLateness()
  }

  unfinished(): JobRecord[] {
    return [...this.truth.records.values()].filter(({ state }) => !isTerminal(state))
  }

  states(): Record<State, number> {
    const counts = { scheduled: 0, blocked: 0, queued: 0, running: 0, completed: 0, failed: 0, cancelled: 0 }
    for (const { state } of this.truth.records.values()) counts[state]++
    return counts
  }
}

const keyOf = (record: JobRecord): string => `${tagOf(record)}/${record.attempt}`

/** Whether no attempt may start any more after `expiresAt`, although one has. */
const mayRunOut = ({ failures, rules }: JobRecord): boolean => failures > 0 && rules.retryForMs !== undefined

const isUnstorable = ({ error }: JobRecord): boolean => (error as OffstageError | undefined)?.code === 'DATA_CLONE'

const isFallen = ({ error }: JobRecord): boolean => (error as OffstageError | undefined)?.code === 'DEPENDENCY_FAILED'

const isDecorrelated = (backoff: Backoff | undefined): boolean =>
  backoff !== undefined && 'jitter' in backoff && backoff.jitter === 'decorrelated'

/** What is thrown says who has thrown it. */
const textOf = (thrown: unknown): string => (thrown instanceof Error ? thrown.message : String(thrown))
const textOfWire = (wire: WireThrown): string =>
  wire.kind === 'error' ? wire.message : wire.kind === 'value' ? String(wire.value) : ''

/** A store, and the oracle looks on. What happens in a life that is over is nothing to it. */
export class WatchedStore implements Store {
  readonly isDurable = true
  readonly #store: Store
  readonly #oracle: Oracle
  readonly #isCurrent: () => boolean
  readonly #onOpen: (error: unknown) => void

  constructor(store: Store, oracle: Oracle, isCurrent: () => boolean, onOpen: (error: unknown) => void) {
    this.#store = store
    this.#oracle = oracle
    this.#isCurrent = isCurrent
    this.#onOpen = onOpen
  }

  async open(host: StoreHost): Promise<Stored> {
    const oracle = this.#oracle
    try {
      const stored = await this.#store.open({
        ...host,
        stopped: (error) => {
          if (this.#isCurrent()) oracle.stopped(error)
          host.stopped(error)
        },
      })
      if (this.#isCurrent()) oracle.guard(() => oracle.recovered(stored))
      if (this.#isCurrent()) this.#onOpen(undefined)
      return stored
    } catch (error) {
      if (this.#isCurrent()) this.#onOpen(error)
      throw error
    }
  }

  check(value: unknown, what: string): void {
    this.#store.check(value, what)
  }

  commit(changes: readonly Change[]): Promise<void> {
    const oracle = this.#oracle
    const steps = changes as readonly Step[]
    if (this.#isCurrent()) oracle.guard(() => oracle.committing(steps))
    return (this.#store.commit(changes) as Promise<void>).then(
      () => {
        if (this.#isCurrent()) oracle.guard(() => oracle.committed(steps))
      },
      (error) => {
        if (this.#isCurrent()) oracle.guard(() => oracle.refused(steps))
        throw error
      },
    )
  }

  close(): Promise<void> | void {
    return this.#store.close()
  }
}
