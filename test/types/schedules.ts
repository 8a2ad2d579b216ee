// Schedules know the jobs of their scheduler.
import type { Scheduler } from 'offstage'
import { schedules } from 'offstage/schedules'
import { expectType } from './expect-type.ts'
import type { jobs } from './jobs.ts'

declare const scheduler: Scheduler<typeof jobs>
const plan = schedules(scheduler)
const set = await plan.set('a', { everyMs: 1 }, { name: 'double', input: 1, options: { attempts: 2 } })
expectType<number | undefined>()(set.nextAt)
// @ts-expect-error: there is no such job.
void plan.set('a', { everyMs: 1 }, { name: 'triple', input: 1 })
// @ts-expect-error: its input is a number.
void plan.set('a', { everyMs: 1 }, { name: 'double', input: '1' })
// @ts-expect-error: its input is missing.
void plan.set('a', { everyMs: 1 }, { name: 'double' })
// @ts-expect-error: a schedule makes the ids of its jobs.
void plan.set('a', { everyMs: 1 }, { name: 'double', input: 1, options: { id: 'b' } })
// @ts-expect-error: callbacks belong to a page or process.
void plan.set('a', { everyMs: 1 }, { name: 'double', input: 1, options: { onCompleted: () => {} } })
// @ts-expect-error: either one or the other.
void plan.set('a', { everyMs: 1, cron: '* * * * *' }, { name: 'double', input: 1 })
// @ts-expect-error: a zone is for times of the day.
void plan.set('a', { everyMs: 1, timeZone: 'UTC' }, { name: 'double', input: 1 })
scheduler.on('schedule:fired', ({ scheduleId }) => expectType<string>()(scheduleId))
scheduler.on('schedule:skipped', ({ reason }) => expectType<'missed' | 'overlap' | 'refused'>()(reason))
