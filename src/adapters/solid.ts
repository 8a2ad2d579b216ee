import { type Accessor, createEffect, createMemo, createSignal, onCleanup, untrack } from 'solid-js'
import type { SchedulerSnapshot } from '../engine/engine.ts'
import type { WatchFilter } from '../job-filter.ts'
import type { JobTable } from '../thread/job-types.ts'
import type { NameOf } from '../typed-job.ts'
import type { Scheduler } from '../typed-scheduler.ts'
import { kept } from './kept.ts'
import { type Observable, type OrGetter, toValue } from './observable.ts'
import { type JobCalls, type ShownState, shownJob, type UseJobOptions } from './shown-job.ts'
import { type ListedJobs, shownJobs } from './shown-jobs.ts'

/** What `useJob` returns: the state of the job as accessors, and what can be done with it. */
export type UsedJob<Table, Name extends NameOf<Table>> = JobCalls<Table, Name> & {
  readonly [Part in 'state' | 'progress' | 'result' | 'error']: Accessor<ShownState<Table, Name>[Part]>
}

/**
 * Returns an accessor of what can be seen of the scheduler: how many jobs are in which state, whether it is paused or idle, how
 * many workers there are.
 *
 * @example
 * ```tsx
 * const state = useScheduler(scheduler)
 * return <p>{state().isIdle ? 'Nothing to do' : `${state().counts.queued} jobs wait`}</p>
 * ```
 */
export function useScheduler(scheduler: Pick<Scheduler<never>, 'subscribe' | 'snapshot'>): Accessor<SchedulerSnapshot> {
  return useShown(() => scheduler)
}

/** As below, with a filter that changes. It comes first, because a function has a `name` that is not the job's. */
export function useJobs<Table extends JobTable, const Name extends NameOf<Table> = NameOf<Table>>(
  scheduler: Scheduler<Table>,
  filter: () => WatchFilter<Name>,
): Accessor<ListedJobs<Table, Name>>
/**
 * Returns an accessor of the jobs that match the filter, as `scheduler.watch` lists them: the first 1,000, or `limit`. Jobs that
 * did not change keep their objects, as `<For>` wants it. The list is empty on a server, and until the component is mounted. The
 * filter may be a function, which is called again when a signal changes that it reads.
 *
 * @example
 * ```tsx
 * const running = useJobs(scheduler, { name: 'countPrimes', state: 'running' })
 * return <For each={running()}>{(job) => <progress value={job.progress} />}</For>
 * ```
 */
export function useJobs<Table extends JobTable, const Name extends NameOf<Table> = NameOf<Table>>(
  scheduler: Scheduler<Table>,
  filter?: WatchFilter<Name>,
): Accessor<ListedJobs<Table, Name>>
export function useJobs<Table extends JobTable, Name extends NameOf<Table>>(
  scheduler: Scheduler<Table>,
  filter: OrGetter<WatchFilter<Name>> = {},
): Accessor<ListedJobs<Table, Name>> {
  return useShown(
    kept(
      () => toValue(filter),
      (filter) => shownJobs(scheduler, filter),
    ),
  )
}

/**
 * Starts a job of this type and shows it: `{ start, cancel, retry, state, progress, result, error }`, the last four of which are
 * accessors. The job is cancelled when the last component that shows it is gone, unless it is kept; one that was found by its
 * `id` and that no component has started goes on. On a server, and until the component is mounted, the state is `idle`; no thread
 * is started. The options may be a function, which is called again when a signal changes that it reads.
 *
 * @example
 * ```tsx
 * const { start, cancel, state, progress, result } = useJob(scheduler, 'countPrimes', () => ({ id: props.id }))
 * return (
 *   <Show when={state() === 'running'} fallback={<button onClick={() => start({ upTo: 5e6 })}>{result() ?? 'Count'}</button>}>
 *     <progress value={progress()} onClick={cancel} />
 *   </Show>
 * )
 * ```
 */
export function useJob<Table extends JobTable, Name extends NameOf<Table>>(
  scheduler: Scheduler<Table>,
  name: Name,
  options: OrGetter<UseJobOptions> = {},
): UsedJob<Table, Name> {
  const jobOfId = kept(
    () => toValue(options).id,
    (id) => shownJob(scheduler, name, id),
  )
  const job = () => Object.assign(jobOfId(), { keep: toValue(options).keep })
  const shown = useShown(job)
  return {
    start: (...args) => untrack(job).start(...args),
    cancel: () => untrack(job).cancel(),
    retry: () => untrack(job).retry(),
    state: () => shown().state,
    progress: () => shown().progress,
    result: () => shown().result,
    error: () => shown().error,
  }
}

/** Follows what `observe` returns. Effects run when the component is mounted, and never on a server. */
function useShown<Snapshot>(observe: () => Observable<Snapshot>): Accessor<Snapshot> {
  const observed = createMemo(observe)
  const [change, changed] = createSignal(undefined, { equals: false })
  createEffect(() => {
    onCleanup(observed().subscribe(changed))
    changed()
  })
  return createMemo(() => {
    change()
    return observed().snapshot()
  })
}
