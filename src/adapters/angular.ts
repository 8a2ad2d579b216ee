import { afterRenderEffect, computed, type Signal, signal } from '@angular/core'
import type { SchedulerSnapshot } from '../engine/engine.ts'
import type { WatchFilter } from '../job-filter.ts'
import type { JobTable } from '../thread/job-types.ts'
import type { NameOf } from '../typed-job.ts'
import type { Scheduler } from '../typed-scheduler.ts'
import { kept } from './kept.ts'
import { type Observable, type OrGetter, toValue } from './observable.ts'
import { type JobCalls, type ShownState, shownJob, type UseJobOptions } from './shown-job.ts'
import { type ListedJobs, shownJobs } from './shown-jobs.ts'

/** What `useJob` returns: the state of the job as signals, and what can be done with it. */
export type UsedJob<Table, Name extends NameOf<Table>> = JobCalls<Table, Name> & {
  readonly [Part in 'state' | 'progress' | 'result' | 'error']: Signal<ShownState<Table, Name>[Part]>
}

/**
 * Returns a signal of what can be seen of the scheduler: how many jobs are in which state, whether it is paused or idle, how many
 * workers there are. Call it in an injection context: a field of a component or a service.
 *
 * @example
 * ```ts
 * @Component({ template: `{{ state().isIdle ? 'Nothing to do' : state().counts.queued + ' jobs wait' }}` })
 * class Status {
 *   readonly state = useScheduler(scheduler)
 * }
 * ```
 */
export function useScheduler(scheduler: Pick<Scheduler<never>, 'subscribe' | 'snapshot'>): Signal<SchedulerSnapshot> {
  return shownOf(() => scheduler)
}

/** As below, with a filter that changes. It comes first, because a function has a `name` that is not the job's. */
export function useJobs<Table extends JobTable, const Name extends NameOf<Table> = NameOf<Table>>(
  scheduler: Scheduler<Table>,
  filter: () => WatchFilter<Name>,
): Signal<ListedJobs<Table, Name>>
/**
 * Returns a signal of the jobs that match the filter, as `scheduler.watch` lists them: the first 1,000, or `limit`. Jobs that did
 * not change keep their objects. The list is empty on a server, and until the component is rendered. The filter may be a signal or
 * a function that reads some. Call it in an injection context: a field of a component or a service.
 *
 * @example
 * ```ts
 * @Component({ template: `@for (job of running(); track job.id) { <progress [value]="job.progress"></progress> }` })
 * class Running {
 *   readonly running = useJobs(scheduler, { name: 'countPrimes', state: 'running' })
 * }
 * ```
 */
export function useJobs<Table extends JobTable, const Name extends NameOf<Table> = NameOf<Table>>(
  scheduler: Scheduler<Table>,
  filter?: WatchFilter<Name>,
): Signal<ListedJobs<Table, Name>>
export function useJobs<Table extends JobTable, Name extends NameOf<Table>>(
  scheduler: Scheduler<Table>,
  filter: OrGetter<WatchFilter<Name>> = {},
): Signal<ListedJobs<Table, Name>> {
  return shownOf(
    kept(
      () => toValue(filter),
      (filter) => shownJobs(scheduler, filter),
    ),
  )
}

/**
 * Starts a job of this type and shows it: `{ start, cancel, retry, state, progress, result, error }`, the last four of which are
 * signals. The job is cancelled when the last component that shows it is destroyed, unless it is kept; one that was found by its
 * `id` and that no component has started goes on. On a server, and until the component is rendered, the state is `idle`; no thread
 * is started. The options may be a signal or a function that reads some. Call it in an injection context: a field of a component
 * or a service.
 *
 * @example
 * ```ts
 * @Component({
 *   template: `
 *     @if (job.state() === 'running') { <progress [value]="job.progress()" (click)="job.cancel()"></progress> }
 *     @else { <button (click)="job.start({ upTo: 5e6 })">{{ job.result() ?? 'Count' }}</button> }
 *   `,
 * })
 * class Primes {
 *   readonly id = input.required<string>()
 *   readonly job = useJob(scheduler, 'countPrimes', () => ({ id: this.id() }))
 * }
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
  const shown = shownOf(job)
  return {
    start: (...args) => job().start(...args),
    cancel: () => job().cancel(),
    retry: () => job().retry(),
    state: computed(() => shown().state),
    progress: computed(() => shown().progress),
    result: computed(() => shown().result),
    error: computed(() => shown().error),
  }
}

/** Follows what `observe` returns. These effects run when the component is rendered, and never on a server. */
function shownOf<Snapshot>(observe: () => Observable<Snapshot>): Signal<Snapshot> {
  const observed = computed(observe)
  const change = signal({})
  afterRenderEffect((onCleanup) => {
    const changed = () => change.set({})
    onCleanup(observed().subscribe(changed))
    changed()
  })
  return computed(() => {
    change()
    return observed().snapshot()
  })
}
