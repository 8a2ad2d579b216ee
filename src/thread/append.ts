import { appendPrefix } from '../job/append-key.ts'
import { OffstageError } from '../shared/errors.ts'
import type { JobContext } from './context.ts'

/** A job that a handler appends to its batch. */
export interface AppendedJob {
  /** The job type. */
  readonly name: string
  /** The input of the job. */
  readonly input?: unknown
  /** The options of the job, without callbacks, `signal` and `transfer`. */
  readonly options?: object | undefined
}

/**
 * Appends jobs to the batch that this job belongs to. Resolves when they are safe in the store. It is a step: `key` names it,
 * and a later attempt finds that it was done and appends nothing again.
 *
 * Rejects with `INVALID_OPTION` if the job belongs to no batch. If the jobs cannot be added (a wrong option, `QUEUE_FULL`), the job
 * is cancelled, and that error is the reason.
 *
 * @example
 * ```ts
 * import { append, defineJobs, type JobContext } from 'offstage/worker'
 *
 * export const jobs = defineJobs({
 *   async listFolder(path: string, job: JobContext) {
 *     const files = await readdir(path)
 *     await append(job, 'files', files.map((file) => ({ name: 'importFile', input: file })))
 *   },
 * })
 * ```
 */
export async function append(
  job: Pick<JobContext, 'id' | 'parents' | 'step'>,
  key: string,
  jobs: readonly AppendedJob[],
): Promise<void> {
  if (!job.parents.batch)
    throw new OffstageError('INVALID_OPTION', `Expected \`job\` to be of a batch, got '${job.id}', which is of none.`)
  await job.step(appendPrefix + key, () => jobs)
}
