import type { JobOptions } from './job/job-options.ts'
import type { InputOf, ProgressOf, ResultOf, ValueOf } from './thread/job-types.ts'

type OptionsOf<Handler> = JobOptions<ResultOf<Handler>, ProgressOf<Handler>, ValueOf<Handler>>
export type ArgumentsOf<Handler> =
  undefined extends InputOf<Handler>
    ? [input?: InputOf<Handler>, options?: OptionsOf<Handler>]
    : [input: InputOf<Handler>, options?: OptionsOf<Handler>]

/** One job for `addMany`. */
export type JobRequest<Table> = {
  [Name in keyof Table]: {
    readonly name: Name
    readonly options?: OptionsOf<Table[Name]> | undefined
  } & (undefined extends InputOf<Table[Name]>
    ? { readonly input?: InputOf<Table[Name]> }
    : { readonly input: InputOf<Table[Name]> })
}[keyof Table]

type ByName = (name: string, input: unknown, options: JobOptions | undefined) => Promise<unknown>

/**
 * Makes `scheduler.run.<type>`. Any string is a job type, even `constructor` and `__proto__`; the worker module decides which
 * exist.
 */
export function byName(call: ByName): object {
  const functions = new Map<string, (input: unknown, options?: JobOptions) => Promise<unknown>>()
  return new Proxy(Object.create(null), {
    get(_target, name) {
      // Without `then`, `await scheduler.run` does not call a job of that name.
      if (typeof name === 'symbol' || name === 'then') return undefined
      let callNamed = functions.get(name)
      if (!callNamed) {
        callNamed = (input, options) => call(name, input, options)
        functions.set(name, callNamed)
      }
      return callNamed
    },
  })
}
