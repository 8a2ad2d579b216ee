import type { CloseMode } from './engine/engine.ts'
import { type Keep, type KeepByState, keepDefault } from './engine/retention.ts'
import { checkJobDefaults, type JobDefaults, queueNameCheck } from './job/job-options.ts'
import { byTerminal } from './job/record.ts'
import type { Middleware } from './job-middleware.ts'
import { spareCores, systemClock, systemRandom } from './platform/host.ts'
import type { WorkerOptions } from './platform/spawn.ts'
import type { Reserve } from './pool/spared.ts'
import type { LineOptions } from './queue/line.ts'
import type { RateLimit } from './queue/rate-limit.ts'
import { rateLimitCheck } from './queue/rate-limit-check.ts'
import * as check from './shared/check.ts'
import type { Clock } from './shared/clock.ts'
import type { EngineSource } from './shared/engine-source.ts'
import type { ErrorClass } from './shared/error-wire.ts'
import { isObject } from './shared/show.ts'
import type { StandardSchema } from './shared/standard-schema.ts'
import { memoryStore } from './store/memory-store.ts'
import type { Store } from './store/store.ts'

/** How many workers a scheduler has. */
export interface WorkersOptions {
  /** How many workers stay once they were started. Default 1. */
  readonly min?: number | undefined
  /** How many workers there are at most. Default: the number of cores less one, at least 1. */
  readonly max?: number | undefined
  /** How long a worker above `min` stays without work, in milliseconds. Default 30,000. */
  readonly idleMs?: number | undefined
}

/** How many finished jobs are kept and for how long, by state. */
export type KeepOptions = { readonly [Terminal in keyof KeepByState]?: Partial<Keep> | undefined }

/** The options of a scheduler. A value out of range is refused with `INVALID_OPTION`, which names the option. */
export interface SchedulerOptions<Name extends PropertyKey = string> {
  /** The engine that runs and keeps the jobs, instead of this scheduler. It cannot be combined with `store`. Default: none. */
  readonly engine?: EngineSource | undefined
  /** Where jobs are kept. Default: in memory, where they are lost when the page or the process ends. */
  readonly store?: Store | undefined
  /**
   * How many workers there are; they are started when needed. A number keeps all of them once started. Default `{ min: 1, max:
   * cores − 1, idleMs: 30_000 }`.
   */
  readonly workers?: number | WorkersOptions | undefined
  /**
   * Keeps `workers` of the workers free for jobs with a priority of at least `minPriority`, so that these need not wait for long
   * jobs to end. One worker at least is left for all other jobs. Default: none.
   */
  readonly reserve?: Reserve | undefined
  /** How many jobs with async handlers one worker runs at a time. Default 1. */
  readonly concurrency?: number | undefined
  /**
   * Queues by name, with their limits. Other queues are made, without limits, when a job names them. What was set with
   * `scheduler.queue(name)` is kept with the store, and holds in place of this until `reset` is called. Default: none.
   */
  readonly queues?: { readonly [queue: string]: LineOptions } | undefined
  /** Options that all jobs of a type share. Default: none. */
  readonly defaults?: { readonly [Type in Name]?: JobDefaults } | undefined
  /**
   * Standard Schemas by job type, which refuse bad input at `add`. (In the worker module, `schema` checks the input of each
   * attempt.) Default: none.
   */
  readonly schemas?: { readonly [Type in Name]?: StandardSchema } | undefined
  /**
   * Goes around each call that adds jobs, the first of the list outermost: for traces, tenants, quotas. Jobs that schedules, flows
   * and other extensions add do not pass through it. Default: none.
   */
  readonly middleware?: readonly Middleware[] | undefined
  /**
   * How long a cancelled or timed-out attempt may take to stop after its signal was aborted, before its worker is ended; in
   * milliseconds. Default 1,000.
   */
  readonly graceMs?: number | undefined
  /** How long a worker may take to start, in milliseconds. After that it has failed to load. Default 30,000. */
  readonly startTimeoutMs?: number | undefined
  /** How many jobs may wait. Beyond that `add` rejects with `QUEUE_FULL`. Default 2,000,000. */
  readonly maxQueued?: number | undefined
  /**
   * How many finished jobs are kept, and for how long. Default: completed 1,000 or an hour, failed and cancelled 10,000 or 30
   * days.
   */
  readonly keep?: KeepOptions | undefined
  /** Your own error classes: when a handler throws one, it arrives as an instance of its class. Default: none. */
  readonly errors?: readonly ErrorClass[] | undefined
  /** Options that are passed to each worker, on Node. Default: none. */
  readonly workerOptions?: WorkerOptions | undefined
  /**
   * On Node, Bun and Deno: what becomes of this scheduler when the process is told to end, by SIGTERM or SIGINT. At the first
   * signal no more jobs start, and those that run get `graceMs`, by default 10,000, to finish; the rest is interrupted, and stored
   * jobs survive. A second signal interrupts at once. Then the process ends by the signal, unless the application has listeners of
   * its own for it. Browsers have no signals; there it does nothing. Default: signals are left alone.
   */
  readonly handleSignals?: { readonly graceMs?: number | undefined } | undefined
  /** The clock, for tests. Default: the clock of the system. */
  readonly clock?: Clock | undefined
  /** For tests: returns a number from 0 up to 1. Default: the random source of the system. */
  readonly random?: (() => number) | undefined
}

