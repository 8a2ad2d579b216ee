/**
 * Steps, and which of them are refused together: each call is carried out as a whole or refused as a whole.
 *
 * The store may refuse a call that adds jobs. All steps of such a call carry the call: it adds jobs, and it may cancel and
 * remove others to make room for them. A step without a call has already happened (a job ended, a caller cancelled it) and is
 * tried again.
 */
import type { JobEventMap } from '../events/event-map.ts'
import type { JobRecord } from '../job/record.ts'
import type { Action } from '../job/transition.ts'
import type { Change, Row } from '../store/store.ts'
import type { InsertRequest } from './engine.ts'
import type { LiveJob } from './live-job.ts'

/** Why a job is removed. */
export type Removal = JobEventMap['removed']['reason']

/** One move of one job. It goes to the store first, and then to the listeners. */
export interface Step extends Change {
  readonly job: LiveJob
  /**
   * `turn`: the rows of an extension's turn; `setting`: a row of the engine itself. Such a step is about no job; its `job` is a
   * placeholder. `value`: a value that the job keeps, as a row; its record stays the same.
   */
  readonly type: Action['type'] | 'insert' | Removal | 'turn' | 'setting' | 'value'
  /**
   * The call that this step is a part of, if the store may refuse that call as a whole. A step without a call is tried again.
   */
  call: object | undefined
  /** Called once the step is committed. */
  readonly afterwards: (() => void) | undefined
  /** The turn of an extension in which the step was written, if there was one; see extensions.ts. */
  turn: object | undefined
  /** What was wanted, where an extension was asked about it. */
  wanted?: InsertRequest | undefined
}

/** Returns the step of a row. `record`: of the job that it belongs to, if it does to one; it stays the same. */
export const rowStep = (
  job: LiveJob,
  type: 'setting' | 'value',
  row: Row,
  afterwards: () => void,
  record?: JobRecord,
): Step => ({ job, type, before: record, after: record, call: undefined, afterwards, turn: undefined, rows: [row] })

/**
 * After the store has refused a batch: returns the steps that are given up because of the blamed ones, among those of the batch
 * and all that were written since. A call that adds jobs is refused as a whole. Later steps of its jobs fall with it, and so
 * does every call that found one of these jobs, or that used an id which is now taken again. If a blamed step has no call, all
 * steps of its job fall.
 */
export function fallenOf(blamed: readonly Step[], all: readonly Step[]): ReadonlySet<Step> {
  const calls = new Set<object>()
  const jobs = new Set<LiveJob>()
  for (const { call, job } of blamed) {
    if (call) calls.add(call)
    else jobs.add(job)
  }
  const ids = new Set<string>()
  for (let known = -1; known !== calls.size + jobs.size + ids.size; ) {
    known = calls.size + jobs.size + ids.size
    for (const { job, call, before, after } of all) {
      if (!call) continue
      if (jobs.has(job) || (!before && after && ids.has(after.id))) calls.add(call)
      if (!calls.has(call)) continue
      if (!before) jobs.add(job)
      else if (!after && !jobs.has(job)) ids.add(before.id)
    }
  }
  return new Set(all.filter(({ job, call }) => jobs.has(job) || (call && calls.has(call))))
}

/** A job that was being added, and what its call wanted to happen if the id was taken. */
export interface Adding {
  readonly job: LiveJob
  readonly ifExists: 'replace' | 'return'
  readonly wanted: InsertRequest | undefined
}

/** Returns the jobs that were being added and not committed, grouped by call, without those that were removed since. */
export function addingOf(pending: readonly Step[]): Adding[][] {
  const calls = new Map<object, Adding[]>()
  const gone = new Set(pending.filter(({ after }) => !after).map(({ job }) => job))
  const replaced = new Set<string>()
  for (const { job, before, after, call, turn, wanted } of pending) {
    // Jobs that an extension adds are added again by the move that led to them; a restart is asked again itself.
    if (!call || turn || (call as Partial<InsertRequest>).again) continue
    if (before && !after) replaced.add(before.id)
    if (before || gone.has(job)) continue
    const jobs = calls.get(call) ?? []
    calls.set(call, jobs)
    jobs.push({ job, ifExists: replaced.has(job.record.id) ? 'replace' : 'return', wanted })
  }
  return [...calls.values()]
}
