import { isWaiting, type JobRecord } from '../job/record.ts'
import { never } from '../job/retry.ts'
import * as check from '../shared/check.ts'
import { copyValue } from '../shared/clone.ts'
import { OffstageError } from '../shared/errors.ts'
import type { Row } from '../store/store.ts'
import type { Attached } from './attached.ts'
import type { FindOptions, Inserted, InsertRequest } from './engine.ts'
import type { ExtensionHost, Turn, TurnAction, TurnEvent, TurnRequest } from './extension.ts'
import type { ExtensionParts } from './extension-parts.ts'
import { cancelled } from './job-errors.ts'
import type { LiveJob } from './live-job.ts'
import type { Step } from './steps.ts'

/** How many changes one writing may make. More than that is a loop. */
const movesMax = 100_000
/** Extensions that respond to each other's moves for ever come to this depth; nobody else does. */
export const depthMax = 100_000
const keyCheck = check.string(1_024)
/** The outcome of a turn that no move has caused. */
export interface TurnOutcome {
  result: unknown
  /** Set if the turn could not be carried out anew. */
  failure: { readonly error: unknown } | undefined
}

/** A unit of changes: by an extension, for a move that it follows or for none, and by those that are asked about what it adds. */
export class Writing {
  /** The step that it follows; `undefined` if no move has caused it. */
  readonly origin: Step | undefined
  /** The call with which the store may refuse it. */
  readonly call: object | undefined
  readonly write: (writing: Writing) => void
  readonly outcome: TurnOutcome | undefined
  readonly rows: Row[] = []
  /** The values that these rows had before. */
  readonly #before: { readonly rows: Map<string, unknown>; readonly key: string; readonly value: unknown }[] = []
  readonly events: TurnEvent[] = []
  /** The extensions that took part. Whatever they do later is based on this. */
  readonly attached = new Set<Attached>()
  /** How many writings, each of which follows a move of the one before, have led to it. */
  readonly depth: number
  /** The extension whose turn it is. */
  current: Attached | undefined
  isOver = false
  moveCount = 0

  constructor(
    origin: Step | undefined,
    call: object | undefined,
    write: (writing: Writing) => void,
    outcome?: TurnOutcome,
  ) {
    this.origin = origin
    this.depth = origin?.turn ? (origin.turn as Writing).depth + 1 : 0
    this.call = call
    this.write = write
    this.outcome = outcome
  }

  put({ rows, extension }: Attached, key: string, value: unknown): void {
    this.#before.push({ rows, key, value: rows.get(key) })
    this.rows.push({ table: extension.name, key, value })
    setRow(rows, key, value)
  }

  /** Gives its rows their former values. */
  restoreRows(): void {
    for (const { rows, key, value } of this.#before.reverse()) setRow(rows, key, value)
  }
}

function setRow(rows: Map<string, unknown>, key: string, value: unknown): void {
  if (value === undefined) rows.delete(key)
  else rows.set(key, value)
}

/** What a turn and a host have in common. */
export class View implements Pick<ExtensionHost, 'clock' | 'rows' | 'job' | 'find'> {
  protected readonly parts: ExtensionParts
  protected readonly attached: Attached

  constructor(parts: ExtensionParts, attached: Attached) {
    this.parts = parts
    this.attached = attached
  }

  get clock() {
    return this.parts.jobs.clock
  }

  get rows(): ReadonlyMap<string, unknown> {
    return this.attached.rows
  }

  job(id: string): JobRecord | undefined {
    return this.parts.jobs.index.get(id)?.record
  }

  find(options: FindOptions = {}): readonly JobRecord[] {
    return this.parts.jobs.index.find({ limit: Number.POSITIVE_INFINITY, ...options }).map(({ record }) => record)
  }
}

/** The turn of one extension in a writing. */
export class ExtensionTurn extends View implements Turn {
  readonly #writing: Writing

