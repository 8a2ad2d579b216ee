import { extend } from '../extend.ts'
import { nextTask } from '../platform/hop.ts'
import { atOnceMax } from '../platform/in-slices.ts'
import { randomId } from '../platform/random-id.ts'
import * as check from '../shared/check.ts'
import type { JobTable, ResultOf } from '../thread/job-types.ts'
import type { AnyJobOf, JobOf } from '../typed-job.ts'
import type { Scheduler } from '../typed-scheduler.ts'
import { FlowHandle, type FlowSnapshot } from './flow.ts'
import { type FlowSpec, takeFlow } from './flow-spec.ts'
import { flowsExtension, type ListedFlow } from './flows-extension.ts'
import { takeJobFrom } from './job-spec.ts'
import { type ListOptions, listedBy } from './row-list.ts'

/** By key, the handles of the jobs of a flow; of a nested flow, its own such object. */
export type FlowJobs<Table extends JobTable, Spec> = {
  readonly [Key in keyof Spec]: Spec[Key] extends { readonly flow: infer Inner }
    ? FlowJobs<Table, Inner>
    : Spec[Key] extends { readonly name: infer Name extends keyof Table }
      ? JobOf<Table, Name>
      : AnyJobOf<Table>
}

/** By key, what the jobs of a flow return; of a nested flow, its own such object. */
export type FlowResults<Table extends JobTable, Spec> = {
  readonly [Key in keyof Spec]: Spec[Key] extends { readonly flow: infer Inner }
    ? FlowResults<Table, Inner>
    : Spec[Key] extends { readonly name: infer Name extends keyof Table }
      ? ResultOf<Table[Name]>
      : unknown
}

/** Jobs that wait for each other, added together. */
export interface Flow<Table extends JobTable = JobTable, Spec = FlowSpec<Table>> {
  /** The id that it was added with. */
  readonly id: string
  /** Whether this call made it (`created`), or found it by its id (`existing`). */
  readonly disposition: 'created' | 'existing'
  /** Its jobs, by key. */
  readonly jobs: FlowJobs<Table, Spec>
  /**
   * Resolves with the results by key when all jobs have ended. A job that failed without harm (all that wait for it go on:
   * `continue`) has its error there. Rejects with the error of the first job that failed or was cancelled otherwise.
   */
  result(): Promise<FlowResults<Table, Spec>>
  /** Returns what can be seen of the flow now. Frozen; a new object only when something changed. Bound to the flow. */
  readonly snapshot: () => FlowSnapshot
  /** Calls the listener whenever `snapshot()` returns a new object. Returns a function that stops this. Bound to the flow. */
  readonly subscribe: (listener: () => void) => () => void
  /** Cancels all jobs that have not ended. Resolves with how many these were, when it is committed. */
  cancel(reason?: unknown): Promise<number>
}

/** Adds flows, and finds them again. */
export interface Flows<Table extends JobTable = JobTable> {
  /**
   * Adds jobs that wait for each other, in one commit. Adding the same id again returns the flow that is there.
   *
   * `id`: 1 to 256 characters; made if left out. A flow has at most 20,000 jobs. Rejects with `INVALID_OPTION` for unknown keys
   * and for jobs that wait for each other in a circle, which it names; with `DUPLICATE_ID` if there is a job with the id of one;
   * and with what `add` of a job rejects with.
   */
  add<const Spec extends FlowSpec<Table>>(
    jobs: Spec,
    options?: { readonly id?: string | undefined },
  ): Promise<Flow<Table, Spec>>
  /** Resolves with the flow of this id; `undefined` if there is none, or if the records of all of its jobs are gone. */
  get(id: string): Promise<Flow<Table> | undefined>
  /**
   * Resolves with what can be seen of the flows, the newest first: how far each is, without its jobs. The first 1,000, or `limit`;
   * with `after`, those that were added before that one. A page costs what it holds, however many flows and jobs there are. Each is
   * frozen. Rejects with `INVALID_OPTION` for a bad option, and if there is no flow `after` any more.
   *
   * @example
   * ```ts
   * const page = await flows(scheduler).list({ limit: 20 })
   * const next = await flows(scheduler).list({ limit: 20, after: page.at(-1)?.id })
   * ```
   */
  list(options?: ListOptions): Promise<ListedFlow[]>
}

const idCheck = check.string(256)

/**
 * Returns the flows of a scheduler: jobs that wait for jobs. A job is `blocked` until all that it waits for have ended, and is
 * queued in the commit in which the last of them ends, so no crash can come between. Its handler finds their results in
 * `job.parents`.
 *
 * The records of a flow are kept until its last job has ended, whatever `keep` says, and from then on as long as `keep` says. What is
 * gone, by `keep`, `remove` or `clean`, is `undefined` in `job.parents` of a job that is retried.
 *
 * @example
 * ```ts
 * import { flows } from 'offstage/flows'
 *
 * const flow = await flows(scheduler).add({
 *   fetch: { name: 'fetchOrders', input: { day: 'today' } },
 *   sum: { name: 'sum', after: ['fetch'] },
 *   mail: { name: 'mail', after: ['sum'], onFailure: 'continue' },
 * })
 * const { sum } = await flow.result()
 * ```
 */
export function flows<Table extends JobTable>(scheduler: Scheduler<Table>): Flows<Table> {
  const commands = extend(scheduler, flowsExtension)
  const takeJob = takeJobFrom(scheduler)
  const host = { scheduler: scheduler as unknown as Scheduler, commands }
  return {
    async add(jobs: unknown, options: { readonly id?: string | undefined } = {}) {
      check.checkOptions(options, { id: idCheck })
      const nodes = takeFlow(jobs, takeJob)
      const { id = randomId('flow') } = options
      // To check thousands of jobs takes as long as to add them; a page has a break between the two.
      if (nodes.length > atOnceMax) await nextTask()
      const { isNew, members } = await commands.add(id, nodes)
      return FlowHandle.of(host, id, isNew ? 'created' : 'existing', members)
    },
    async get(id: string) {
      check.checkArgument('id', idCheck, id)
      const members = await commands.get(id)
      return members && FlowHandle.of(host, id, 'existing', members)
    },
    list: (options?: ListOptions) => listedBy(commands.list, options),
  } as unknown as Flows<Table>
}
