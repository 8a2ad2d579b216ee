import { context } from '@opentelemetry/api'
import type { Around } from '../thread/around.ts'
import { contextOf } from './propagation.ts'

/**
 * For the worker module: runs each handler in the context of its attempt, so that spans that it begins are children of the span
 * `process <queue>`, which `instrument` makes where the jobs are scheduled. The worker needs an SDK of its own, with a context
 * manager. Without one, and for jobs without a trace, it does nothing.
 *
 * @example
 * ```ts
 * import { traced } from 'offstage/otel'
 * import { defineJobs } from 'offstage/worker'
 *
 * export const jobs = defineJobs({ resize }, { around: [traced()] })
 * ```
 */
export const traced = (): Around =>
  function traced(job, _input, next) {
    return context.with(contextOf(job), () => next())
  }
