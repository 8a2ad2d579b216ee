import { useEffect, useLayoutEffect, useReducer, useState } from 'preact/hooks'
import type { SchedulerSnapshot } from '../engine/engine.ts'
import type { WatchFilter } from '../job-filter.ts'
import type { JobTable } from '../thread/job-types.ts'
import type { NameOf } from '../typed-job.ts'
import type { Scheduler } from '../typed-scheduler.ts'
import type { Observable } from './observable.ts'
import { type ShownState, shownJob, type UseJobOptions } from './shown-job.ts'
import { type ListedJobs, shownJobs } from './shown-jobs.ts'

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
  return useShown(scheduler)
}

/**
 * Returns the jobs that match the filter, as `scheduler.watch` lists them: the first 1,000, or `limit`. Renders again when the
 * list changes; jobs that did not change keep their objects. The list is empty on a server and in the first render. The filter
 * may be a new object each time.
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
  return useShown(useKept(() => shownJobs(scheduler, filter), scheduler, JSON.stringify(filter)))
}

/**
 * Starts a job of this type and shows it: `{ start, cancel, retry, state, progress, result, error }`. The job is cancelled when
 * the last component that shows it is unmounted, unless it is kept; one that was found by its `id` and that no component has
 * started goes on. On a server, and in the first render, the state is `idle`; no thread is started.
 *
 * @example
 * ```tsx
 * const { start, cancel, state, progress, result } = useJob(scheduler, 'countPrimes')
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
  return useShown(job)
}

/** Follows something. In a layout effect, which does not wait for a frame: there is none while the page is in the background. */
function useShown<Snapshot>({ subscribe, snapshot }: Observable<Snapshot>): Snapshot {
  const [, render] = useReducer((renders: number) => renders + 1, 0)
  useLayoutEffect(() => {
    const stop = subscribe(() => render(0))
    render(0) // It may have changed in between.
    return stop
  }, [subscribe])
  return snapshot()
}

/** Like `useMemo`, which forgets at every edit during development: the job would be gone with it. */
function useKept<Value>(make: () => Value, ...inputs: readonly unknown[]): Value {
  const made = () => ({ value: make(), inputs })
  let [kept, keep] = useState(made)
  if (inputs.some((input, at) => input !== kept.inputs[at])) {
    kept = made()
    keep(kept)
  }
  return kept.value
}
