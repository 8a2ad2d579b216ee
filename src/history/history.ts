import { extend } from '../extend.ts'
import { idCheck } from '../job/job-options.ts'
import * as check from '../shared/check.ts'
import type { JobTable } from '../thread/job-types.ts'
import type { Scheduler } from '../typed-scheduler.ts'
import type { HistoryEntry } from './entry.ts'
import { HistoryExtension, type HistoryKeep } from './history-extension.ts'
import { type Projection, ProjectionHandle } from './projection.ts'

/** The options of `history`, which hold for the scheduler. Those of the page or process that runs the jobs count. */
export interface HistorySettings {
  /**
   * How many entries are kept, and for how long. Default: 10,000, and 30 days. Whichever is reached first lets the oldest go;
   * entries that a stored projection has not seen wait for it, up to ten times as many, or 10,000 more.
   */
  readonly keep?: Partial<HistoryKeep> | undefined
  /** Whether entries have the input of a job that is added and the result of one that has completed. Default `false`. */
  readonly data?: boolean | undefined
}

/** The options of `project`. */
export interface ProjectOptions {
  /**
   * The name under which the state is stored from time to time: 1 to 256 characters. After a restart the projection goes on from
   * there, also if the entries behind it are gone by then. Give another name to another reducer. The state has to be cloneable.
   * Default: it is not stored, and made anew of the entries that are kept.
   */
  readonly id?: string | undefined
}

/** What happened to the jobs of a scheduler. */
export interface History {
  /** Resolves with the entries of one job that are kept, the oldest first. */
  of(jobId: string): Promise<readonly HistoryEntry[]>
  /**
   * Resolves with the entries from this number on, the oldest first: `since(0)` with all that are kept. `limit`: at most so many.
   * Default: no limit.
   */
  since(seq: number, options?: { readonly limit?: number | undefined }): Promise<readonly HistoryEntry[]>
  /**
   * Makes a state of the history: calls the reducer for each entry in turn, with those that are there and then with each that
   * comes. Each state is what the reducer makes of all entries up to one commit. The reducer must not change the state that it is
   * given, and must give the same state for the same entries.
   */
  project<State>(
    reducer: (state: State, entry: HistoryEntry) => State,
    initial: State,
    options?: ProjectOptions,
  ): Projection<State>
}

const projectionIdCheck = check.string(256)
const settingsChecks: check.Checks = {
  keep: check.nested({ count: check.integerOrInfinity(1), ageMs: check.durationMsOrInfinity }, 'keep'),
  data: check.boolean,
}
const saveEveryMax = 100

const attached = new WeakMap<object, HistoryExtension>()

/**
 * Writes down each move of each job of a scheduler, in the commit of the move: what is in the history has happened, and what has
 * happened is in it. It is kept in the store, beside the jobs. Each move costs a row: with it, a job that does
 * nothing takes two to four times as long to be added, run and recorded.
 *
 * @example
 * ```ts
 * import { history } from 'offstage/history'
 *
 * const log = history(scheduler)
 * for (const { at, move, attempt } of await log.of('report')) console.log(new Date(at), move, attempt)
 *
 * const failures = log.project(
 *   (counts: Record<string, number>, { name, to }) =>
 *     to === 'failed' ? { ...counts, [name]: (counts[name] ?? 0) + 1 } : counts,
 *   {},
 *   { id: 'failures by type' },
 * )
 * failures.subscribe(() => render(failures.snapshot()))
 * ```
 */
export function history<Table extends JobTable>(scheduler: Scheduler<Table>, settings: HistorySettings = {}): History {
  check.checkOptions(settings, settingsChecks)
  const { keep, data } = settings
  const extension = attached.get(scheduler) ?? new HistoryExtension()
  const commands = extend(scheduler, extension)
  attached.set(scheduler, extension)
  if (keep) extension.keep = { ...extension.keep, ...keep }
  if (data !== undefined) extension.hasData = data
  return {
    async of(jobId) {
      check.checkArgument('jobId', idCheck, jobId)
      return commands.of(jobId)
    },
    async since(seq, options = {}) {
      check.checkArgument('seq', check.integer(0), seq)
      check.checkOptions(options, { limit: check.integerOrInfinity(0) }, 'options.')
      return commands.since(seq, options.limit ?? Number.POSITIVE_INFINITY)
    },
    project(reducer, initial, options = {}) {
      check.checkArgument('reducer', check.callable, reducer)
      check.checkOptions(options, { id: projectionIdCheck }, 'options.')
      return new ProjectionHandle(commands, reducer, initial, {
        id: options.id,
        saveEvery: Math.min(saveEveryMax, Math.ceil(extension.keep.count / 10)),
        onWritten: (callback) => scheduler.on('history:written', callback),
      })
    },
  }
}
