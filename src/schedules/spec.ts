import * as check from '../shared/check.ts'
import { OffstageError } from '../shared/errors.ts'
import { show } from '../shared/show.ts'

interface CommonSpec {
  /** No occurrence before this moment. With `everyMs`, the first one. A number is in milliseconds since 1970. Default: now. */
  readonly startAt?: number | Date | undefined
  /** No occurrence after this moment. Default: none. */
  readonly endAt?: number | Date | undefined
  /** How many jobs the schedule adds in all. Default: no limit. */
  readonly limit?: number | undefined
  /**
   * Each occurrence comes up to this many milliseconds later, so that many schedules do not all start at once, but always before
   * the next one. The delay of an occurrence is always the same. Default 0.
   */
  readonly jitterMs?: number | undefined
  /**
   * What happens to occurrences that came while nobody was there to run them (no page or process, a machine that slept), which
   * is noticed more than a minute late: none of them adds a job (`skip`), only the last one does, or `all` do, one after the
   * other, whatever `overlap` says. Default `'last'`.
   */
  readonly missed?: 'skip' | 'last' | 'all' | undefined
  /** How many missed occurrences add a job with `all`: the newest ones. Default 100. */
  readonly missedMax?: number | undefined
  /**
   * What happens if the job of the occurrence before has not ended: both run (`allow`), the new occurrence adds no job (`skip`),
   * its job waits until the other has ended (`queue`), or the other is cancelled (`replace`). Default `'skip'`.
   */
  readonly overlap?: 'allow' | 'skip' | 'queue' | 'replace' | undefined
}

interface CronSpec extends CommonSpec {
  /**
   * When: minute, hour, day of the month, month and day of the week; with six fields the first is the second, and with seven the
   * last is the year. Lists, ranges (also over the end: `22-2`, `FRI-MON`), steps, names, `L`, `W`, `#`, `@daily` and the like.
   * `H` is a value that the id of the schedule decides: `H H * * *` is once a day, and another time for each schedule.
   */
  readonly cron: string
  /**
   * An IANA time zone, `'Europe/Berlin'`. A time that daylight saving leaves out comes right after the gap, and one that it
   * repeats comes once, if hour or minute are given; `*` counts both. Default: the zone of the caller.
   */
  readonly timeZone?: string | undefined
  /** Only of a schedule without `cron`. */
  readonly everyMs?: undefined
}

interface IntervalSpec extends CommonSpec {
  /** The time from one occurrence to the next, in milliseconds: at least 1. The first comes that long after `set`. */
  readonly everyMs: number
  /** Only of a schedule without `everyMs`. */
  readonly cron?: undefined
  /** Only with `cron`. */
  readonly timeZone?: undefined
}

/** When a schedule adds a job. */
export type ScheduleSpec = CronSpec | IntervalSpec

/** A spec as it is stored: checked, with numbers for moments, and with the zone. */
export type StoredSpec = ScheduleSpec & { readonly startAt?: number | undefined; readonly endAt?: number | undefined }

export const missedMaxDefault = 100
/** So many occurrences are still looked at in one go. */
const missedMaxMax = 10_000

const lastMoment = check.number(0, 8.64e15)
export const moment: check.Check = (value) =>
  lastMoment(value instanceof Date ? value.getTime() : value) && 'a time in milliseconds since 1970, or a valid Date'

const timeZone: check.Check = (value) => {
  try {
    if (typeof value === 'string' && value !== '') return void new Intl.DateTimeFormat('en', { timeZone: value })
  } catch {
    // It is unknown.
  }
  return "an IANA time zone, such as 'Europe/Berlin'"
}

const specChecks: check.Checks = {
  cron: check.string(1_024),
  timeZone,
  everyMs: check.positiveMs,
  startAt: moment,
  endAt: moment,
  limit: check.integer(1),
  jitterMs: check.durationMs,
  missed: check.oneOf('skip', 'last', 'all'),
  missedMax: check.integer(1, missedMaxMax),
  overlap: check.oneOf('allow', 'skip', 'queue', 'replace'),
}

/** Returns a checked copy. Throws `INVALID_OPTION`, which names what is wrong. */
export function takeSpec(given: ScheduleSpec): StoredSpec {
  check.checkArgument('spec', check.object, given)
  const spec = check.deepCopy(given, 1)
  check.checkOptions(spec, specChecks, 'spec.')
  const { cron, everyMs } = spec
  if ((cron === undefined) === (everyMs === undefined))
    throw new OffstageError(
      'INVALID_OPTION',
      `Expected \`spec\` to have either \`cron\` or \`everyMs\`, got ${show(given)}.`,
    )
  if (cron === undefined && spec.timeZone !== undefined)
    throw new OffstageError('INVALID_OPTION', 'The option `spec.timeZone` belongs to `spec.cron`.')
  const moments = { startAt: numberOf(spec.startAt), endAt: numberOf(spec.endAt) }
  const { startAt = 0, endAt = startAt } = moments
  if (endAt < startAt)
    throw new OffstageError(
      'INVALID_OPTION',
      `Expected \`spec.endAt\` to be no earlier than \`spec.startAt\`, got ${endAt}.`,
    )
  const zone = cron !== undefined && { timeZone: spec.timeZone ?? new Intl.DateTimeFormat().resolvedOptions().timeZone }
  return { ...spec, ...moments, ...zone } as StoredSpec
}

const numberOf = (moment: number | Date | undefined): number | undefined =>
  moment === undefined ? undefined : Number(moment)
