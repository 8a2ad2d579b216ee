import { onMount } from 'svelte'
import { createSubscriber } from 'svelte/reactivity'
import { toStore } from 'svelte/store'
import type { SchedulerSnapshot } from '../engine/engine.ts'
import type { WatchFilter } from '../job-filter.ts'
import type { JobTable } from '../thread/job-types.ts'
import type { NameOf } from '../typed-job.ts'
import type { Scheduler } from '../typed-scheduler.ts'
import { kept } from './kept.ts'
import { type Observable, type OrGetter, toValue } from './observable.ts'
import { type ShownState, shownJob, type UseJobOptions } from './shown-job.ts'
import { type ListedJobs, shownJobs } from './shown-jobs.ts'

/** A value that is read as `current`; what reads it in a template or an effect is run again when it changes. */
export interface Current<Value> {
  /** The value now. */
  readonly current: Value
}

/**
 * Returns what can be seen of the scheduler, as `current`: how many jobs are in which state, whether it is paused or idle, how
 * many workers there are.
 *
 * @example
 * ```svelte
 * <script lang="ts">
 *   const state = useScheduler(scheduler)
 * </script>
 * {state.current.isIdle ? 'Nothing to do' : `${state.current.counts.queued} jobs wait`}
 * ```
 */
export function useScheduler(scheduler: Pick<Scheduler<never>, 'subscribe' | 'snapshot'>): Current<SchedulerSnapshot> {
  return currentOf(() => scheduler)
}

/** As below, with a filter that changes. It comes first, because a function has a `name` that is not the job's. */
export function useJobs<Table extends JobTable, const Name extends NameOf<Table> = NameOf<Table>>(
  scheduler: Scheduler<Table>,
  filter: () => WatchFilter<Name>,
): Current<ListedJobs<Table, Name>>
/**
 * Returns the jobs that match the filter, as `current` and as `scheduler.watch` lists them: the first 1,000, or `limit`. Jobs that
 * did not change keep their objects. The list is empty on a server. The filter may be a function, which is called again when a
 * rune changes that it reads.
 *
 * @example
 * ```svelte
 * <script lang="ts">
 *   const running = useJobs(scheduler, { name: 'countPrimes', state: 'running' })
 * </script>
 * {#each running.current as job (job.id)}<progress value={job.progress}></progress>{/each}
 * ```
 */
export function useJobs<Table extends JobTable, const Name extends NameOf<Table> = NameOf<Table>>(
  scheduler: Scheduler<Table>,
  filter?: WatchFilter<Name>,
): Current<ListedJobs<Table, Name>>
export function useJobs<Table extends JobTable, Name extends NameOf<Table>>(
  scheduler: Scheduler<Table>,
  filter: OrGetter<WatchFilter<Name>> = {},
): Current<ListedJobs<Table, Name>> {
  return currentOf(
    kept(
      () => toValue(filter),
      (filter) => shownJobs(scheduler, filter),
    ),
  )
}

/**
 * Starts a job of this type and shows it: `{ start, cancel, retry, state, progress, result, error }`, the last four of which are
 * reactive properties: read them from the object. The job is cancelled when the last component that shows it is gone, unless it is
 * kept; one that was found by its `id` and that no component has started goes on. On a server, and until the component is mounted,
 * the state is `idle`; no thread is started. The options may be a function, which is called again when a rune changes that it
 * reads. Call this in the script of a component.
 *
 * @example
 * ```svelte
 * <script lang="ts">
 *   const { id } = $props()
 *   const job = useJob(scheduler, 'countPrimes', () => ({ id }))
 * </script>
 * {#if job.state === 'running'}
 *   <progress value={job.progress} onclick={job.cancel}></progress>
 * {:else}
 *   <button onclick={() => job.start({ upTo: 5e6 })}>{job.result ?? 'Count'}</button>
 * {/if}
 * ```
 */
export function useJob<Table extends JobTable, Name extends NameOf<Table>>(
  scheduler: Scheduler<Table>,
  name: Name,
  options: OrGetter<UseJobOptions> = {},
): ShownState<Table, Name> {
  const jobOfId = kept(
    () => toValue(options).id,
    (id) => shownJob(scheduler, name, id),
  )
  const job = () => Object.assign(jobOfId(), { keep: toValue(options).keep })
  const shown = currentOf(job)
  // The component shows the job from here to its end, also while no part of its template reads it.
  onMount(() => toStore(() => shown.current).subscribe(() => {}))
  return {
    start: (...args) => job().start(...args),
    cancel: () => job().cancel(),
    retry: () => job().retry(),
    get state() {
      return shown.current.state
    },
    get progress() {
      return shown.current.progress
    },
    get result() {
      return shown.current.result
    },
    get error() {
      return shown.current.error
    },
  } as ShownState<Table, Name>
}

/** Follows what `observe` returns while an effect reads it, which there is none of on a server. */
function currentOf<Snapshot>(observe: () => Observable<Snapshot>): Current<Snapshot> {
  let last: Observable<Snapshot> | undefined
  let track = () => {}
  return {
    get current() {
      const now = observe()
      if (now !== last) {
        last = now
        track = createSubscriber((update) => {
          const stop = now.subscribe(update)
          update() // It may have changed in between.
          return stop
        })
      }
      track()
      return now.snapshot()
    },
  }
}
