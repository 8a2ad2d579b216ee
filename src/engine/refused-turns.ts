/** What the refusal of a batch means to the turns of extensions. */
import type { JobRecord } from '../job/record.ts'
import type { JobChanges } from '../job/transition.ts'
import { versionOf } from '../job/version.ts'
import { type Signal, unread } from '../job/waits.ts'
import type { Attached } from './attached.ts'
import type { Jobs } from './jobs.ts'
import type { LiveJob } from './live-job.ts'
import type { Step } from './steps.ts'
import type { Writing } from './turn.ts'

/**
 * Returns all steps that fall when the `first` do: the other steps of their calls, later steps of their jobs, what followed from
 * them, and whatever the same extensions wrote later.
 */
export function fallenWith(first: ReadonlySet<Step>, all: readonly Step[]): Set<Step> {
  const fallen = new Set(first)
  const calls = new Set<object>()
  const jobs = new Set<LiveJob>()
  const writings = new Set<Writing>()
  for (let known = -1; known !== fallen.size; ) {
    known = fallen.size
    jobs.clear()
    const touched = new Set<Attached>()
    for (const step of all) {
      const writing = step.turn as Writing | undefined
      const { job, call } = step
      const isLost = writing && (writings.has(writing) || (writing.origin && fallen.has(writing.origin)))
      const isBuiltOnIt = jobs.has(job) || (writing && [...writing.attached].some((each) => touched.has(each)))
      if (!fallen.has(step) && !isLost && !isBuiltOnIt && !(call && calls.has(call))) continue
      fallen.add(step)
      jobs.add(job)
      if (call) calls.add(call)
      if (!writing) continue
      writings.add(writing)
      for (const each of writing.attached) touched.add(each)
    }
  }
  return fallen
}

/** Repeats what a caller requested. Any other move of a waiting job comes about again by itself. */
export function repeat({ job, type, after, before }: Step, jobs: Jobs): void {
  if (!job.isListed) return
  if (type === 'cancel') jobs.moveIfLegal(job, { type, error: (after as JobRecord).error })
  if (type === 'prioritize') jobs.moveIfLegal(job, { type, priority: (after as JobRecord).priority })
  if (type === 'update') jobs.update(job, changesBetween(before as JobRecord, after as JobRecord))
  if (type === 'due') jobs.fallDue(job)
  if (type === 'child') jobs.family.look(job)
  if (type === 'signal') jobs.signal(job, unread(after?.steps).at(-1) as Signal)
  if (type === 'retry') jobs.retry(job)
  if (type === 'mark') jobs.setRules(job, (after as JobRecord).rules)
  if (type === 'removed' && before) jobs.remove(job, type)
}

/** Returns what an update requested, as far as the two records show it. */
function changesBetween(before: JobRecord, after: JobRecord): JobChanges {
  const { input, priority, rules } = after
  const isMoved = before.runAt !== after.runAt
  return {
    ...(before.input !== input && { input }),
    // A time that has passed means now.
    runAt: isMoved ? (after.runAt ?? 0) : undefined,
    priority,
    ...(before.rules !== rules && { tags: rules.tags, version: versionOf(rules.headers) }),
  }
}