/** The options of `close`. */
export interface CloseOptions {
  /**
   * `drain` runs everything that is queued; `finish` waits for the jobs that run; `now` interrupts them, and stored jobs
   * survive. Default `finish`.
   */
  readonly mode?: CloseMode | undefined
  /** After this many milliseconds the remaining jobs are interrupted, as with `now`. Default: no limit. */
  readonly timeoutMs?: number | undefined
}

const workersMax = 1_024
const workersIdleMs = 30_000

/** Returns a checked copy, which is kept; `null` for no limit. */
export function takeRateLimit(given: RateLimit | null | undefined): RateLimit | null {
  const copy = check.deepCopy(given) ?? null
  check.checkArgument('rateLimit', (value) => (value === null ? undefined : rateLimitCheck(value)), copy)
  return copy && Object.freeze(copy)
}
export const checkConcurrency = (value: unknown): void =>
  check.checkArgument('concurrency', check.integerOrInfinity(1), value)

const defaults: check.Check = (value) => {
  const expected = check.object(value)
  if (expected) return expected
  for (const [name, options] of Object.entries(value as object)) checkJobDefaults(options, `defaults.${name}.`)
  return undefined
}

const schemas: check.Check = (value) => {
  const isSchema = (item: unknown) => (isObject(item) || typeof item === 'function') && '~standard' in item
  return isObject(value) && Object.values(value).every(isSchema)
    ? undefined
    : 'an object of Standard Schemas by job type'
}

const withMethods =
  (expected: string, ...methods: readonly string[]): check.Check =>
  (value) =>
    isObject(value) && methods.every((method) => typeof value[method] === 'function') ? undefined : expected

const store = withMethods('a store: an object with open, commit and close', 'open', 'commit', 'close')
const clock = withMethods('a clock: an object with now, monotonic and startTimer', 'now', 'monotonic', 'startTimer')

const condition = withMethods('a condition: an object with isMet and subscribe', 'isMet', 'subscribe')

/** An object with all of these options. */
const whole =
  (checks: check.Checks, name: string): check.Check =>
  (value) => {
    const expected = check.nested(checks, name)(value)
    const isMissing = (option: string) => (value as Record<string, unknown>)[option] === undefined
    return (
      expected ??
      (Object.keys(checks).some(isMissing) ? `an object with ${Object.keys(checks).join(' and ')}` : undefined)
    )
  }

const queueChecks: check.Checks = {
  concurrency: check.integerOrInfinity(1),
  rateLimit: rateLimitCheck,
  order: check.callable,
  lifo: check.boolean,
  ageing: whole({ everyMs: check.positiveMs, by: check.number(0.001) }, 'ageing'),
  condition: check.either(condition, check.listOf(condition, 'conditions')),
}

/** A queue has one order. */
const orders = ['order', 'lifo', 'ageing'] as const

const queues: check.Check = (value) => {
  const expected = check.object(value)
  if (expected) return expected
  for (const [name, options] of Object.entries(value as object)) {
    check.checkArgument('name in queues', queueNameCheck, name)
    check.checkOptions(options, queueChecks, `queues.${name}.`)
    if (orders.filter((order) => options[order]).length > 1) return `queues that have one of ${orders.join(', ')}`
  }
  return undefined
}

