import { endMoves } from '../engine/end-moves.ts'
import type { Admission, AdmissionAnswer, Extension, ExtensionHost, Turn } from '../engine/extension.ts'
import type { JobOptions } from '../job/job-options.ts'
import { isTerminal, type JobRecord } from '../job/record.ts'
import * as check from '../shared/check.ts'
import { OffstageError } from '../shared/errors.ts'

/** Which jobs count as the same, and what happens to another one. */
export interface DedupeOptions {
  /** Jobs of one type with the same key count as the same: 1 to 512 characters. */
  readonly key: string
  /**
   * What happens to a job while there is another of its key. Default `'return'`.
   *
   * - `return`: it is not added; the call returns the other one.
   * - `reject`: the call rejects with `DUPLICATE_ID`.
   * - `replace`: it takes the place of the other one. If that runs already, it waits for its end; there is never more than one
   *   that waits.
   * - `debounce`: the other one gets its input, and waits `windowMs` from now on. So the newest input runs once, when none has
   *   come for that long.
   * - `throttle`: it is not added; the call returns the first one of the last `windowMs`, whether that has ended or not. (One
   *   that is removed before, by hand or because fewer are kept, holds its key no longer.)
   * - `coalesce`: the other one gets the input that `merge` makes of both. If it runs already, another one waits for its end.
   *
   * A job that has recorded something (a step, a wait, a checkpoint) keeps its input: with `debounce` and `coalesce` it counts as
   * one that runs, also between its attempts.
   */
  readonly mode?: DedupeMode | undefined
  /**
   * In milliseconds. `debounce` and `throttle` need it. With `return` and `reject`, the key is taken at least for so long after
   * the job was added; with `coalesce`, the job waits so long for others. Default: as long as the job has not ended.
   */
  readonly windowMs?: number | undefined
}

type DedupeMode = 'return' | 'reject' | 'replace' | 'debounce' | 'throttle' | 'coalesce'

/** Makes one input of two: of a job that waits, and of one that is added. */
export type Merge = (waiting: never, added: never, name: string) => unknown

/** The row of a key. */
interface KeyRow {
  /** The newest job of the key. */
  readonly jobId: string
  /** The key is taken until then, even if the job ends before. */
  readonly until: number | undefined
  /** The running job that it waits for. */
  readonly after: string | undefined
}

/** The row of a job that has not ended. */
interface JobRow {
  /** The row of its key. */
  readonly key: string
  /** The job that waits for its end, whatever has become of the key meanwhile. */
  readonly next: string | undefined
}

/** Returns how long a job waits for others; `undefined` if its mode or its caller does not say that. */
const waitMsOf = ({ mode, windowMs }: DedupeOptions): number | undefined =>
  mode === 'debounce' || mode === 'coalesce' ? windowMs : undefined

const checks: check.Checks = {
  key: check.string(512),
  mode: check.oneOf('return', 'reject', 'replace', 'debounce', 'throttle', 'coalesce'),
  windowMs: check.positiveMs,
}

/** Throws `INVALID_OPTION`, which names what is wrong. */
export function checkDedupe(options: unknown, merge: Merge | undefined): asserts options is DedupeOptions {
  check.checkArgument('dedupe', check.object, options)
  check.checkOptions(options, checks, 'dedupe.')
  const { key, mode, windowMs } = options as Partial<DedupeOptions>
  check.checkArgument('dedupe.key', check.string(512), key)
  if (windowMs === undefined && (mode === 'debounce' || mode === 'throttle'))
    throw new OffstageError('INVALID_OPTION', `The mode '${mode}' needs \`dedupe.windowMs\`.`)
  if (mode === 'coalesce' && !merge)
    throw new OffstageError('INVALID_OPTION', "The mode 'coalesce' needs dedupe(scheduler, { merge }).")
}

/** Throws `INVALID_OPTION` if two options say when the job runs. */
export function checkTime(dedupe: DedupeOptions, { delayMs, runAt }: JobOptions): void {
  if (waitMsOf(dedupe) !== undefined && (delayMs ?? runAt) !== undefined)
    throw new OffstageError('INVALID_OPTION', 'No `delayMs` or `runAt` with `windowMs`.')
}

// Keys and jobs share a table.
// With the length of the name, because a name may have spaces in it.
const rowOfKey = (name: string, key: string): string => `key ${name.length} ${name} ${key}`
const rowOfJob = (id: string): string => `job ${id}`
const jobIn = (row: string): string | undefined => (row.startsWith('job ') ? row.slice(4) : undefined)

/** Keeps a row for each key, in one commit with its job: no key is left behind, and none is free too early. */
export class DedupeExtension implements Extension<Record<never, never>> {
  readonly name = 'dedupe'
  readonly scope = 'marked'
  readonly moves = new Set(endMoves)
  /** Called where the jobs run. */
  merge: Merge | undefined
  #host: ExtensionHost | undefined
  /**
   * By job: when its window is over by the monotonic clock, if it began here. A wall clock that is set back makes none longer; of
   * windows that an earlier process has begun only the wall clock is known.
   */
  readonly #windows = new Map<string, number>()

  open(host: ExtensionHost): Record<never, never> {
    this.#host = host
    // Jobs may have ended while this extension was not attached.
    const gone = [...host.rows.keys()].flatMap((key) => jobIn(key) ?? []).filter((id) => !isActive(host, id))
    if (gone.length > 0) this.#turn((turn) => gone.forEach((id) => void this.#ended(turn, id)))
    for (const [key, row] of host.rows) if (jobIn(key) === undefined) this.#freeLater(key, row as KeyRow)
    return {}
  }

