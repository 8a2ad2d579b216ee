import * as check from '../shared/check.ts'
import { copyValue } from '../shared/clone.ts'
import type { Transferable } from '../shared/globals.ts'
import { isObject } from '../shared/show.ts'
import type { Backoff, JobHeaders, JobRecord, Rules } from './record.ts'
import { withVersion } from './version.ts'

/** Callbacks for what happens to one job. They belong to this page or process and are not stored. */
export interface JobCallbacks<Result = unknown, Progress = unknown, Value = unknown> {
  /** Called when an attempt is given to a worker, for each attempt. */
  readonly onStarted?: ((attempt: number) => void) | undefined
  /** Called with the newest progress of the job; values in between may be left out. */
  readonly onProgress?: ((progress: Progress) => void) | undefined
  /** Called with what the handler passed to `job.log`. */
  readonly onLog?: ((...args: readonly unknown[]) => void) | undefined
  /** Called with what the handler passed to `job.send`. */
  readonly onValue?: ((value: Value) => void) | undefined
  /** Called when the handler has returned `result`. */
  readonly onCompleted?: ((result: Result) => void) | undefined
  /**
   * Called when the job has failed for good: its attempts are used up, another would fail the same way, it did not start in time,
   * or it ended its thread too often.
   */
  readonly onFailed?: ((error: unknown) => void) | undefined
  /**
   * Called once, when the job is completed, failed or cancelled. `error` is `undefined` if it is completed; then `result` is
   * the result.
   */
  readonly onSettled?: ((error: unknown, result: Result | undefined) => void) | undefined
}

/** The options that all jobs of a type may share: `createScheduler(…, { defaults: { countPrimes: { attempts: 3 } } })`. */
export interface JobDefaults {
  /** The queue, each of which has its own concurrency, rate limit and pause. Default `'default'`. */
  readonly queue?: string | undefined
  /**
   * Whom the job is for, as a text: a user, a tenant, a host. In a queue that `grouped` of `offstage/groups` has made, groups take
   * turns, and each has limits of its own. In all others it is only kept. Default: none.
   */
  readonly group?: string | undefined
  /** Higher goes first; jobs of equal priority go first in, first out. Default 0. */
  readonly priority?: number | undefined
  /** The job starts no sooner than this many milliseconds after it was added. Default 0. */
  readonly delayMs?: number | undefined
  /** How often the job is tried before it counts as failed. Default 1. */
  readonly attempts?: number | undefined
  /** The wait between attempts. A handler that throws `RetryAfter` sets it itself. Default: none. */
  readonly backoff?: Backoff | undefined
  /**
   * No attempt starts later than this many milliseconds after the start of the first one that failed; the job then fails with
   * the last error. `attempts` counts as well. The time begins anew after a `snooze`. Default: no limit.
   */
  readonly retryForMs?: number | undefined
  /**
   * The time limit of one attempt, from its start, in milliseconds. The attempt then fails with `JOB_TIMEOUT`. Default: no
   * limit.
   */
  readonly timeoutMs?: number | undefined
  /** A job that has not started this many milliseconds after it was added fails with `JOB_EXPIRED`. Default: never. */
  readonly expiresInMs?: number | undefined
  /** Words by which several jobs can be found and acted on together. Default: none. */
  readonly tags?: readonly string[] | undefined
  /** The version of the input, from 1, for a handler that is `versioned`. Default 1. */
  readonly version?: number | undefined
  /** How long the finished job is kept, in milliseconds. Default: the scheduler's `keep`. */
  readonly keepMs?: number | undefined
  /**
   * How many of the values that the handler sends are kept with the job, from 0 to 100,000: the newest ones. They outlive a reload
   * or a restart, and go when the job does. Then `job.values({ after })` goes on where an earlier reader stopped, and there may be
   * several readers. Default 0: values are only handed to the one reader.
   */
  readonly keepValues?: number | undefined
  /**
   * Asked when an attempt has failed and another would follow; with `false` the job fails for good. It is called by the
   * scheduler that runs the jobs: with several tabs, by that of the leading one. If it throws, or returns something else (a
   * promise, say), that is reported on `error`, and the other attempt follows. It is not asked about `NonRetryableError`. Default: every error is worth another attempt.
   */
  readonly retryIf?: ((error: unknown) => boolean) | undefined
}

