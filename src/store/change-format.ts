/**
 * The encoding of one committed batch, in one frame or in several. This is format version 1, which every later version must be
 * able to read.
 *
 * A frame is a list of operations, each on the job with a certain `seq`: insert, update, remove. An insert and an update state
 * which fields differ from the record before (for an insert: from `blank`), and then their values, in the order of `JobRecord`.
 * Two more operations are on a row of an extension's table: put contains its value, drop removes it. Within a frame, sequence
 * numbers and times are written as differences from the one before; a name, a queue, a group, a table or the rules of a type is
 * written once in full, and later operations refer to it. Nothing refers to another frame.
 */
import type { JobRecord } from '../job/record.ts'

export const operations = { insert: 1, update: 2, remove: 3, put: 4, drop: 5 } as const

/**
 * A bit for each field. The fields that change most have the lowest bits: a mask below 2⁷ is one byte, below 2¹⁴ two. `seq`
 * names the job, so it has no bit. A bit never gets a new meaning; new fields get new bits at the end.
 */
export const bits = {
  state: 1 << 0,
  attempt: 1 << 1,
  startMs: 1 << 2,
  finishMs: 1 << 3,
  result: 1 << 4,
  error: 1 << 5,
  steps: 1 << 6,
  failures: 1 << 7,
  runAt: 1 << 8,
  checkpoint: 1 << 9,
  priority: 1 << 10,
  expiresAt: 1 << 11,
  interruptions: 1 << 12,
  dueAt: 1 << 13,
  id: 1 << 14,
  name: 1 << 15,
  queue: 1 << 16,
  rules: 1 << 17,
  input: 1 << 18,
  addedAt: 1 << 19,
  crashes: 1 << 20,
  group: 1 << 21,
} as const

export const bitsEnd = 1 << 22

/** The values of fields that an insert leaves out. It is part of the format: no value here may ever change. */
export const blank: JobRecord = {
  id: '',
  name: '',
  queue: '',
  group: undefined,
  rules: { attempts: 1, backoff: undefined, timeoutMs: undefined, keepMs: undefined, tags: [] },
  input: undefined,
  state: 'queued',
  priority: 0,
  dueAt: 0,
  seq: 0,
  attempt: 0,
  failures: 0,
  interruptions: 0,
  crashes: 0,
  addedAt: 0,
  runAt: undefined,
  expiresAt: undefined,
  startMs: undefined,
  finishMs: undefined,
  result: undefined,
  error: undefined,
  checkpoint: undefined,
  steps: undefined,
}

/** Codes from `first` on are differences: even ones are whole milliseconds later than the time before, odd ones earlier. */
export const times = { none: 0, double: 1, first: 2 } as const

export const stepsKinds = { none: 0, whole: 1, more: 2 } as const