  admit(turn: Turn, { name, input, options = {}, version }: Admission): AdmissionAnswer | undefined {
    const given = options.extensions?.dedupe
    const { id } = options
    // The rule of its id comes first.
    if (given === undefined || id === undefined || turn.job(id)) return undefined
    try {
      checkDedupe(given, this.merge)
    } catch (refuse) {
      return { refuse }
    }
    const { key, mode = 'return', windowMs } = given
    const row = turn.rows.get(rowOfKey(name, key)) as KeyRow | undefined
    const other = row && turn.job(row.jobId)
    const waitMs = waitMsOf(given)
    const add = (after?: string): AdmissionAnswer => {
      const until = windowMs === waitMs ? undefined : turn.clock.now() + (windowMs as number)
      if (row) this.#windows.delete(row.jobId)
      if (until !== undefined) this.#windows.set(id, turn.clock.monotonic() + (windowMs as number))
      turn.put(rowOfKey(name, key), { jobId: id, until, after } satisfies KeyRow)
      turn.put(rowOfJob(id), { key: rowOfKey(name, key), next: undefined } satisfies JobRow)
      if (after !== undefined) turn.put(rowOfJob(after), { key: rowOfKey(name, key), next: id } satisfies JobRow)
      const due = waitMs !== undefined && { delayMs: waitMs, runAt: undefined }
      return { options: { ...options, ...due }, isMarked: true, isBlocked: after !== undefined }
    }
    if (!row || !other || !this.#isTaken(mode, row, other)) return add()
    const isRunning = other.state === 'running'
    // What it has recorded belongs to its input.
    const hasBegun = isRunning || (other.attempt > 0 && (other.steps ?? other.checkpoint) !== undefined)
    switch (mode) {
      case 'return':
      case 'throttle':
        return { existing: other.id }
      case 'reject':
        return { refuse: taken(name, key, other.id) }
      case 'replace':
        return isRunning ? add(other.id) : { ...add(row.after), replace: other.id }
      case 'debounce': {
        if (hasBegun) return add()
        turn.move(other.id, { type: 'update', input, version, runAt: turn.clock.now() + (windowMs as number) })
        return { existing: other.id }
      }
      case 'coalesce': {
        if (hasBegun) return add(other.id)
        const merged = (this.merge as Merge)(other.input as never, input as never, name)
        turn.move(other.id, { type: 'update', input: merged, version })
        return { existing: other.id }
      }
    }
  }

  moved(turn: Turn, before: JobRecord | undefined, after: JobRecord | undefined): void {
    if (!after || isTerminal(after.state)) this.#ended(turn, (before as JobRecord).id)
  }

  #ended(turn: Turn, id: string): void {
    const ended = turn.rows.get(rowOfJob(id)) as JobRow | undefined
    if (!ended) return
    const { key, next } = ended
    turn.put(rowOfJob(id), undefined)
    if (next !== undefined) turn.move(next, { type: 'unblock' })
    const row = turn.rows.get(key) as KeyRow | undefined
    if (row?.after === id) turn.put(key, { ...row, after: undefined })
    else if (row?.jobId === id) {
      // If it waited for another one, that one has the key again.
      const rest = row.after !== undefined ? { ...row, jobId: row.after, after: undefined } : row
      const isHeld = rest !== row || this.#isWithin(row)
      turn.put(key, isHeld ? rest : undefined)
      if (isHeld) this.#freeLater(key, rest)
      else this.#windows.delete(id)
    }
  }

  // Keys that are taken for a time.

  /** Frees a key when its window is over, if it is still taken for that alone: its job has ended, and no other has the key. */
  #freeLater(key: string, { until, jobId }: KeyRow): void {
    const { rows } = this.#host as ExtensionHost
    if (until === undefined) return
    const isLeft = () => (rows.get(key) as KeyRow | undefined)?.jobId === jobId && !rows.has(rowOfJob(jobId))
    this.#host?.at(until, () => {
      if (!isLeft()) return
      this.#windows.delete(jobId)
      this.#turn((turn) => isLeft() && turn.put(key, undefined))
    })
  }

  #isWithin({ until = 0, jobId }: KeyRow): boolean {
    const { clock } = this.#host as ExtensionHost
    return clock.now() < until && clock.monotonic() < (this.#windows.get(jobId) ?? Number.POSITIVE_INFINITY)
  }

  #isTaken(mode: DedupeMode, row: KeyRow, { state }: JobRecord): boolean {
    if (mode === 'throttle') return this.#isWithin(row)
    return !isTerminal(state) || ((mode === 'return' || mode === 'reject') && this.#isWithin(row))
  }

  #turn(write: (turn: Turn) => void): void {
    // Only the end of the scheduler makes it fail for good.
    this.#host?.turn(write).catch(() => {})
  }
}

function isActive(host: Pick<ExtensionHost, 'job'>, id: string): boolean {
  const record = host.job(id)
  return record !== undefined && !isTerminal(record.state)
}

const taken = (name: string, key: string, jobId: string): OffstageError =>
  new OffstageError('DUPLICATE_ID', `There is already a job '${jobId}' (${name}) with the key '${key}'.`, { jobId })
