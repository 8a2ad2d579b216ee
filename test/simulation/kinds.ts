/** Jobs that come of `offstage/schedules`, `offstage/dedupe`, `offstage/flows` and `offstage/topics`, or that jobs run: their inputs, and what each of them is known by. */
import type { JobRecord } from '../../src/job/record.ts'
import { waitsOf } from '../../src/job/waits.ts'

type Kind = 'schedule' | 'key' | 'flow' | 'batch' | 'topic' | 'child'

export interface SimInput {
  /** Unique for each call. */
  readonly tag: number
  readonly value: unknown
  readonly isWatched?: boolean
  readonly after?: string | undefined
  /** None of it: a job that a call has added, with the input that it keeps. */
  readonly of?: Kind
  /** The flow or batch that it belongs to. */
  readonly within?: string
  /** The tags of all calls that are in it, the newest last. */
  readonly merged?: readonly number[]
}

/** What a job is known by. */
export type Tag = number | string

type Known = Pick<JobRecord, 'id' | 'input'>

export const inputOf = ({ input }: Pick<Known, 'input'>): SimInput => input as SimInput

/**
 * The tag of the call that has added it. One call sets a schedule that adds many jobs, or publishes what does; an input may come to another job of its
 * key. Those ids are never used twice.
 */
export function tagOf({ id, input }: Known): Tag {
  const { tag, of } = input as SimInput
  if (of === undefined || of === 'flow' || of === 'batch' || of === 'child') return tag
  return of === 'key' ? id : `${tag} ${id}`
}

/** A job of a schedule: which, and at which of its occurrences; `undefined` for one that was triggered by hand. */
export function occurrenceOf(jobId: string): { readonly scheduleId: string; readonly at: number | undefined } {
  const index = jobId.lastIndexOf('@')
  const suffix = jobId.slice(index + 1)
  return { scheduleId: jobId.slice(0, index), at: suffix.startsWith('trigger-') ? undefined : Date.parse(suffix) }
}

export const isOf = (record: Pick<Known, 'input'>, of: Kind): boolean => inputOf(record).of === of

/** Whether it waits for other jobs to let it go: those whose handlers wait are blocked as well. */
export const isHeldBack = (record: JobRecord): boolean => record.state === 'blocked' && !waitsOf(record)

export const isPlain = (record: Pick<Known, 'input'>): boolean => inputOf(record).of === undefined
