/** Jobs that come of `offstage/schedules` and `offstage/dedupe`: their inputs, and what each of them is known by. */
import type { JobRecord } from '../../src/job/record.ts'

export interface SimInput {
  /** Unique for each call. */
  readonly tag: number
  readonly value: unknown
  readonly isWatched?: boolean
  readonly after?: string | undefined
  /** None of it: a job that a call has added, with the input that it keeps. */
  readonly of?: 'schedule' | 'key'
  /** The tags of all calls that are in it, the newest last. */
  readonly merged?: readonly number[]
}

/** What a job is known by. */
export type Tag = number | string

type Known = Pick<JobRecord, 'id' | 'input'>

export const inputOf = ({ input }: Pick<Known, 'input'>): SimInput => input as SimInput

/**
 * The tag of the call that has added it. One call sets a schedule that adds many jobs; an input may come to another job of its
 * key. Those ids are never used twice.
 */
export function tagOf({ id, input }: Known): Tag {
  const { tag, of } = input as SimInput
  if (of === undefined) return tag
  return of === 'key' ? id : `${tag} ${id}`
}

/** A job of a schedule: which, and at which of its occurrences; `undefined` for one that was triggered by hand. */
export function occurrenceOf(jobId: string): { readonly scheduleId: string; readonly at: number | undefined } {
  const index = jobId.lastIndexOf('@')
  const suffix = jobId.slice(index + 1)
  return { scheduleId: jobId.slice(0, index), at: suffix.startsWith('trigger-') ? undefined : Date.parse(suffix) }
}

export const isOf = (record: Pick<Known, 'input'>, of: 'schedule' | 'key'): boolean => inputOf(record).of === of

export const isPlain = (record: Pick<Known, 'input'>): boolean => inputOf(record).of === undefined
