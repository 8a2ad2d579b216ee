import { extend } from '../extend.ts'
import { extensionPointOf } from '../extension-point.ts'
import * as check from '../shared/check.ts'
import type { JobTable } from '../thread/job-types.ts'
import type { Scheduler } from '../typed-scheduler.ts'
import { Instrumentation, type InstrumentOptions } from './instrumentation.ts'

const optionChecks: check.Checks = { tracer: check.object, meter: check.object }

const instrumented = new WeakMap<object, Instrumentation>()

/**
 * Tells OpenTelemetry what a scheduler does. Each call that adds a job is a span `send <queue>`, a child of whatever the caller is
 * doing. Each attempt is a span `process <queue>`, a child of that, over retries and restarts: the trace travels in the job's
 * `headers`, as `traceparent`. `traced`, in the worker module, makes the handler's own spans children of the attempt. Errors are
 * recorded. Metrics count jobs and how they end, measure how long they wait and run, and say how many there are.
 *
 * With several tabs on one store, instrument the scheduler in each: the one that runs the jobs reports the attempts. Returns a function
 * that stops it, as closing the scheduler does. Another call for the same scheduler returns that function, and changes nothing.
 *
 * @example
 * ```ts
 * import { instrument } from 'offstage/otel'
 *
 * const scheduler = createScheduler<typeof jobs>(new URL('./jobs.js', import.meta.url), { store: fileStore('./jobs') })
 * instrument(scheduler)
 * ```
 */
export function instrument<Table extends JobTable>(
  scheduler: Scheduler<Table>,
  options: InstrumentOptions = {},
): () => void {
  const point = extensionPointOf(scheduler)
  check.checkOptions(options, optionChecks)
  let instrumentation = instrumented.get(scheduler)
  if (!instrumentation) {
    instrumentation = new Instrumentation(scheduler, point)
    instrumented.set(scheduler, instrumentation)
    // Neither can be taken off again; both do nothing while it is stopped.
    point.use([instrumentation.middleware])
    extend(scheduler, instrumentation)
    point.engine.onClose(instrumentation.stop)
  }
  instrumentation.start(options)
  return instrumentation.stop
}
