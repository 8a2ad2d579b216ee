import { togetherMax } from '../pool/protocol.ts'
import * as check from '../shared/check.ts'
import type { JobContext } from './context.ts'
import { attachMany, type Many } from './handlers.ts'
import { type ManyHandler, SharedCall } from './shared-call.ts'

/** How a handler takes many jobs. */
export interface ManyOptions {
  /** How many jobs one call takes at most, from 1 to 1,000. */
  readonly max: number
  /**
   * How long the first job of a call waits for others, in milliseconds. It has its place on the worker meanwhile, so keep it short.
   * Default 0: jobs that can start at the same time are together.
   */
  readonly waitMs?: number | undefined
}

/** The context of one of the jobs that a handler takes together. It cannot wait as one that is alone can: the others would wait with it. */
export type JobAmongMany<Progress = unknown, Value = unknown> = Omit<JobContext<Progress, Value>, 'sleep' | 'waitFor'>

const optionChecks: check.Checks = { max: check.integer(1, togetherMax), waitMs: check.durationMs }

/**
 * Makes a handler that takes many jobs in one call: for a service or a database that takes many at a time.
 *
 * `handler` gets the inputs and, at the same places, the contexts of the jobs. It returns, or resolves with, an array of as many
 * results; an `Error` among them fails that job alone. What it throws fails all of them. With another number of results all fail
 * with `INVALID_RESULTS`, and are not tried again.
 *
 * Each job has its own attempts, time limit, progress, checkpoint, steps and signal. A job that is cancelled or timed out aborts
 * its signal, and what the call returns for it is ignored; the thread is ended after `graceMs` only when no other job of the call is
 * left. Its next attempt waits until the call has ended. A call is one job to `concurrency` of the scheduler; each job counts for
 * the limits of its queue. If the thread dies in a call, its jobs run again one by one, to find out which has ended it.
 *
 * @example
 * ```ts
 * mail: many({ max: 100, waitMs: 20 }, async (mails: readonly Mail[]) => {
 *   const answers = await sendAll(mails)
 *   return answers.map(({ id, problem }) => (problem ? new Error(problem) : id))
 * }),
 * ```
 */
export function many<Input, Result>(
  options: ManyOptions,
  handler: (
    inputs: readonly Input[],
    jobs: readonly JobAmongMany[],
  ) => readonly (Result | Error)[] | Promise<readonly (Result | Error)[]>,
): (input: Input, job: JobContext) => Promise<Result> {
  check.checkArgument('options', check.object, options)
  check.checkOptions({ ...options, max: options.max ?? 'nothing' }, optionChecks)
  check.checkArgument('handler', check.callable, handler)
  const { max, waitMs = 0 } = options
  const begin: Many['begin'] = (attempts) => new SharedCall(handler as ManyHandler, attempts)
  // Called by a test, it gets one job.
  return attachMany({ max, waitMs, begin }, (input, job) => begin([]).join(undefined, input, job)) as never
}
