/**
 * Steps, and those that stand or fall together: what one call asks for is done whole or refused whole.
 *
 * A call that adds jobs may be refused by the store. Its steps name it, whatever it does: it adds, and to make room for that it
 * may cancel and remove. Steps that name no call have happened (a job has ended, somebody cancelled it) and are tried again.
 */
import type { JobEventMap } from '../events/event-map.ts'
import type { Action } from '../job/transition.ts'
import type { Change } from '../store/store.ts'
import type { LiveJob } from './live-job.ts'

/** Why a job goes. */
export type Removal = JobEventMap['removed']['reason']

/** One move of one job, on its way to the store and then to whoever is to hear of it. */
export interface Step extends Change {
  readonly job: LiveJob
  /** `turn`: the rows of an extension's turn. It is about no job; its own is a stand-in that nobody knows. */
  readonly type: Action['type'] | 'insert' | Removal | 'turn'
  /** The call that it is a part of, if that falls whole when the store refuses; any other step is tried again. */
  call: object | undefined
  /** What else is to be done once it is committed. */
  readonly afterwards: (() => void) | undefined
  /** The turn of an extension in which it was written, if it was in one: see extensions.ts. */
  turn: object | undefined
}

/**
 * Of a batch that the store refused, and of what has been written since: the steps that fall, because of those that are
 * blamed. Calls that were to add jobs are refused whole. What has come of these jobs falls with them, and so does every call
 * that found them, or found an id free that is taken again. Of a step that no call has made all of its job falls.
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

/** A job that was being added, and what its call wanted with one of its id. */
export interface Adding {
  readonly job: LiveJob
  readonly ifExists: 'replace' | 'return'
}

/** What is not committed: by call, the jobs that have not been removed since. */
export function addingOf(pending: readonly Step[]): Adding[][] {
  const calls = new Map<object, Adding[]>()
  const gone = new Set(pending.filter(({ after }) => !after).map(({ job }) => job))
  const replaced = new Set<string>()
  for (const { job, before, after, call, turn } of pending) {
    // What extensions add is added again by what they follow.
    if (!call || turn) continue
    if (before && !after) replaced.add(before.id)
    if (before || gone.has(job)) continue
    const jobs = calls.get(call) ?? []
    calls.set(call, jobs)
    jobs.push({ job, ifExists: replaced.has(job.record.id) ? 'replace' : 'return' })
  }
  return [...calls.values()]
}
