import { onHello, onUncaught } from '../platform/thread-scope.ts'
import * as check from '../shared/check.ts'
import { OffstageError } from '../shared/errors.ts'
import { type ServeInline, serveInline } from '../shared/inline.ts'
import { isPlain } from '../shared/kind.ts'
import { isObject, show } from '../shared/show.ts'
import type { StandardSchema } from '../shared/standard-schema.ts'
import type { Around } from './around.ts'
import type { JobContext } from './context.ts'
import { attachSchema, type Handler, type HandlerTable } from './handlers.ts'
import type { CheckedHandlers, ContextOf, JobTable } from './job-types.ts'
import { Server } from './serve.ts'

/** What `defineJobs` takes beside the handlers. */
export interface DefineJobsOptions {
  /**
   * Goes around the run of each handler, in this order, the first outermost: for traces, tenants, locks. A table into which these
   * jobs are spread has an `around` of its own. Default: none.
   */
  readonly around?: readonly Around[] | undefined
}

const optionChecks: check.Checks = { around: check.listOf(check.callable, 'functions') }

/**
 * Defines the jobs of a worker module; this is all that the worker side needs. In a thread it starts to serve when a scheduler
 * connects. Anywhere else it does nothing, so the same module can be imported for its types, for unit tests of its handlers, or
 * for `inline(jobs)`.
 *
 * `handlers`: a plain object with a function for each job type. Throws `INVALID_OPTION` for anything else, and for `options` that
 * are unknown or of another kind. Returns the handlers.
 *
 * @example
 * ```ts
 * export const jobs = defineJobs({
 *   *countPrimes({ upTo }: { upTo: number }) {
 *     let count = 0
 *     for (let n = 2; n <= upTo; n++) {
 *       if (isPrime(n)) count++
 *       if (n % 10_000 === 0) yield n / upTo // progress, and a place to stop
 *     }
 *     return count
 *   },
 * })
 * ```
 */
export function defineJobs<const Handlers extends JobTable>(
  handlers: CheckedHandlers<Handlers>,
  options: DefineJobsOptions = {},
): Handlers {
  if (!isObject(handlers) || !isPlain(handlers))
    throw new OffstageError(
      'INVALID_OPTION',
      `Expected the jobs to be a plain object with a function for each, got ${show(handlers)}. Methods that it inherits are not seen.`,
    )
  for (const [name, handler] of Object.entries(handlers)) {
    if (typeof handler !== 'function')
      throw new OffstageError('INVALID_OPTION', `Expected the job \`${name}\` to be a function.`)
  }
  check.checkOptions(options, optionChecks)
  const around = options.around && [...options.around]
  const table = handlers as unknown as HandlerTable
  onHello((port) => {
    const server = new Server(port, table, around)
    onUncaught((error) => server.fail(error))
  })
  const serve: ServeInline = (port) => {
    const server = new Server(port, table, around)
    return () => server.stop()
  }
  return { ...(handlers as unknown as Handlers), [serveInline]: serve }
}

/**
 * Wraps a handler so that its input is checked against a Standard Schema (zod, valibot, arktype) at the start of each attempt.
 * The handler gets what the schema makes of the input. If the input does not fit, the job fails at once with `INVALID_INPUT`,
 * however many attempts it has left.
 */
export function schema<Input, Output, Handled extends (input: Output, job: JobContext) => unknown>(
  standardSchema: StandardSchema<Input, Output>,
  handler: Handled,
): (input: Input, job: ContextOf<Handled>) => ReturnType<Handled> {
  return attachSchema(standardSchema as StandardSchema, handler as Handler) as never
}