/** The options of one job. They override the defaults of its type. */
export interface JobOptions<Result = unknown, Progress = unknown, Value = unknown>
  extends Omit<JobDefaults, 'retryIf'>,
    JobCallbacks<Result, Progress, Value> {
  /** An id of your own. Adding the same id again returns the existing job. Default: offstage makes one. */
  readonly id?: string | undefined
  /**
   * What happens if the id is taken. `return` returns the existing job. `replace` puts the new job in its place, unless it
   * runs. `reject` rejects with `DUPLICATE_ID`. Default `'return'`.
   */
  readonly ifExists?: 'return' | 'replace' | 'reject' | undefined
  /** The job starts no sooner than this moment. A number is in milliseconds since 1970. Default: now, or after `delayMs`. */
  readonly runAt?: number | Date | undefined
  /**
   * What each extension, by name, receives about the job when it is added. It must be cloneable, and is not kept with the job.
   * The call rejects with `EXTENSION_MISSING` if an extension is not attached where jobs run.
   */
  readonly extensions?: { readonly [extension: string]: unknown } | undefined
  /** Objects that are moved into the job instead of copied; the caller cannot use them any more. Default: none. */
  readonly transfer?: readonly Transferable[] | undefined
  /**
   * Texts by name, which the handler reads as `job.headers`: a trace, a tenant. They stay with the job over attempts and
   * restarts. At most 64, with 8,192 bytes of names and values in all (UTF-8). Default: none.
   */
  readonly headers?: JobHeaders | undefined
  /** Cancels the job when it is aborted. The promises then reject with its `reason`. Default: none. */
  readonly signal?: AbortSignal | undefined
}

export const idLengthMax = 1_024
const nameLengthMax = 256
const attemptsMax = 1_000_000
const waitsMax = 1_000
const tagsMax = 64
const headersMax = 64
const valuesMax = 100_000
const headerBytesMax = 8_192

const backoffChecks: check.Checks = {
  type: check.oneOf('fixed', 'linear', 'exponential', 'sidekiq'),
  delayMs: check.durationMs,
  maxMs: check.durationMs,
  jitter: check.either(check.number(0, 1), check.oneOf('full', 'decorrelated')),
}

const curve: check.Check = (value) => {
  const expected = check.object(value)
  if (expected) return expected
  check.checkOptions(value, backoffChecks, 'backoff.')
  const { type, delayMs } = value as { readonly type?: string; readonly delayMs?: number }
  return type && (type === 'sidekiq') === (delayMs === undefined)
    ? undefined
    : "an object with `type` and `delayMs`, or { type: 'sidekiq' }"
}

/** The last moment that a Date can hold. */
const lastMoment = check.number(0, 8.64e15)
const moment: check.Check = (value) =>
  lastMoment(value instanceof Date ? value.getTime() : value) && 'a time in milliseconds since 1970, or a valid Date'

const tags = check.listUpTo(tagsMax, check.string(nameLengthMax), 'strings')

const areTexts = (texts: readonly unknown[]): boolean => texts.every((text) => typeof text === 'string')

export const headersCheck: check.Check = (value) => {
  const entries = isObject(value) && !(Symbol.iterator in value) ? Object.entries(value).flat() : [0]
  const isFine =
    areTexts(entries) &&
    entries.length <= 2 * headersMax &&
    new TextEncoder().encode(entries.join('')).length <= headerBytesMax
  return isFine ? undefined : `an object of at most ${headersMax} strings with ${headerBytesMax} bytes in all`
}

/** The name of a queue ends where a NUL begins, in keys that name a queue or one of its groups. */
export const queueNameCheck: check.Check = (value) =>
  check.string(nameLengthMax)(value) ?? ((value as string).includes('\0') ? 'a string without NUL' : undefined)
export const groupCheck = check.string(nameLengthMax)
const versionCheck = check.integer(1)

/** Of the options that travel with a job. */
export const sharedChecks: check.Checks = {
  queue: queueNameCheck,
  group: groupCheck,
  priority: check.finite,
  delayMs: check.durationMs,
  attempts: check.integer(1, attemptsMax),
  backoff: check.either(check.listUpTo(waitsMax, check.durationMs, 'waits in milliseconds'), curve),
  retryForMs: check.durationMs,
  timeoutMs: check.positiveMs,
  expiresInMs: check.durationMs,
  tags,
  version: versionCheck,
  keepMs: check.durationMsOrInfinity,
  keepValues: check.integer(0, valuesMax),
}

const defaultsChecks: check.Checks = { ...sharedChecks, retryIf: check.callable }

