import type { JobSnapshot } from '../engine/job-observers.ts'
import type { WatchFilter } from '../job-filter.ts'
import type { JobTable, ProgressOf } from '../thread/job-types.ts'
import type { NameOf } from '../typed-job.ts'
import type { JobWatch, Scheduler } from '../typed-scheduler.ts'
import type { Observable } from './observable.ts'

/** The jobs that a component lists. */
export type ListedJobs<Table, Name extends NameOf<Table>> = readonly JobSnapshot<ProgressOf<Table[Name]>>[]

const none: readonly never[] = Object.freeze([])

/**
 * The list of `scheduler.watch(filter)`, which is open only while somebody has subscribed. So a component that is rendered and
 * never mounted, as on a server, opens nothing, and sees an empty list.
 */
export function shownJobs<Table extends JobTable, Name extends NameOf<Table>>(
  scheduler: Scheduler<Table>,
  filter: WatchFilter<Name> | undefined,
): Observable<ListedJobs<Table, Name>> {
  let list: JobWatch<ProgressOf<Table[Name]>> | undefined
  return {
    snapshot: () => list?.snapshot() ?? none,
    subscribe: (listener) => {
      list = scheduler.watch(filter)
      list.subscribe(listener)
      return list.close
    },
  }
}
