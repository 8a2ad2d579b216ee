import { appendPrefix } from '../job/append-key.ts'
import { OffstageError } from '../shared/errors.ts'
import type { JobContext } from './context.ts'
import { assertKey, twoAppends } from './step-keys.ts'

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
 * Rejects with `INVALID_OPTION` if the job belongs to no batch, and with `STEP_MISMATCH` if this attempt has appended other jobs
 * with the key. If the jobs cannot be added (a wrong option, `QUEUE_FULL`), the job is cancelled, and that error is the reason.
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
  assertKey(key)
  // In one attempt a key has one promise.
  const appending: Promise<unknown> & { [given]?: readonly AppendedJob[] } = job.step(appendPrefix + key, () => jobs)
  // Two calls with one key are one step. In a loop the jobs of the second call would be lost without a word.
  appending[given] ??= jobs
  if (appending[given] !== jobs) throw twoAppends(key)
  await appending
}

/** With the promise of a step: the jobs that it appends. */
const given: unique symbol = Symbol('given')
