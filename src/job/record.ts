/** The states of a job, and no others. */
export const states = ['scheduled', 'blocked', 'queued', 'running', 'completed', 'failed', 'cancelled'] as const

/** One of the states of a job. */
export type State = (typeof states)[number]

/** The states of a finished job. */
export const terminalStates = ['completed', 'failed', 'cancelled'] as const

/** One of the states of a finished job. */
export type Terminal = (typeof terminalStates)[number]

/** Returns what `make` returns for each of these states. */
export const byTerminal = <Made>(make: (state: Terminal) => Made): Record<Terminal, Made> =>
  Object.fromEntries(terminalStates.map((state) => [state, make(state)])) as Record<Terminal, Made>

/** A wait between attempts that is calculated from one delay. */
interface Curve {
  /**
   * `fixed`: always `delayMs`. `linear`: after the second failure twice that, then three times, … `exponential`: doubled each
   * time.
   */
  readonly type: 'fixed' | 'linear' | 'exponential'
  /** The wait after the first failure, in milliseconds. */
  readonly delayMs: number
  /** The longest wait, in milliseconds. Default: no limit. */
  readonly maxMs?: number | undefined
  /**
   * How much of each wait is random. A share from 0 to 1: with 0.5 the wait is between half of it and all of it. `'full'`: the
   * same as 1. `'decorrelated'`: whatever the `type`, between `delayMs` and three times the wait before. Default 0.
   */
  readonly jitter?: number | 'full' | 'decorrelated' | undefined
}

/** The waits of Sidekiq: 15 to 24 seconds, then 16 to 34, 31 to 58, 96 to 132, … 20 days after 25 failures in all. */
interface SidekiqCurve {
  /** Has a delay of its own, so there is no `delayMs`. */
  readonly type: 'sidekiq'
  /** The longest wait, in milliseconds. Default: no limit. */
  readonly maxMs?: number | undefined
}

/**
 * How long to wait before the next attempt: a curve, or the waits themselves, in milliseconds, of which the last repeats:
 * `[1_000, 10_000, 60_000]`.
 */
export type Backoff = Curve | SidekiqCurve | readonly number[]

/** Texts by name, for code that handles the job or looks at it: a trace, a tenant, a locale. */
export type JobHeaders = { readonly [name: string]: string }

/**
 * By this name the headers of a job say which job has run it: `7 order:17`. The number is its `seq`: another job may have had
 * the same id before, and its children are not those of this one.
 */
export const parentHeader = 'offstage:parent'

/** Returns the id of the job that has run the one with these headers; `undefined` if none has. */
export function parentIdIn(headers: JobHeaders | undefined): string | undefined {
  const parent = headers?.[parentHeader]
  return parent?.slice(parent.indexOf(' ') + 1)
}

/** The value for a job that has none. */
export const noHeaders: JobHeaders = Object.freeze({})

/** The options that are stored with the job. Most jobs of a type share one of these objects. */
export interface Rules {
  /** How often the job is tried before it counts as failed. */
  readonly attempts: number
  /** The wait between attempts; `undefined` for none. */
  readonly backoff: Backoff | undefined
  /** The time limit of one attempt, in milliseconds; `undefined` for none. */
  readonly timeoutMs: number | undefined
  /** How long the finished job is kept, in milliseconds; `undefined` if the scheduler's `keep` decides. */
  readonly keepMs: number | undefined
  /** Words by which the job can be found. */
  readonly tags: readonly string[]
  /** How long the job may be tried again, in milliseconds. Absent if there is no limit, as for most jobs. */
  readonly retryForMs?: number
  /** How many of the values that its handler sends are kept. Absent if none are, as for most jobs. */
  readonly keepValues?: number
  /** The names of the extensions that have marked the job. Absent if there are none, as for most jobs. */
  readonly marks?: readonly string[]
  /** Texts that the caller attached, for handlers and listeners to read. Absent if there are none, as for most jobs. */
  readonly headers?: JobHeaders
}