const workerChecks: check.Checks = {
  min: check.integer(0, workersMax),
  max: check.integer(1, workersMax),
  idleMs: check.durationMsOrInfinity,
}

const workers: check.Check = (value) => {
  if (typeof value === 'number') return check.integer(1, workersMax)(value)
  const expected = check.nested(workerChecks, 'workers')(value)
  if (expected) return `${check.integer(1, workersMax)(Number.NaN)}, or an object with min, max and idleMs`
  const { min = 0, max = workersMax } = value as WorkersOptions
  return min > max ? 'an object with min no larger than max' : undefined
}

const keepChecks: check.Checks = { count: check.integerOrInfinity(0), ageMs: check.durationMsOrInfinity }
const keep = check.nested(
  byTerminal((state) => check.nested(keepChecks, `keep.${state}`)),
  'keep',
)

const middleware = check.nested({ name: check.string(256), add: check.callable }, 'middleware')

const optionChecks: check.Checks = {
  engine: withMethods('an engine', 'makeEngine'),
  store,
  workers,
  reserve: whole({ workers: check.integer(1, workersMax), minPriority: check.finite }, 'reserve'),
  concurrency: check.integer(1, 10_000),
  queues,
  defaults,
  schemas,
  middleware: check.listOf(middleware, 'middleware: { name, add }'),
  graceMs: check.durationMs,
  startTimeoutMs: check.positiveMs,
  maxQueued: check.integerOrInfinity(1),
  keep,
  errors: (value) => check.listOf(check.callable, 'error classes')(value),
  workerOptions: check.object,
  handleSignals: check.nested({ graceMs: check.durationMs }, 'handleSignals'),
  clock,
  random: check.callable,
}

export const closeChecks: check.Checks = { mode: check.oneOf('drain', 'finish', 'now'), timeoutMs: check.durationMs }

/** Checks the options and fills in the defaults. */
export function resolveOptions(given: SchedulerOptions<never> = {}) {
  check.checkArgument('options', check.object, given)
  const options = { ...check.deepCopy(given, 1), ...readLater(given) }
  check.checkOptions(options, optionChecks)
  const unwanted = options.engine && options.store
  check.checkArgument('store', () => unwanted && 'left out beside `engine`', unwanted)
  return {
    engine: options.engine,
    store: options.store ?? memoryStore(),
    workers: resolveWorkers(options.workers),
    reserve: options.reserve,
    concurrency: options.concurrency ?? 1,
    queues: options.queues ?? {},
    defaults: (options.defaults ?? {}) as Readonly<Record<string, JobDefaults>>,
    schemas: { ...options.schemas } as Readonly<Record<string, StandardSchema>>,
    middleware: [...(options.middleware ?? [])],
    graceMs: options.graceMs ?? 1_000,
    startTimeoutMs: options.startTimeoutMs ?? 30_000,
    maxQueued: options.maxQueued ?? 2_000_000,
    keep: resolveKeep(options.keep),
    errors: [...(options.errors ?? [])],
    workerOptions: options.workerOptions ?? {},
    signalGraceMs: options.handleSignals && (options.handleSignals.graceMs ?? 10_000),
    // Browsers round times to a millisecond at most.
    clock: options.clock ?? { ...systemClock, resolutionMs: 1 },
    random: options.random ?? systemRandom,
  }
}

const readLater = ({ queues, defaults, workerOptions }: SchedulerOptions<never>) =>
  check.deepCopy({ queues, defaults, workerOptions })

function resolveWorkers(given: number | WorkersOptions = {}): Required<{ min: number; max: number; idleMs: number }> {
  if (typeof given === 'number') return { min: given, max: given, idleMs: Number.POSITIVE_INFINITY }
  const max = given.max ?? Math.max(spareCores(), given.min ?? 1)
  return { min: given.min ?? Math.min(1, max), max, idleMs: given.idleMs ?? workersIdleMs }
}

const resolveKeep = (given: KeepOptions = {}): KeepByState =>
  byTerminal((state) => ({
    count: given[state]?.count ?? keepDefault[state].count,
    ageMs: given[state]?.ageMs ?? keepDefault[state].ageMs,
  }))
