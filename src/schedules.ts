export type { Schedule, ScheduledJob } from './schedules/schedule.ts'
export { nextRuns, type Schedules, schedules } from './schedules/schedules.ts'
export type { ScheduleSpec } from './schedules/spec.ts'
