import { extend } from '../extend.ts'
import { idCheck } from '../job/job-options.ts'
import { nextTask } from '../platform/hop.ts'
import { atOnceMax } from '../platform/in-slices.ts'
import { randomId } from '../platform/random-id.ts'
import * as check from '../shared/check.ts'
import type { JobTable } from '../thread/job-types.ts'
import type { Scheduler } from '../typed-scheduler.ts'
import { BatchHandle, BatchHost } from './batch.ts'
import { type BatchMember, type BatchOptions, takeBatch } from './batch-spec.ts'
import { type BatchCounts, batchesExtension, type ListedBatch } from './batches-extension.ts'
import { type ListOptions, listedBy } from './row-list.ts'

/** Jobs that are counted together. */
export interface Batch<Table extends JobTable = JobTable> {
  /** The id that it was added with. */
  readonly id: string
  /** Whether this call made it (`created`), or found it by its id (`existing`). */
  readonly disposition: 'created' | 'existing'
  /**
   * Adds more jobs, at most 20,000 in one commit. Resolves when they are safe in the store. Rejects with `BATCH_SEALED` if the batch
   * is sealed, or if all of its jobs have ended and it is not open; otherwise with what `add` rejects with.
   */
  append(jobs: readonly BatchMember<Table>[]): Promise<void>
  /** Says that no more jobs come, so that the batch ends with those that it has. Jobs of the batch may still append to it. */
  seal(): Promise<void>
  /** Returns the counts, as far as they are committed. Frozen; a new object only when something changed. Bound to the batch. */
  readonly snapshot: () => BatchCounts
  /** Calls the listener whenever `snapshot()` returns a new object. Returns a function that stops this. Bound to the batch. */
  readonly subscribe: (listener: () => void) => () => void
  /**
   * Resolves with the counts when the batch is sealed, or was never open, and all of its jobs have ended. It does not reject
   * because of jobs that failed: look at `failed`.
   */
  result(): Promise<BatchCounts>
}

/** Adds batches, and finds them again. */
export interface Batches<Table extends JobTable = JobTable> {
  /**
   * Adds jobs that are counted together, at most 20,000 in one commit; `append` adds more. Adding the same id again returns the
   * batch that is there. Rejects with `INVALID_OPTION`, which names the job; with `DUPLICATE_ID` if there is a job with the id of
   * one; and with what `add` of a job rejects with.
   */
  add(jobs: readonly BatchMember<Table>[], options?: BatchOptions<Table>): Promise<Batch<Table>>
  /** Resolves with the batch of this id; `undefined` if there is none, or if it has ended and all of its records are gone. */
  get(id: string): Promise<Batch<Table> | undefined>
  /**
   * Resolves with what can be seen of the batches, the newest first, also of those within others. The first 1,000, or `limit`; with
   * `after`, those that were added before that one. A page costs what it holds, however many batches and jobs there are. Each is
   * frozen. Rejects with `INVALID_OPTION` for a bad option, and if there is no batch `after` any more.
   *
   * @example
   * ```ts
   * const page = await batches(scheduler).list({ limit: 20 })
   * const next = await batches(scheduler).list({ limit: 20, after: page.at(-1)?.id })
   * ```
   */
  list(options?: ListOptions): Promise<ListedBatch[]>
}

const hosts = new WeakMap<object, BatchHost>()

/**
 * Returns the batches of a scheduler: any number of jobs that are counted together, with jobs that follow when all have ended
 * (`onComplete`), when all are completed (`onSuccess`), and when the first has failed for good (`onDeath`). Each of these is added
 * once, in the commit of the end that is its cause. Their handlers, and those of the jobs of a batch, find the counts in
 * `job.parents.batch`.
 *
 * @example
 * ```ts
 * import { batches } from 'offstage/flows'
 *
 * const batch = await batches(scheduler).add(
 *   files.map((file) => ({ name: 'importFile', input: file })),
 *   { id: 'import:today', onComplete: { name: 'report' } },
 * )
 * const { completed, failed } = await batch.result()
 * ```
 */
export function batches<Table extends JobTable>(scheduler: Scheduler<Table>): Batches<Table> {
  const commands = extend(scheduler, batchesExtension)
  const host = hosts.get(scheduler) ?? new BatchHost(scheduler as unknown as Scheduler, commands)
  hosts.set(scheduler, host)
  return {
    async add(jobs: unknown, options: BatchOptions = {}) {
      check.checkArgument('options', check.object, options)
      const { id = randomId('batch') } = options
      const node = takeBatch(jobs, options, id, host.takeJob)
      if (node.members.length > atOnceMax) await nextTask()
      // It listens before it asks, so that it misses nothing.
      const batch = new BatchHandle(host, id)
      const { isNew, ...shown } = await host.commands.add(node)
      if (isNew) batch.disposition = 'created'
      batch.take(shown)
      return batch
    },
    async get(id: string) {
      check.checkArgument('id', idCheck, id)
      const batch = new BatchHandle(host, id)
      return (await batch.refresh()) ? batch : undefined
    },
    list: (options?: ListOptions) => listedBy(host.commands.list, options),
  } as unknown as Batches<Table>
}
