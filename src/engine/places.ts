/**
 * Where a job waits: in its line, for its time, for its trial, or for an earlier attempt to leave its worker. Its record says
 * which.
 */
import { isWaiting, type JobRecord } from '../job/record.ts'
import { type Action, canExpire } from '../job/transition.ts'
import { isRetrying } from '../job/waits.ts'
import type { Timer, TimerQueue } from '../timers/timer-queue.ts'
import type { Lines } from './lines.ts'
import type { LiveJob } from './live-job.ts'

/** What this module knows of `Jobs`: lines, timers, and what to do when a wait is over. */
interface KnownJobs {
  readonly lines: Pick<Lines, 'join' | 'hold' | 'quit'>
  readonly timers: TimerQueue
  readonly commits: { schedule(): void }
  readonly starter: { suspect(job: LiveJob): void }
  fallDue(job: LiveJob): boolean
  moveIfLegal(job: LiveJob, action: Action): boolean
}

/**
 * Puts a job where its record says that it belongs: in its line, in the timer queue, or in neither. It must be in no line before.
 * `since`: when its delay began, if that was in this process.
 */
export function placeJob(jobs: KnownJobs, job: LiveJob, since: number | undefined): void {
  const { record, expiry } = job
  if (job.timer) jobs.timers.cancel(job.timer)
  job.timer = undefined
  joinLine(jobs, job)
  if (record.runAt !== undefined) job.timer = setTimer(jobs, record.runAt, since, () => jobs.fallDue(job), true)
  if (!expiry) return
  if (mayExpire(record)) jobs.timers.set(expiry)
  else jobs.timers.cancel(expiry)
}

/**
 * Puts a queued job in line, unless it has to wait: for an earlier attempt to leave its worker, for its trial, or while it is
 * held back. A job that has started before may keep its place while it waits.
 */
export function joinLine(jobs: KnownJobs, job: LiveJob): void {
  const { record, attempt, timer } = job
  if (attempt) return
  if (record.state !== 'queued') {
    if (isRetrying(record)) jobs.lines.hold(job)
    return
  }
  if (!timer && record.crashes === 0) return jobs.lines.join(job)
  if (!timer) jobs.starter.suspect(job)
  jobs.lines.hold(job)
}

/** Takes a job out of its line. */
export function quitLine(jobs: KnownJobs, job: LiveJob): void {
  if (job.heapIndex !== -1) jobs.lines.quit(job)
}

/** Takes a job out of its line and stops its timers, because it is gone. */
export function leavePlace(jobs: KnownJobs, job: LiveJob): void {
  quitLine(jobs, job)
  jobs.timers.cancel(job.timer)
  jobs.timers.cancel(job.expiry)
}

/** Holds a job back for `ms` milliseconds, so that others go first. Then it goes back to its old place in line. */
export function holdBack(jobs: KnownJobs, job: LiveJob, ms: number): void {
  quitLine(jobs, job)
  job.timer = jobs.timers.after(
    ms,
    () => {
      quitLine(jobs, job)
      placeJob(jobs, job, undefined)
      jobs.commits.schedule()
    },
    true,
  )
  joinLine(jobs, job)
}

/** Sets the timer for the `expiresAt` of a job that has one and waits. `since` as in `placeJob`. */
export function watchExpiry(jobs: KnownJobs, job: LiveJob, since: number | undefined): void {
  const { record } = job
  if (record.expiresAt === undefined || !mayExpire(record)) return
  job.expiry = setTimer(jobs, record.expiresAt, since, () => jobs.moveIfLegal(job, { type: 'expire' }))
}

const mayExpire = (record: JobRecord): boolean => isWaiting(record.state) && canExpire(record)

/** Whether the job has expired. Asks the clock: when the thread was busy or asleep, the timer has not fired yet. */
export function hasExpired({ timers }: KnownJobs, { record, expiry }: LiveJob): boolean {
  return expiry !== undefined && canExpire(record) && timers.isDue(expiry)
}

/**
 * Sets a timer. If the wait began in this process (`since`), it is measured as a span. If the time was stored earlier, or
 * given as a moment, it follows the wall clock.
 */
function setTimer(
  { timers }: KnownJobs,
  wallMs: number,
  since: number | undefined,
  callback: () => void,
  keepsProcessAlive = false,
): Timer {
  return since === undefined
    ? timers.at(wallMs, callback, keepsProcessAlive)
    : timers.within(wallMs - since, wallMs, callback, keepsProcessAlive)
}
