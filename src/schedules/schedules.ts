import { extend } from '../extend.ts'
import { type ExtensionPoint, extensionPointOf } from '../extension-point.ts'
import { takeStandingOptions } from '../job/standing-options.ts'
import { systemClock } from '../platform/host.ts'
import { randomId } from '../platform/random-id.ts'
import * as check from '../shared/check.ts'
import { copyValue } from '../shared/clone.ts'
import type { JobTable } from '../thread/job-types.ts'
import type { Scheduler } from '../typed-scheduler.ts'
import { Recurrence } from './recurrence.ts'
import type { Schedule, ScheduledJob } from './schedule.ts'
import { schedulesExtension } from './schedules-extension.ts'
import { moment, type ScheduleSpec, takeSpec } from './spec.ts'

/** Sets, lists and removes the schedules of a scheduler. Each call resolves when what it did is committed to the store. */
export interface Schedules<Table extends JobTable = JobTable> {
  /**
   * Sets a schedule, or changes the one with this id. A schedule with the same times keeps its place, even if it is due; other
   * times, or another zone, count from now. Rejects with `INVALID_OPTION`, which names what is wrong, for times that make no
   * sense or never come, and with `DATA_CLONE` for an input that cannot be copied or stored.
   */
  set(id: string, spec: ScheduleSpec, job: ScheduledJob<Table>): Promise<Schedule>
  /** Resolves with the schedule of this id; `undefined` if there is none. */
  get(id: string): Promise<Schedule | undefined>
  /** Resolves with all schedules, sorted by id. */
  list(): Promise<Schedule[]>
  /** Removes a schedule; jobs that it has added stay. Resolves with `false` if there is none. */
  remove(id: string): Promise<boolean>
  /** Lets the schedule add no more jobs until `resume`. Resolves with `false` if there is none. */
  pause(id: string): Promise<boolean>
  /** Counts from now: what would have come during the pause does not count as missed. Resolves with `false` if there is none. */
  resume(id: string): Promise<boolean>
  /**
   * Adds its job now, whether it is paused or not, beside its occurrences. Resolves with the id of the job; `undefined` if there
   * is no such schedule.
   */
  trigger(id: string): Promise<string | undefined>
}

const idCheck = check.string(256)

/**
 * Returns the schedules of a scheduler: named recurrences that add jobs. They are kept in its store, beside the jobs. Of all
 * tabs that share a store the leading one adds the jobs, and every tab may set schedules. An occurrence adds its job once, in one
 * commit with the schedule's next time, whatever happens: a crash, a second tab, a clock that is set back.
 *
 * The handler finds the time of the occurrence in `job.headers.scheduledFor`, and that of the one before in
 * `job.headers.previous`, as texts that `new Date` understands.
 *
 * @example
 * ```ts
 * import { schedules } from 'offstage/schedules'
 *
 * await schedules(scheduler).set('report', { cron: '0 3 * * MON-FRI', timeZone: 'Europe/Berlin' }, { name: 'report' })
 * ```
 */
export function schedules<Table extends JobTable>(scheduler: Scheduler<Table>): Schedules<Table> {
  const commands = extend(scheduler, schedulesExtension)
  const { defaultsOf } = extensionPointOf(scheduler)
  const named = (id: string): string => {
    check.checkArgument('id', idCheck, id)
    return id
  }
  return {
    async set(id, spec, job) {
      const taken = takeSpec(spec)
      new Recurrence(taken, named(id), 0).assertComes()
      return commands.set(id, taken, takeJob(job, defaultsOf))
    },
    get: async (id) => commands.get(named(id)),
    list: () => commands.list(),
    remove: async (id) => commands.remove(named(id)),
    pause: async (id) => commands.setPaused(named(id), true),
    resume: async (id) => commands.setPaused(named(id), false),
    trigger: async (id) => commands.trigger(named(id), randomId('trigger')),
  }
}

const anything: check.Check = () => undefined
const jobChecks: check.Checks = { name: check.string(256), input: anything, options: anything }

/** The input stays as it is, so it has the version that the code has which sets the schedule. */
function takeJob(
  given: { readonly name: string; readonly input?: unknown; readonly options?: object | undefined },
  defaultsOf: ExtensionPoint['defaultsOf'],
) {
  check.checkArgument('job', check.object, given)
  const { name = '', input } = given
  check.checkOptions({ ...given, name }, jobChecks, 'job.')
  const own = takeStandingOptions(given.options, 'a schedule')
  const version = own?.version ?? defaultsOf(name).options.version
  const options = version ? { ...own, version } : own
  return { name, input: copyValue(input, 'input'), options }
}

/**
 * Returns the next `n` occurrences of a spec after `from` (default: now), for showing them before it is set. `H` needs the `id`
 * of the schedule. Throws `INVALID_OPTION` as `set` rejects.
 *
 * @example
 * ```ts
 * nextRuns({ cron: '0 3 * * MON-FRI', timeZone: 'Europe/Berlin' }, 5) // five Dates
 * ```
 */
export function nextRuns(
  spec: ScheduleSpec,
  n: number,
  options: { readonly from?: number | Date | undefined; readonly id?: string | undefined } = {},
): Date[] {
  const taken = takeSpec(spec)
  check.checkArgument('n', check.integer(0, 10_000), n)
  check.checkOptions(options, { from: moment, id: idCheck }, 'options.')
  const from = Number(options.from ?? systemClock.now())
  const recurrence = new Recurrence(taken, options.id ?? '', from)
  recurrence.assertComes()
  const { limit = n } = taken
  const runs: Date[] = []
  for (let at = recurrence.next(from); at !== undefined && runs.length < Math.min(n, limit); at = recurrence.next(at))
    runs.push(new Date(at))
  return runs
}
