import * as check from '../shared/check.ts'
import { isObject } from '../shared/show.ts'
import type { Backoff, JobHeaders, JobRecord, Rules } from './record.ts'

/** What happens to one job and is reported by callback. They belong to this page or process and are not stored. */
export interface JobCallbacks<Result = unknown, Progress = unknown, Value = unknown> {
  /** An attempt was given to a thread; called again for each attempt. */
  readonly onStarted?: ((attempt: number) => void) | undefined
  /** The newest progress of the job; values in between may be left out. */
  readonly onProgress?: ((progress: Progress) => void) | undefined
  /** What the handler gave to `job.log`. */
  readonly onLog?: ((...args: readonly unknown[]) => void) | undefined
  /** What the handler gave to `job.send`. */
  readonly onValue?: ((value: Value) => void) | undefined
  /** The handler has returned `result`. */
  readonly onCompleted?: ((result: Result) => void) | undefined
  /** All attempts are used up. */
  readonly onFailed?: ((error: unknown) => void) | undefined
  /** Completed, failed or cancelled, once. `error` is `undefined` for a completed job, whose result is the second argument. */
  readonly onSettled?: ((error: unknown, result: Result | undefined) => void) | undefined
}

/** The options that all jobs of a type may share: `createScheduler(…, { defaults: { countPrimes: { attempts: 3 } } })`. */
export interface JobDefaults {
  /** A line of its own, with its own concurrency, rate limit and pause. Default `'default'`. */
  readonly queue?: string | undefined
  /** Higher first; equals go first in, first out. Default 0. */
  readonly priority?: number | undefined
  /** Starts no sooner than this after it was added. */
  readonly delayMs?: number | undefined
  /** How often the job is tried before it counts as failed. Default 1. */
  readonly attempts?: number | undefined
  /** The wait between attempts. Default: none. */
  readonly backoff?: Backoff | undefined
  /** For one attempt, from its start. Default: no limit. Fails the attempt with `JOB_TIMEOUT`. */
  readonly timeoutMs?: number | undefined
  /** A job that has not started so long after it was added fails with `JOB_EXPIRED`. Default: never. */
  readonly expiresInMs?: number | undefined
  /** To find and act on several jobs together. */
  readonly tags?: readonly string[] | undefined
  /** How long the finished job can still be looked up. Default: the scheduler's `keep`. */
  readonly keepMs?: number | undefined
}

export interface JobOptions<Result = unknown, Progress = unknown, Value = unknown>
  extends JobDefaults,
    JobCallbacks<Result, Progress, Value> {
  /** Yours: adding the same id again returns the job that is there. Default: made up. */
  readonly id?: string | undefined
  /** What to do when the id is taken. `replace` puts the new job in the place of one that does not run. Default `'return'`. */
  readonly ifExists?: 'return' | 'replace' | 'reject' | undefined
  /** Starts no sooner than this moment. */
  readonly runAt?: number | Date | undefined
  /** For extensions, by name: what each is told of the job when it is added. Cloneable; not kept with the job. */
  readonly extensions?: { readonly [extension: string]: unknown } | undefined
  /** Moved into the job instead of copied; afterwards the caller's are empty. */
  readonly transfer?: readonly Transferable[] | undefined
  /**
   * Texts by name, which the handler reads as `job.headers`: a trace, a tenant. They stay with the job over attempts and restarts.
   * At most 64, with 8,192 bytes of names and values in all (UTF-8). Default: none.
   */
  readonly headers?: JobHeaders | undefined
  /** Cancels the job. Its `reason` is what the promises reject with. */
  readonly signal?: AbortSignal | undefined
}

const idLengthMax = 1_024
const nameLengthMax = 256
const attemptsMax = 1_000_000
const tagsMax = 64
const headersMax = 64
const headerBytesMax = 8_192

const backoffChecks: check.Checks = {
  type: check.oneOf('fixed', 'linear', 'exponential'),
  delayMs: check.durationMs,
  maxMs: check.durationMs,
  jitter: check.number(0, 1),
}

const backoff: check.Check = (value) => {
  const expected = check.object(value)
  if (expected) return expected
  check.checkOptions(value, backoffChecks, 'backoff.')
  const { type, delayMs } = value as Partial<Backoff>
  return type === undefined || delayMs === undefined ? 'an object with `type` and `delayMs`' : undefined
}

/** The last moment that a Date can hold. */
const lastMoment = check.number(0, 8.64e15)
const moment: check.Check = (value) =>
  lastMoment(value instanceof Date ? value.getTime() : value) && 'a time in milliseconds since 1970, or a valid Date'

const tags: check.Check = (value) =>
  Array.isArray(value) && value.length <= tagsMax
    ? check.listOf(check.string(nameLengthMax), 'strings')(value)
    : `an array of at most ${tagsMax} strings`

const areTexts = (texts: readonly unknown[]): boolean => texts.every((text) => typeof text === 'string')

const headers: check.Check = (value) => {
  const entries = isObject(value) && !Array.isArray(value) ? Object.entries(value).flat() : [0]
  const isFine =
    areTexts(entries) &&
    entries.length <= 2 * headersMax &&
    new TextEncoder().encode(entries.join('')).length <= headerBytesMax
  return isFine ? undefined : `an object of at most ${headersMax} strings with ${headerBytesMax} bytes in all`
}

export const defaultsChecks: check.Checks = {
  queue: check.string(nameLengthMax),
  priority: check.finite,
  delayMs: check.durationMs,
  attempts: check.integer(1, attemptsMax),
  backoff,
  timeoutMs: check.positiveMs,
  expiresInMs: check.durationMs,
  tags,
  keepMs: check.durationMsOrInfinity,
}

