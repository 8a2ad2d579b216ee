/**
 * What a scheduler and its threads say to each other.
 *
 * One message is a flat array of many notes, each an operation followed by its fields: `[done, 7, 0.1, 42, done, 8, …]`.
 * Flat and numeric because structured clone costs by the object: a small array for each note halves the throughput.
 */

import type { JobHeaders } from '../job/record.ts'

/** From the scheduler to a thread. */
export const toThread = {
  /** wireId, name, id, attempt, isWatched, resume, input */
  run: 0,
  /** wireId, thrown: stop, for this reason, and say when you have. */
  abort: 1,
  /** wireId, count: so many values were read. */
  taken: 2,
  /** wireId, call: what was to be kept is safe. */
  kept: 3,
  /** count: run no more async handlers than this at a time. */
  concurrency: 4,
  /** wireId, name, id, input: a first attempt that nothing is to be said of but this. Most are. */
  runFirst: 5,
  /** memory: of the table in which attempts are claimed. */
  claims: 6,
} as const

/** From a thread to the scheduler. */
export const fromThread = {
  /** (nothing): the module is loaded. */
  ready: 0,
  /** wireId: it runs now. Said for attempts that are watched or may be long. */
  begun: 1,
  /** wireId, runUs (a whole number: fractions are objects), result */
  done: 2,
  /** wireId, runUs, thrown, isFinal: another attempt would fail the same way. */
  failed: 3,
  /** wireId, progress */
  progress: 4,
  /** wireId, value */
  value: 5,
  /** wireId, args */
  log: 6,
  /** wireId, call, key (of a step; '' for the checkpoint), value */
  keep: 7,
  /** thrown: something that nobody caught; this thread cannot be trusted any more. */
  fatal: 8,
} as const

/** How many fields follow each operation. */
export const toThreadFields: readonly number[] = [7, 2, 2, 2, 1, 4, 1]
export const fromThreadFields: readonly number[] = [0, 1, 3, 4, 2, 2, 2, 4, 1]

/** How many places the note takes up that begins there; 0 when it is none. `fields`: of all operations there are. */
export function lengthOfNote(batch: readonly unknown[], at: number, fields: readonly number[]): number {
  const operation = batch[at]
  const length = typeof operation === 'number' ? 1 + (fields[operation] ?? batch.length) : 0
  return at + length <= batch.length ? length : 0
}

/** What most attempts have none of: the headers of the job, and what earlier attempts have left. */
export interface Resume {
  readonly checkpoint: unknown
  readonly steps: ReadonlyMap<string, unknown> | undefined
  readonly headers?: JobHeaders
}

/** Values that a handler may send ahead of a slow reader before `send` makes it wait. */
export const valuesAhead = 16
