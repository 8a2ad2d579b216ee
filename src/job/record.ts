/** The states of a job, and no others. */
export const states = ['scheduled', 'blocked', 'queued', 'running', 'completed', 'failed', 'cancelled'] as const

export type State = (typeof states)[number]

/** How long to wait before the next attempt. */
export interface Backoff {
  /** `fixed`: always `delayMs`; `linear`: twice, three times, …; `exponential`: doubled each time. */
  readonly type: 'fixed' | 'linear' | 'exponential'
  readonly delayMs: number
  /** No wait is longer. Default: no limit. */
  readonly maxMs?: number | undefined
  /** The share of each wait that is left to chance, 0 to 1: 0.5 waits between half and all of it. Default 0. */
  readonly jitter?: number | undefined
}

/** Texts by name, for whoever handles the job or looks at it: a trace, a tenant, a locale. */
export type JobHeaders = { readonly [name: string]: string }

/** What is read where a job has none. */
export const noHeaders: JobHeaders = Object.freeze({})

/** The part of a job's options that is kept with it; most jobs of a type share one of these objects. */
export interface Rules {
  readonly attempts: number
  readonly backoff: Backoff | undefined
  readonly timeoutMs: number | undefined
  readonly keepMs: number | undefined
  readonly tags: readonly string[]
  /** The extensions that have marked the job, by name. Of most jobs none has, and then it is not there. */
  readonly marks?: readonly string[]
  /** What its caller says about the job, for handlers and listeners to read. Of most jobs nothing, and then it is not there. */
  readonly headers?: JobHeaders
}

/**
 * A job as it is stored. Records are values: `transition` returns a new one and never changes the old.
 *
 * Every record has every field, in this order: engines are several times faster with objects of one shape. So a new one is
 * made by `copyRecord`, not by `{ ...record }`, which makes a shape for each place where it is written.
 *
 * What nearly every job is given later is counted from `addedAt`: V8 writes small numbers into the record itself. A time is
 * an object to it, and what is new and hangs on an old record is slow to clear up.
 */
export interface JobRecord {
  readonly id: string
  readonly name: string
  readonly queue: string
  readonly rules: Rules
  readonly input: unknown
  readonly state: State
  /** Higher first. */
  readonly priority: number
  /** The place among equals of one priority: when it was first due, then the order of adding. A retry keeps both. */
  readonly dueAt: number
  readonly seq: number
  /** The number of the newest attempt, 0 before the first. It counts every start and so fences what is older. */
  readonly attempt: number
  /** Attempts that failed since the job was added or last retried by hand: these are held against `rules.attempts`. */
  readonly failures: number
  /** Deaths of a thread that were this job's own making. */
  readonly interruptions: number
  /** Times in a row that its process or page ended while it ran, and nothing has spoken for it since. */
  readonly crashes: number
  readonly addedAt: number
  /** While `scheduled`: when it is due. While `blocked`: not before that. */
  readonly runAt: number | undefined
  /** A job that has not started by then fails. */
  readonly expiresAt: number | undefined
  /** When the newest attempt started: so many milliseconds after `addedAt`. */
  readonly startMs: number | undefined
  /** When it was completed, failed or cancelled, in the same way. */
  readonly finishMs: number | undefined
  /** Of a completed job. */
  readonly result: unknown
  /** Of a failed or cancelled job, and while a job waits for its next attempt: what the last one threw. */
  readonly error: unknown
  readonly checkpoint: unknown
  /** Values recorded by `step`, by key. */
  readonly steps: ReadonlyMap<string, unknown> | undefined
}

/** The next record, before it differs from this one. */
export const copyRecord = (record: JobRecord): { -readonly [Field in keyof JobRecord]: JobRecord[Field] } => ({
  id: record.id,
  name: record.name,
  queue: record.queue,
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

/** Their sum, once there are both. */
export const plus = (ms: number | undefined, otherMs: number): number | undefined =>
  ms === undefined ? undefined : ms + otherMs

export const finishedAt = ({ addedAt, finishMs }: JobRecord): number | undefined => plus(finishMs, addedAt)

export const isTerminal = (state: State): boolean =>
  state === 'completed' || state === 'failed' || state === 'cancelled'

/** Waits for a thread, a time or another job. */
export const isWaiting = (state: State): boolean => state === 'queued' || state === 'scheduled' || state === 'blocked'

/**
 * A job between two of its attempts: its wait counts as work, unlike that of a job planned for later. (An attempt that
 * found no thread to start on has failed and has no number.)
 */
export const isRetrying = ({ state, attempt, failures }: JobRecord): boolean =>
  state === 'scheduled' && (attempt > 0 || failures > 0)