const optionChecks: check.Checks = {
  ...defaultsChecks,
  id: check.string(idLengthMax),
  ifExists: check.oneOf('return', 'replace', 'reject'),
  runAt: moment,
  headers,
  transfer: check.array,
  extensions: check.object,
  // Not `instanceof`: test environments bring a class of their own.
  signal: (value) =>
    isObject(value) && typeof value.aborted === 'boolean' && typeof value.addEventListener === 'function'
      ? undefined
      : 'an AbortSignal',
  onStarted: check.callable,
  onProgress: check.callable,
  onLog: check.callable,
  onValue: check.callable,
  onCompleted: check.callable,
  onFailed: check.callable,
  onSettled: check.callable,
}

/** The caller's options, checked, as ours: they may be read when the caller has long changed theirs. */
export function takeJobOptions(given: JobOptions | undefined): JobOptions | undefined {
  if (given === undefined) return undefined
  const options: { -readonly [Name in keyof JobOptions]: JobOptions[Name] } = check.taken(given, 1)
  check.checkArgument('options', check.object, options)
  if (options.backoff) options.backoff = check.taken(options.backoff)
  if (options.tags) options.tags = check.taken(options.tags)
  if (options.runAt instanceof Date) options.runAt = options.runAt.getTime()
  if (options.headers) options.headers = check.taken(options.headers)
  check.checkOptions(options, optionChecks)
  return options
}

/** Whether options that have come from another tab are such as it would have taken. */
export function areJobOptions(options: unknown): boolean {
  try {
    check.checkOptions(options, optionChecks)
    return true
  } catch {
    return false
  }
}

export const checkJobDefaults = (defaults: JobDefaults | undefined, prefix: string): void =>
  check.checkOptions(defaults, defaultsChecks, prefix)

/** What can be changed of a job that waits. */
export const changesChecks: check.Checks = {
  input: () => undefined,
  runAt: moment,
  priority: check.finite,
  tags,
}

export const finiteCheck = check.finite
export const idCheck = check.string(idLengthMax)
export const nameCheck: check.Check = (value) =>
  typeof value === 'string' && value.length <= nameLengthMax
    ? undefined
    : `a string of at most ${nameLengthMax} characters`

/** A type's defaults, resolved once: most jobs of a type have no options of their own. */
export interface ResolvedDefaults {
  readonly options: JobDefaults
  readonly rules: Rules
  readonly queue: string
  readonly priority: number
  readonly delayMs: number
  readonly expiresInMs: number | undefined
}

export const resolveDefaults = (options: JobDefaults = {}): ResolvedDefaults => ({
  options,
  rules: rulesOf(options, {}),
  queue: options.queue ?? 'default',
  priority: options.priority ?? 0,
  delayMs: options.delayMs ?? 0,
  expiresInMs: options.expiresInMs,
})

/** The same with a job's own options. */
const resolveOptions = (own: JobOptions, shared: ResolvedDefaults): ResolvedDefaults => ({
  options: shared.options,
  rules: hasOwnRules(own) ? rulesOf(own, shared.options) : shared.rules,
  queue: own.queue ?? shared.queue,
  priority: own.priority ?? shared.priority,
  delayMs: own.delayMs ?? shared.delayMs,
  expiresInMs: own.expiresInMs ?? shared.expiresInMs,
})

const rulesOf = (own: JobOptions, shared: JobDefaults): Rules => ({
  attempts: own.attempts ?? shared.attempts ?? 1,
  backoff: own.backoff ?? shared.backoff,
  timeoutMs: own.timeoutMs ?? shared.timeoutMs,
  keepMs: own.keepMs ?? shared.keepMs,
  tags: own.tags ?? shared.tags ?? [],
  ...(own.headers && { headers: Object.freeze(own.headers) }),
})

const hasOwnRules = ({ attempts, backoff, timeoutMs, keepMs, tags, headers }: JobOptions): boolean =>
  attempts !== undefined ||
  backoff !== undefined ||
  timeoutMs !== undefined ||
  keepMs !== undefined ||
  tags !== undefined ||
  headers !== undefined

/**
 * The first record of a job. Options were checked, and `input` is a copy of our own. `lineTime` is `now` but for clocks
 * that were set back: it never falls, so that what is added later stands later.
 */
export function createRecord(
  identity: {
    readonly id: string
    readonly name: string
    readonly input: unknown
    readonly seq: number
    readonly lineTime: number
    readonly isBlocked?: boolean | undefined
  },
  options: JobOptions | undefined,
  defaults: ResolvedDefaults,
  now: number,
): JobRecord {
  const { rules, queue, priority, delayMs, expiresInMs } = options ? resolveOptions(options, defaults) : defaults
  const runAt = options?.runAt === undefined ? now + delayMs : Number(options.runAt)
  const isLater = runAt > now
  return {
    id: identity.id,
    name: identity.name,
    queue,
    rules,
    input: identity.input,
    state: identity.isBlocked ? 'blocked' : isLater ? 'scheduled' : 'queued',
    priority,
    dueAt: isLater ? runAt : identity.lineTime,
    seq: identity.seq,
    attempt: 0,
    failures: 0,
    interruptions: 0,
    crashes: 0,
    addedAt: now,
    runAt: isLater ? runAt : undefined,
    expiresAt: expiresInMs === undefined ? undefined : now + expiresInMs,
    startMs: undefined,
    finishMs: undefined,
    result: undefined,
    error: undefined,
    checkpoint: undefined,
    steps: undefined,
  }
}
