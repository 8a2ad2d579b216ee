import {
  type ComputedRef,
  computed,
  type MaybeRef,
  type MaybeRefOrGetter,
  shallowRef,
  toRaw,
  toValue,
  watchPostEffect,
} from 'vue'
import type { SchedulerSnapshot } from '../engine/engine.ts'
import type { WatchFilter } from '../job-filter.ts'
import type { JobTable } from '../thread/job-types.ts'
import type { NameOf } from '../typed-job.ts'
import type { Scheduler } from '../typed-scheduler.ts'
import { kept } from './kept.ts'
import type { Observable } from './observable.ts'
import { type JobCalls, type ShownState, shownJob, type UseJobOptions } from './shown-job.ts'
import { type ListedJobs, shownJobs } from './shown-jobs.ts'

/** What `useJob` returns: the state of the job as refs, and what can be done with it. */
export type UsedJob<Table, Name extends NameOf<Table>> = JobCalls<Table, Name> & {
  readonly [Part in 'state' | 'progress' | 'result' | 'error']: ComputedRef<ShownState<Table, Name>[Part]>
}

/**
 * Returns a ref of what can be seen of the scheduler: how many jobs are in which state, whether it is paused or idle, how many
 * workers there are.
 *
 * @example
 * ```vue
 * <script setup lang="ts">
 * const state = useScheduler(scheduler)
 * </script>
 * <template>{{ state.isIdle ? 'Nothing to do' : `${state.counts.queued} jobs wait` }}</template>
 * ```
 */
export function useScheduler(
  scheduler: Pick<Scheduler<never>, 'subscribe' | 'snapshot'>,
): ComputedRef<SchedulerSnapshot> {
  return useShown(() => scheduler)
}

/** As below, with a filter that changes. It comes first, because a function has a `name` that is not the job's. */
export function useJobs<Table extends JobTable, const Name extends NameOf<Table> = NameOf<Table>>(
  scheduler: Scheduler<Table>,
  filter: () => WatchFilter<Name> | undefined,
): ComputedRef<ListedJobs<Table, Name>>
/**
 * Returns a ref of the jobs that match the filter, as `scheduler.watch` lists them: the first 1,000, or `limit`. Jobs that did
 * not change keep their objects. The list is empty on a server, and until the component is mounted. The filter may be a ref or a
 * getter.
 *
 * @example
 * ```vue
 * <script setup lang="ts">
 * const running = useJobs(scheduler, { name: 'countPrimes', state: 'running' })
 * </script>
 * <template><progress v-for="job in running" :key="job.id" :value="job.progress" /></template>
 * ```
 */
export function useJobs<Table extends JobTable, const Name extends NameOf<Table> = NameOf<Table>>(
  scheduler: Scheduler<Table>,
  filter?: MaybeRef<WatchFilter<Name> | undefined>,
): ComputedRef<ListedJobs<Table, Name>>
export function useJobs<Table extends JobTable, Name extends NameOf<Table>>(
  scheduler: Scheduler<Table>,
  filter?: MaybeRefOrGetter<WatchFilter<Name> | undefined>,
): ComputedRef<ListedJobs<Table, Name>> {
  return useShown(
    kept(
      () => toValue(filter),
      (filter) => shownJobs(scheduler, filter),
    ),
  )
}

/**
 * Starts a job of this type and shows it: `{ start, cancel, retry, state, progress, result, error }`, the last four of which are
 * refs. The job is cancelled when the last component that shows it is unmounted, unless it is kept; one that was found by its
 * `id` and that no component has started goes on. On a server, and until the component is mounted, the state is `idle`; no thread
 * is started. The options may be a ref or a getter.
 *
 * @example
 * ```vue
 * <script setup lang="ts">
 * const { start, cancel, state, progress, result } = useJob(scheduler, 'countPrimes')
 * </script>
 * <template>
 *   <progress v-if="state === 'running'" :value="progress" @click="cancel" />
 *   <button v-else @click="start({ upTo: 5e6 })">{{ result ?? 'Count' }}</button>
 * </template>
 * ```
 */
export function useJob<Table extends JobTable, Name extends NameOf<Table>>(
  scheduler: Scheduler<Table>,
  name: Name,
  options: MaybeRefOrGetter<UseJobOptions> = {},
): UsedJob<Table, Name> {
  const jobOfId = kept(
    () => toValue(options).id,
    (id) => shownJob(scheduler, name, id),
  )
  const job = () => Object.assign(jobOfId(), { keep: toValue(options).keep })
  const shown = useShown(job)
  return {
    // A proxy, as of `reactive`, cannot be copied to a worker with a date or a file in it.
    start: (...args) => job().start(...(args.map(toRaw) as typeof args)),
    cancel: () => job().cancel(),
    retry: () => job().retry(),
    state: computed(() => shown.value.state),
    progress: computed(() => shown.value.progress),
    result: computed(() => shown.value.result),
    error: computed(() => shown.value.error),
  }
}

/** Follows what `observe` returns. Post effects run when the component is mounted, and never on a server. */
function useShown<Snapshot>(observe: () => Observable<Snapshot>): ComputedRef<Snapshot> {
  const observed = computed(observe)
  const change = shallowRef({})
  watchPostEffect((onCleanup) => {
    const { subscribe } = observed.value
    const changed = () => {
      change.value = {} // Written and not read, or each change would run this effect again.
    }
    onCleanup(subscribe(changed))
    changed()
  })
  return computed(() => {
    void change.value
    return observed.value.snapshot()
  })
}
