import { extend } from '../extend.ts'
import type { JobOptions } from '../job/job-options.ts'
import { randomId } from '../platform/random-id.ts'
import { byName } from '../shared/by-name.ts'
import * as check from '../shared/check.ts'
import { OffstageError } from '../shared/errors.ts'
import type { InputOf, JobTable, ProgressOf, ResultOf, ValueOf } from '../thread/job-types.ts'
import type { JobOf } from '../typed-job.ts'
import type { Scheduler } from '../typed-scheduler.ts'
import { checkDedupe, checkTime, DedupeExtension, type DedupeOptions, type Merge } from './dedupe-extension.ts'

interface Keyed {
  /** Which jobs count as the same. */
  readonly dedupe: DedupeOptions
}

type OptionsOf<Handler> = JobOptions<ResultOf<Handler>, ProgressOf<Handler>, ValueOf<Handler>> & Keyed

/** Adds jobs of which one with the same key may be there already. */
export interface Deduped<Table extends JobTable = JobTable> {
  /**
   * Adds a job as `scheduler.add` does, unless `options.dedupe` says otherwise. The `disposition` of the job tells what has
   * happened: `created`, `existing` (also if the other one got a new input) or `replaced`.
   */
  readonly add: {
    readonly [Name in keyof Table]: (
      input: InputOf<Table[Name]>,
      options: OptionsOf<Table[Name]>,
    ) => Promise<JobOf<Table, Name>>
  }
}

/** The options of `dedupe`, which hold for the scheduler. */
export interface DedupeSettings {
  /**
   * Makes one input of two, for the mode `coalesce`: that of the job which waits, and that of the one which is added. The result
   * counts as of the version of the latter. It is called where the jobs run; all tabs of a store should give the same one.
   */
  readonly merge?: Merge | undefined
}

const attached = new WeakMap<object, DedupeExtension>()

/**
 * Adds jobs that have a key, and decides what becomes of another job with the same key. The key is kept in the store, in one
 * commit with its job, and holds for all tabs that share the store.
 *
 * @example
 * ```ts
 * import { dedupe } from 'offstage/dedupe'
 *
 * // A second after the last change, the newest text is saved once.
 * await dedupe(scheduler).add.save(text, { dedupe: { key: document.id, mode: 'debounce', windowMs: 1_000 } })
 * ```
 */
export function dedupe<Table extends JobTable>(
  scheduler: Scheduler<Table>,
  settings: DedupeSettings = {},
): Deduped<Table> {
  check.checkOptions(settings, { merge: check.callable })
  const { merge } = settings
  const extension = attached.get(scheduler) ?? new DedupeExtension()
  extend(scheduler, extension)
  attached.set(scheduler, extension)
  if (merge && extension.merge && merge !== extension.merge)
    throw new OffstageError('INVALID_OPTION', 'Expected `merge` to be the function that this scheduler has already.')
  extension.merge ??= merge
  const add = async (name: string, input: unknown, given: JobOptions & Keyed): Promise<unknown> => {
    check.checkArgument('options', check.object, given)
    const { dedupe, ...options } = given
    checkDedupe(dedupe, extension.merge)
    checkTime(dedupe, options)
    const { id = randomId('dedupe'), extensions } = options
    const call = (scheduler.add as Record<string, (input: unknown, options: JobOptions) => Promise<unknown>>)[name]
    return call?.(input, { ...options, id, extensions: { ...extensions, dedupe } })
  }
  return {
    add: byName((name) => (input: unknown, options: JobOptions & Keyed) => add(name, input, options)),
  } as Deduped<Table>
}
