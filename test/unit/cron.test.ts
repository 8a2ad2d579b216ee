// Cron expressions against an oracle: Temporal, minute by minute, over every change of the clocks in zones with odd ones.
import { nextRuns } from 'offstage/schedules'
import { Temporal } from 'temporal-polyfill'
import { describe, expect, test } from 'vitest'
import { cronTimes } from '../../src/schedules/cron.ts'

const [minute, hour, day] = [60_000, 3_600_000, 86_400_000]

const zones = ['Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'America/Santiago', 'Pacific/Apia', 'Asia/Tokyo', 'UTC'] // biome-ignore format: one line.

/** All changes of a zone's clocks from 1970 to 2100. */
function changesOf(zone: string): Temporal.ZonedDateTime[] {
  const changes: Temporal.ZonedDateTime[] = []
  let at: Temporal.ZonedDateTime | null = Temporal.ZonedDateTime.from(`1970-01-02T00:00[${zone}]`)
  for (at = at.getTimeZoneTransition('next'); at && at.year < 2100; at = at.getTimeZoneTransition('next'))
    changes.push(at)
  return changes
}

interface Pattern {
  readonly cron: string
  /** For times that are given: hour and minute. */
  readonly time?: readonly [hour: number, minute: number]
  readonly matches: (at: Temporal.ZonedDateTime | Temporal.PlainDate) => boolean
}

const always = () => true
const daily = (h: number, m: number): Pattern => ({ cron: `${m} ${h} * * *`, time: [h, m], matches: always })
const patterns: Pattern[] = [
  { cron: '* * * * *', matches: always },
  { cron: '0 * * * *', matches: (at) => (at as Temporal.ZonedDateTime).minute === 0 },
  { cron: '*/20 * * * *', matches: (at) => (at as Temporal.ZonedDateTime).minute % 20 === 0 },
  ...[0, 1, 2, 3, 23].flatMap((h) => [daily(h, 0), daily(h, 30)]),
  { cron: '15 2 * * SUN', time: [2, 15], matches: ({ dayOfWeek }) => dayOfWeek === 7 },
  { cron: '30 2 L * *', time: [2, 30], matches: ({ day, daysInMonth }) => day === daysInMonth },
]

/** What the oracle expects between two instants. */
function expected({ time, matches }: Pattern, zone: string, from: number, to: number): number[] {
  if (!time) {
    const times: number[] = []
    for (let at = from + minute; at <= to; at += minute)
      if (matches(Temporal.Instant.fromEpochMilliseconds(at).toZonedDateTimeISO(zone))) times.push(at)
    return times
  }
  const first = Temporal.Instant.fromEpochMilliseconds(from)
    .toZonedDateTimeISO(zone)
    .toPlainDate()
    .subtract({ days: 1 })
  const times: number[] = []
  for (let n = 0; n < (to - from) / day + 3; n++) {
    const date = first.add({ days: n })
    if (!matches(date)) continue
    const local = date.toPlainDateTime({ hour: time[0], minute: time[1] })
    // Of a repeated hour the first; a time that is left out comes right after the gap.
    const [early, late] = [local.toZonedDateTime(zone, { disambiguation: 'earlier' }), local.toZonedDateTime(zone, { disambiguation: 'later' })] // biome-ignore format: one line.
    const isInGap = !early.toPlainDateTime().equals(local)
    // A day that is left out as a whole has no time.
    if (isInGap && late.epochMilliseconds - early.epochMilliseconds >= day) continue
    const at = (isInGap ? early.getTimeZoneTransition('next') : early) ?? late
    if (at.epochMilliseconds > from && at.epochMilliseconds <= to) times.push(at.epochMilliseconds)
  }
  return times
}

const iso = (times: readonly number[]) => times.map((at) => new Date(at).toISOString())

describe('an expression', () => {
  const runs = (cron: string, n: number, id?: string) =>
    nextRuns({ cron, timeZone: 'UTC' }, n, { from: Date.UTC(2026, 0, 1), id }).map((at) =>
      at.toISOString().slice(5, 16),
    )

  test.each([
    ['0 22-1 * * *', ['01-01T01:00', '01-01T22:00', '01-01T23:00', '01-02T00:00', '01-02T01:00']],
    ['0 20-4/3 * * *', ['01-01T02:00', '01-01T20:00', '01-01T23:00', '01-02T02:00']],
    ['0 12 * * FRI-MON', ['01-02T12:00', '01-03T12:00', '01-04T12:00', '01-05T12:00', '01-09T12:00']],
    ['0 12 * * 7-1', ['01-04T12:00', '01-05T12:00', '01-11T12:00']],
    ['0 12 1 nov-FEB *', ['01-01T12:00', '02-01T12:00', '11-01T12:00', '12-01T12:00']],
    ['58-1 3 * * *', ['01-01T03:00', '01-01T03:01', '01-01T03:58', '01-01T03:59', '01-02T03:00']],
    ['0 12 L * *', ['01-31T12:00', '02-28T12:00', '03-31T12:00']],
    ['0 12 15W * *', ['01-15T12:00', '02-16T12:00', '03-16T12:00']],
    ['0 12 * * 5#2', ['01-09T12:00', '02-13T12:00']],
    ['0 12 29 2 *', ['02-29T12:00', '02-29T12:00']],
    ['@weekly', ['01-04T00:00', '01-11T00:00']],
    ['30 0 0 1 1 * 2030', ['01-01T00:00']],
    ['  5   4 * * *  ', ['01-01T04:05']],
  ])('%s', (cron, wanted) => {
    expect(runs(cron, wanted.length)).toEqual(wanted)
  })

  test('with H is the same for one id, differs between ids, and stays in its bounds', () => {
    const of = (cron: string, id: string) => runs(cron, 3, id).join()
    expect(of('H H * * *', 'a')).toBe(of('H H * * *', 'a'))
    expect(new Set(Array.from({ length: 50 }, (_, n) => of('H H * * *', `${n}`))).size).toBeGreaterThan(40)
    const minutes = Array.from({ length: 200 }, (_, n) => Number(runs('H(10-19) * * * *', 1, `${n}`)[0]?.slice(-2)))
    expect([Math.min(...minutes), Math.max(...minutes)]).toEqual([10, 19])
    for (const id of ['a', 'b', 'c']) {
      const [first, second] = runs('H/15 * * * *', 2, id).map((text) => Number(text.slice(-2)))
      expect((second as number) - (first as number)).toBe(15)
    }
    const days = Array.from({ length: 200 }, (_, n) => Number(runs('0 0 H * *', 1, `${n}`)[0]?.slice(3, 5)))
    expect([Math.min(...days) >= 1, Math.max(...days) <= 28]).toEqual([true, true])
  })

  test.each([
    ['61 * * * *', 'its minute is'],
    ['* 24 * * *', 'its hour is'],
    ['* * 0 * *', 'its day of the month is'],
    ['* * * 13 *', "its month is '13': Invalid value."],
    ['* * 32 * *', "its day of the month is '32': Invalid value."],
    ['* * * * 8', 'its day of the week is'],
    ['60 * * * * *', 'its second is'],
    ['* * * FOO *', 'its month is'],
    ['*/0 * * * *', 'its minute is'],
    ['H(20-10) * * * *', 'its minute is'],
    ['H/0 * * * *', 'its minute is'],
    ['1-2-3 * * * *', 'its minute is'],
    ['* * * *', "got '* * * *'"],
    ['every day', "got 'every day'"],
    ['@reboot', "got '@reboot'"],
  ])('%s is refused, and the field is named', (cron, words) => {
    const call = () => nextRuns({ cron }, 1)
    expect(call).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }))
    expect(call).toThrow('`spec.cron`')
    expect(call).toThrow(words)
  })

  test.each(['0 0 30 2 *', '0 0 31 2,4,6,9,11 *', '0 0 0 1 1 * 1969'])(
    '%s is refused, because it never comes',
    (cron) => {
      expect(() => nextRuns({ cron, timeZone: 'UTC' }, 1)).toThrow(`got '${cron}', which never does`)
    },
  )
})

describe.each(zones)('around every change of the clocks in %s, 1970 to 2100', (zone) => {
  const changes = changesOf(zone)
  const places =
    changes.length > 0 ? changes.map(({ epochMilliseconds }) => epochMilliseconds) : [Date.UTC(2026, 2, 29)]

  test.each(patterns.map((pattern) => [pattern.cron, pattern] as const))('%s', (cron, pattern) => {
    const times = cronTimes(cron, zone, '')
    const span = pattern.time ? 2 * day : 3 * hour
    for (const place of pattern.time ? places : places.filter((_, at) => at % 8 === 0)) {
      const [from, to] = [Math.floor((place - span) / minute) * minute, place + span]
      const wanted = expected(pattern, zone, from, to)
      const found: number[] = []
      for (let at = times.next(from); at !== undefined && at <= to; at = times.next(at)) found.push(at)
      expect(iso(found), new Date(place).toISOString()).toEqual(iso(wanted))
      expect(iso(times.newest(wanted.length, to)), `before ${new Date(to).toISOString()}`).toEqual(iso(wanted))
    }
  })
})