const optionChecks: check.Checks = {
  ...sharedChecks,
  id: check.string(idLengthMax),
  ifExists: check.oneOf('return', 'replace', 'reject'),
  runAt: moment,
  headers: headersCheck,
  transfer: check.array,
  extensions: check.object,
  // Not `instanceof`, because test environments bring a class of their own.
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

/** Checks and copies the options. The copy may be read long after the caller has changed the original. */
export function takeJobOptions(given: JobOptions | undefined): JobOptions | undefined {
  if (given === undefined) return undefined
  const options: { -readonly [Name in keyof JobOptions]: JobOptions[Name] } = check.deepCopy(given, 1)
  check.checkArgument('options', check.object, options)
  if (options.backoff) options.backoff = check.deepCopy(options.backoff)
  if (options.tags) options.tags = check.deepCopy(options.tags)
  if (options.runAt instanceof Date) options.runAt = options.runAt.getTime()
  if (options.headers) options.headers = check.deepCopy(options.headers)
  if (options.extensions) options.extensions = copyValue(options.extensions, 'extensions') as JobOptions['extensions']
  check.checkOptions(options, optionChecks)
  return options
}

/** Whether options that come from another tab are valid. */
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

/** Checks what can be changed in a job that waits. */
export const changesChecks: check.Checks = {
  input: () => undefined,
  runAt: moment,
  priority: check.finite,
  tags,
  version: versionCheck,
}

export const finiteCheck = check.finite
export const idCheck = check.string(idLengthMax)
export const nameCheck: check.Check = (value) =>
  typeof value === 'string' && value.length <= nameLengthMax
    ? undefined
    : `a string of at most ${nameLengthMax} characters`

/** The defaults of a type, resolved once: most jobs of a type have no options of their own. */
export interface ResolvedDefaults {
  readonly options: JobDefaults
  readonly rules: Rules
  readonly queue: string
  readonly group: string | undefined
  readonly priority: number
  readonly delayMs: number
  readonly expiresInMs: number | undefined
}

export const resolveDefaults = (options: JobDefaults = {}): ResolvedDefaults => ({
  options,
  rules: rulesOf(options, {}),
  queue: options.queue ?? 'default',
  group: options.group,
  priority: options.priority ?? 0,
  delayMs: options.delayMs ?? 0,
  expiresInMs: options.expiresInMs,
})

/** Combines them with the options of one job. */
const resolveOptions = (own: JobOptions, shared: ResolvedDefaults): ResolvedDefaults => ({
  options: shared.options,
  rules: hasOwnRules(own, shared.options) ? rulesOf(own, shared.options) : shared.rules,
  queue: own.queue ?? shared.queue,
  group: own.group ?? shared.group,
  priority: own.priority ?? shared.priority,
  delayMs: own.delayMs ?? shared.delayMs,
  expiresInMs: own.expiresInMs ?? shared.expiresInMs,
})

const rulesOf = (own: JobOptions, shared: JobDefaults): Rules => {
  const { retryForMs = shared.retryForMs, keepValues = shared.keepValues, version = shared.version } = own
  const headers = withVersion(own.headers, version)
  return {
    attempts: own.attempts ?? shared.attempts ?? 1,
    backoff: own.backoff ?? shared.backoff,
    timeoutMs: own.timeoutMs ?? shared.timeoutMs,
    keepMs: own.keepMs ?? shared.keepMs,
    tags: own.tags ?? shared.tags ?? [],
    ...(headers && { headers: Object.freeze(headers) }),
    ...(retryForMs !== undefined && { retryForMs }),
    ...(keepValues && { keepValues }),
  }
}

const hasOwnRules = (
  { attempts, backoff, retryForMs, timeoutMs, keepMs, keepValues, tags, version, headers }: JobOptions,
  shared: JobDefaults,
): boolean =>
  attempts !== undefined ||
  backoff !== undefined ||
  retryForMs !== undefined ||
  timeoutMs !== undefined ||
  keepMs !== undefined ||
  keepValues !== undefined ||
  tags !== undefined ||
  (version !== undefined && version !== (shared.version ?? 1)) ||
  headers !== undefined

/**
 * Makes the first record of a job. The options are checked, and `input` is a copy. `lineTime` is the same as `now` unless the
 * clock was set back: it never falls, so that jobs added later stand later in line.
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
  const { rules, queue, group, priority, delayMs, expiresInMs } = options ? resolveOptions(options, defaults) : defaults
  const runAt = options?.runAt === undefined ? now + delayMs : Number(options.runAt)
  const isLater = runAt > now
  return {
    id: identity.id,
    name: identity.name,
    queue,
    group,
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
