import type { JobOptions } from '../job/job-options.ts'
import { byName } from '../shared/by-name.ts'
import * as check from '../shared/check.ts'
import { OffstageError } from '../shared/errors.ts'
import type { InputOf, JobTable, ResultOf } from './job-types.ts'
import { runChild, type Waiting } from './waiting.ts'

/** Options that a child cannot have: its id is made from that of its parent, and no page or process waits for what it says. */
const notForChildren = /^(id|ifExists|extensions|transfer|signal|on[A-Z].*)$/

interface Parent {
  readonly [runChild]?: (
    name: string,
    input: unknown,
    options: object | undefined,
    key: string | undefined,
  ) => Waiting<unknown>
}

/** The options of a job that a handler runs. */
export type ChildOptions = Omit<
  JobOptions,
  'id' | 'ifExists' | 'extensions' | 'transfer' | 'signal' | `on${string}`
> & {
  /**
   * Names the job among those that the handler runs. In every attempt the same job has to have the same key. Default: the job type;
   * from the second job of the type on with a number, `resize 2`.
   */
  readonly key?: string | undefined
}

type ChildArguments<Handler> =
  undefined extends InputOf<Handler>
    ? [input?: InputOf<Handler>, options?: ChildOptions]
    : [input: InputOf<Handler>, options?: ChildOptions]

/** The jobs that a handler can run. */
export interface Children<Table> {
  /** Runs a job and waits for its result: `children<typeof images>(job).run.resize(image)`. */
  readonly run: {
    readonly [Name in keyof Table]: (...args: ChildArguments<Table[Name]>) => Waiting<ResultOf<Table[Name]>>
  }
}

/**
 * Runs jobs from a handler, and waits for them as `job.sleep` waits: without holding a thread, so that a tree of any depth ends on
 * one worker. They are added when all code of the handler waits. The handler runs again, from the start, when all those that it
 * waits for have ended, or one has failed or was cancelled. Results are recorded as steps are, and an error of a child is thrown as
 * it was. If an attempt of the handler fails, the next one runs those children again that have not completed.
 *
 * A child has the id of its parent and its key, `order:17/resize 2`, and `parentId` in its snapshot and context. Where that would
 * be longer than an id may be, a number stands for the id of the parent. When its parent ends, however that is, a child that has not
 * ended is cancelled.
 *
 * `Table`: the types of the jobs, of this `defineJobs` or of another that is spread into it. A handler that returns what its
 * children return needs the other: TypeScript cannot tell what a handler returns from the table that the handler is in.
 *
 * Throws `INVALID_OPTION` if `job` is not the context of a handler. `run` throws it for options that are wrong, or not for children.
 *
 * @example
 * ```ts
 * async sheet(files: File[], job: JobContext) {
 *   const { run } = children<typeof images>(job)
 *   const small = await Promise.all(files.map((file) => run.resize(file)))
 *   return run.join(small)
 * }
 * ```
 */
export function children<Table extends JobTable>(job: { readonly id: string }): Children<Table> {
  const parent = job as Parent
  if (typeof parent?.[runChild] !== 'function')
    throw new OffstageError('INVALID_OPTION', 'Expected `job` to be the context that a handler receives.')
  const run = byName((name) => (input: unknown, options: ChildOptions = {}) => {
    check.checkArgument('options', check.object, options)
    const { key, ...rest } = options
    const own = Object.keys(rest).find((option) => notForChildren.test(option))
    if (own) throw new OffstageError('INVALID_OPTION', `The option \`${own}\` is not for jobs that a handler runs.`)
    return parent[runChild]?.(name, input, rest, key)
  })
  return { run: run as Children<Table>['run'] }
}