  constructor(parts: ExtensionParts, attached: Attached, writing: Writing) {
    super(parts, attached)
    this.#writing = writing
  }

  put(key: string, value: unknown): void {
    this.#assertOpen()
    check.checkArgument('key', keyCheck, key)
    const { store } = this.parts.jobs
    const copy = value === undefined ? value : copyValue(value, 'row', (each, what) => store.check(each, what))
    this.#writing.put(this.attached, key, copy)
  }

  insert({ name, input, options, isBlocked, isMarked }: TurnRequest): ReturnType<Turn['insert']> {
    this.#assertOpen()
    const { intake, lifecycle } = this.parts
    // While the scheduler is closing, what follows from a job that ends must not be lost.
    if (!this.#writing.origin) lifecycle.assertTaking()
    const request: InsertRequest = {
      ...this.parts.requestOf(name, input, options),
      isBlocked,
      markRules: isMarked ? this.attached.markRules : undefined,
    }
    const { job, disposition } = intake.insertNow(request, this.#writing.call) as Inserted & { readonly job: LiveJob }
    // If the store refuses that job, this turn has to add it. The mark is a step on that job, so the turn falls with it.
    if (disposition === 'existing' && !job.committed) this.parts.jobs.setRules(job, job.record.rules)
    return { job: job.record, disposition }
  }

  move(id: string, action: TurnAction): boolean {
    this.#assertOpen()
    const job = this.parts.jobs.index.get(id)
    return job !== undefined && this.#moveJob(job, action)
  }

  #moveJob(job: LiveJob, action: TurnAction): boolean {
    const { jobs, abort } = this.parts
    const { state } = job.record
    switch (action.type) {
      case 'cancel': {
        const isCancelled = jobs.moveIfLegal(job, { type: 'cancel', error: cancelled(job.record, action.reason) })
        if (isCancelled) abort(job)
        return isCancelled
      }
      case 'fail':
        if (state !== 'queued' && state !== 'blocked') return false
        jobs.fail(job, action.error, never)
        return true
      case 'remove':
        this.#moveJob(job, { type: 'cancel', reason: 'it was removed' })
        jobs.remove(job, 'removed')
        return true
      case 'retry':
        return jobs.retry(job)
      case 'due':
        return jobs.fallDue(job)
      case 'unblock':
        return jobs.unblock(job)
      case 'block':
        return jobs.moveIfLegal(job, { type: 'block' })
      case 'prioritize':
        check.checkArgument('priority', check.finite, action.priority)
        return isWaiting(state) && jobs.moveIfLegal(job, { type: 'prioritize', priority: action.priority })
      case 'update': {
        const { input, runAt, version } = action
        const copy = copyValue(input, 'input', (each, what) => jobs.store.check(each, what))
        return jobs.update(job, { ...('input' in action && { input: copy }), runAt, version })
      }
      case 'keep':
        if (job.record.rules.keepMs !== action.keepMs)
          jobs.setRules(job, { ...job.record.rules, keepMs: action.keepMs })
        return true
    }
  }

  mark(id: string): boolean {
    this.#assertOpen()
    const job = this.parts.jobs.index.get(id)
    if (job) this.parts.mark(job, this.attached)
    return job !== undefined
  }

  tell(event: TurnEvent): void {
    this.#assertOpen()
    const { events = [], name } = this.attached.extension
    if (!events.includes(event.type))
      throw new OffstageError(
        'INVALID_OPTION',
        `Expected \`type\` to be among the \`events\` of the extension '${name}' (${events.join(', ')}), got '${event.type}'.`,
      )
    this.#writing.events.push({ ...event })
  }

  #assertOpen(): void {
    if (this.#writing.isOver) throw new Error('offstage: a turn is over when the function returns that it was given to')
    if (++this.#writing.moveCount > movesMax)
      throw new Error(`more than ${movesMax.toLocaleString('en')} things are done in one turn`)
  }
}
