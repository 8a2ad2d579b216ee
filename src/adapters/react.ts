import { useEffect, useState, useSyncExternalStore } from 'react'
import type { SchedulerSnapshot } from '../engine/engine.ts'
import type { WatchFilter } from '../job-filter.ts'
import type { JobTable } from '../thread/job-types.ts'
import type { NameOf } from '../typed-job.ts'
import type { Scheduler } from '../typed-scheduler.ts'
import { type ShownState, shownJob, type UseJobOptions } from './shown-job.ts'
import { type ListedJobs, shownJobs } from './shown-jobs.ts'

/** What a page shows that is rendered on a server: the browser begins with the same, whatever its scheduler does already. */
const onServer = (): SchedulerSnapshot => nothingYet
const nothingYet: SchedulerSnapshot = {
  counts: { scheduled: 0, blocked: 0, queued: 0, running: 0, completed: 0, failed: 0, cancelled: 0 },
  isPaused: false,
  isIdle: true,
  workers: 0,
}

/**
 * Returns what can be seen of the scheduler: how many jobs are in which state, whether it is paused or idle, how many workers
 * there are. Renders again when that changes.
 *
 * @example
 * ```tsx
 * const { counts, isIdle } = useScheduler(scheduler)
 * return <p>{isIdle ? 'Nothing to do' : `${counts.queued} jobs wait`}</p>
 * ```
 */
export function useScheduler(scheduler: Pick<Scheduler<never>, 'subscribe' | 'snapshot'>): SchedulerSnapshot {
  return useSyncExternalStore(scheduler.subscribe, scheduler.snapshot, onServer)
}

/**
 * Returns the jobs that match the filter, as `scheduler.watch` lists them: the first 1,000, or `limit`. Renders again when the
 * list changes; jobs that did not change keep their objects. The list is empty on a server and in the first render. The filter
 * may be a new object each time. A filter that `watch` refuses is thrown, for an error boundary.
 *
 * @example
 * ```tsx
 * const running = useJobs(scheduler, { name: 'countPrimes', state: 'running' })
 * return running.map((job) => <progress key={job.id} value={job.progress} />)
 * ```
 */
export function useJobs<Table extends JobTable, const Name extends NameOf<Table> = NameOf<Table>>(
  scheduler: Scheduler<Table>,
  filter?: WatchFilter<Name>,
): ListedJobs<Table, Name> {
  const list = useKept(() => shownJobs(scheduler, filter), scheduler, JSON.stringify(filter))
  return useSyncExternalStore(list.subscribe, list.snapshot, list.snapshot)
}

/**
 * Starts a job of this type and shows it: `{ start, cancel, retry, state, progress, result, error }`. The job is cancelled when
 * the last component that shows it is unmounted, unless it is kept; one that was found by its `id` and that no component has
 * started goes on. On a server, and in the first render, the state is `idle`; no thread is started.
 *
 * @example
 * ```tsx
 * const { start, cancel, state, progress, result, error } = useJob(scheduler, 'countPrimes')
 * if (state === 'running') return <progress value={progress} onClick={cancel} />
 * return <button onClick={() => start({ upTo: 5e6 })}>{state === 'completed' ? result : 'Count'}</button>
 * ```
 */
export function useJob<Table extends JobTable, Name extends NameOf<Table>>(
  scheduler: Scheduler<Table>,
  name: Name,
  { id, keep = false }: UseJobOptions = {},
): ShownState<Table, Name> {
  const job = useKept(() => shownJob(scheduler, name, id), scheduler, name, id)
  useEffect(() => {
    job.keep = keep
  })
  return useSyncExternalStore(job.subscribe, job.snapshot, job.snapshot)
}

/** Like `useMemo`, which may forget, and does at every edit during development: the job would be gone with it. */
function useKept<Value>(make: () => Value, ...inputs: readonly unknown[]): Value {
  const made = () => ({ value: make(), inputs })
  let [kept, keep] = useState(made)
  if (inputs.some((input, at) => input !== kept.inputs[at])) {
    kept = made()
    keep(kept)
  }
  return kept.value
}
