/**
 * The messages between a scheduler and its workers.
 *
 * One post is a flat array of many messages, each an operation followed by its fields: `[done, 7, 0.1, 42, done, 8, …]`. It is
 * flat and numeric because structured clone costs by the object: a small array for each message halves the throughput.
 */

import type { JobHeaders } from '../job/record.ts'
import type { Wait } from '../job/waits.ts'
import type { SentParents } from '../shared/parents.ts'

/** From the scheduler to a worker. */
export const toThread = {
  /** wireId, name, id, attempt, isWatched, resume, input */
  run: 0,
  /** wireId, thrown: stop for this reason, and report when stopped. */
  abort: 1,
  /** wireId, count: the reader took this many values. */
  ack: 2,
  /** wireId, call: what this call saves is committed. */
  saved: 3,
  /** count: run at most this many async handlers at a time. */
  concurrency: 4,
  /** wireId, name, id, input: a first attempt that needs nothing else. Most are like this. */
  runFirst: 5,
  /** memory: the table in which attempts are claimed. */
  claims: 6,
  /** wireId, signal: the job was sent it. */
  signal: 7,
} as const

/** From a worker to the scheduler. */
export const fromThread = {
  /** (nothing): the module is loaded. */
  ready: 0,
  /** wireId: the attempt runs now. Sent for attempts that are watched or may be long. */
  begun: 1,
  /** wireId, runUs (a whole number: fractions are objects), result */
  done: 2,
  /** wireId, runUs, thrown, retryMs: the wait that the handler asks for; `undefined` for the back-off, `never` for the end. */
  failed: 3,
  /** wireId, progress */
  progress: 4,
  /** wireId, value */
  value: 5,
  /** wireId, args */
  log: 6,
  /** wireId, call, key (of a step; '' for the checkpoint), value */
  save: 7,
  /** thrown: an error that was not caught; this worker cannot be trusted any more. */
  fatal: 8,
  /** wireId, ms: the handler has put its job off. */
  snoozed: 9,
  /** wireId, ms: the handler has put its job back, and its queue is to rest. */
  rateLimited: 10,
  /** wireId, waits: all code of the handler waits. */
  waiting: 11,
  /** types: which of them take how many jobs in one call. Sent before `ready`, if there are any. */
  together: 12,
} as const

/** How many fields follow each operation. */
export const toThreadFields: readonly number[] = [7, 2, 2, 2, 1, 4, 1, 2]
export const fromThreadFields: readonly number[] = [0, 1, 3, 4, 2, 2, 2, 4, 1, 2, 2, 2, 1]

/**
 * Returns the length of the message that begins at this index; 0 if it is not a valid one. `fields`: the number of fields of
 * each operation.
 */
export function messageLength(batch: readonly unknown[], at: number, fields: readonly number[]): number {
  const operation = batch[at]
  const length = typeof operation === 'number' ? 1 + (fields[operation] ?? batch.length) : 0
  return at + length <= batch.length ? length : 0
}

/** A `Wait` as an attempt reports it. Its end is known if an earlier attempt has waited for the same; otherwise `ms` is left. */
export type SentWait = readonly [...Wait, ms: number | undefined, child?: ChildRequest | undefined]

/** The job that a handler runs. */
export interface ChildRequest {
  readonly input: unknown
  readonly options: object | undefined
}

/** What most attempts do not have: headers of the job, the results of others, and what earlier attempts have saved. */
export interface Resume extends Partial<SentParents> {
  readonly checkpoint: unknown
  readonly steps: ReadonlyMap<string, unknown> | undefined
  readonly headers?: JobHeaders
}

/** How many jobs of a type a handler takes in one call, and how long the first of them waits for others. */
export interface Together {
  readonly max: number
  readonly waitMs: number
}

/** How many jobs one call may take. A worker has numbers for more attempts than that. */
export const togetherMax = 1_000

/** How many values a handler may send ahead of a slow reader before `send` makes it wait. */
export const valuesAhead = 16