/**
 * A job as it is stored. Records are values: `transition` returns a new one and never changes the old.
 *
 * Every record has every field, in this order, because engines are several times faster with objects of one shape. So make a
 * new record with `copyRecord`, not with `{ ...record }`, which makes a shape for each place where it is written.
 *
 * Times that nearly every job gets later are counted from `addedAt`, because V8 writes small numbers into the record itself. A
 * full time is an object to V8, and a new object that an old record points to is slow to collect.
 */
export interface JobRecord {
  /** No two jobs of a scheduler have the same id at a time. */
  readonly id: string
  /** The job type. */
  readonly name: string
  /** The name of its queue. */
  readonly queue: string
  /** The group that it belongs to, if its queue is grouped. Not one of the rules, which jobs of different groups share. */
  readonly group: string | undefined
  /** The options that are stored with it. */
  readonly rules: Rules
  /** What the handler receives. */
  readonly input: unknown
  /** Where the job is in its life. */
  readonly state: State
  /** Higher goes first. */
  readonly priority: number
  /** The place among jobs of one priority: when it was first due, then the order of adding. A retry keeps both. */
  readonly dueAt: number
  /** The sequence number, in the order of adding. It identifies the job in a store. */
  readonly seq: number
  /** The number of the newest attempt; 0 before the first. It counts every start, and so fences older attempts. */
  readonly attempt: number
  /** How many attempts failed since the job was added or last retried by hand. This is compared with `rules.attempts`. */
  readonly failures: number
  /** How many workers this job has ended. */
  readonly interruptions: number
  /** How many times in a row its process or page ended while it ran, without proof since then that the job is harmless. */
  readonly crashes: number
  /** When it was added: wall time, in milliseconds since 1970, as all times here that end in `At`. */
  readonly addedAt: number
  /** While `scheduled`: when it is due. While `blocked`: the earliest time at which it may be due. */
  readonly runAt: number | undefined
  /** A job that has not started by this time fails. With `retryForMs`, after its first failure: not started again. */
  readonly expiresAt: number | undefined
  /** When the newest attempt started, in milliseconds after `addedAt`. */
  readonly startMs: number | undefined
  /** When it was completed, failed or cancelled, in milliseconds after `addedAt`. */
  readonly finishMs: number | undefined
  /** The result of a completed job. */
  readonly result: unknown
  /** The error of a failed or cancelled job. While a job waits for its next attempt: what the last one threw. */
  readonly error: unknown
  /** What the last `checkpoint` has saved. */
  readonly checkpoint: unknown
  /** The values that `step` has recorded, by key. */
  readonly steps: ReadonlyMap<string, unknown> | undefined
}

/** Returns a copy, which becomes the next record. */
export const copyRecord = (record: JobRecord): { -readonly [Field in keyof JobRecord]: JobRecord[Field] } => ({
  id: record.id,
  name: record.name,
  queue: record.queue,
  group: record.group,
  rules: record.rules,
  input: record.input,
  state: record.state,
  priority: record.priority,
  dueAt: record.dueAt,
  seq: record.seq,
  attempt: record.attempt,
  failures: record.failures,
  interruptions: record.interruptions,
  crashes: record.crashes,
  addedAt: record.addedAt,
  runAt: record.runAt,
  expiresAt: record.expiresAt,
  startMs: record.startMs,
  finishMs: record.finishMs,
  result: record.result,
  error: record.error,
  checkpoint: record.checkpoint,
  steps: record.steps,
})

/** Returns the sum; `undefined` if `ms` is. */
export const plus = (ms: number | undefined, otherMs: number): number | undefined =>
  ms === undefined ? undefined : ms + otherMs

/** How many of its newest values the job keeps; 0 for none. */
export const keepsValues = ({ rules }: JobRecord): number => rules.keepValues ?? 0

export const finishedAt = ({ addedAt, finishMs }: JobRecord): number | undefined => plus(finishMs, addedAt)

export const isTerminal = (state: State): boolean =>
  state === 'completed' || state === 'failed' || state === 'cancelled'

/** Whether the job waits for a worker, a time or another job. */
export const isWaiting = (state: State): boolean => state === 'queued' || state === 'scheduled' || state === 'blocked'
