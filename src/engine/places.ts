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

/** The lines, the timers, and what happens when a wait is over; the jobs. */
export interface Waiting {
  readonly lines: Pick<Lines, 'join' | 'hold' | 'quit'>
  readonly timers: TimerQueue
  readonly commits: { schedule(): void }
  readonly starter: { suspect(job: LiveJob): void }
  fallDue(job: LiveJob): boolean
  moveIfLegal(job: LiveJob, action: Action): boolean
}

/**
 * Puts a job that is in no line where its record says it belongs: in its line, in the timer queue, or in neither. `since`:
 * when its delay began, if that was in this process.
 */
export function placeJob(jobs: Waiting, job: LiveJob, since: number | undefined): void {
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
export function joinLine(jobs: Waiting, job: LiveJob): void {
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
export function quitLine(jobs: Waiting, job: LiveJob): void {
  if (job.heapIndex !== -1) jobs.lines.quit(job)
}

/** The job is gone: it waits nowhere any more. */
export function leavePlace(jobs: Waiting, job: LiveJob): void {
  quitLine(jobs, job)
  jobs.timers.cancel(job.timer)
  jobs.timers.cancel(job.expiry)
}

/** Holds a job back for a while, so that others go first. Its place in line stays the same. */
export function holdBack(jobs: Waiting, job: LiveJob, ms: number): void {
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

/** Sets the timer of a job that has an `expiresAt`. `since` as in `placeJob`. */
export function watchExpiry(jobs: Waiting, job: LiveJob, since: number | undefined): void {
  const { record } = job
  if (record.expiresAt === undefined || !mayExpire(record)) return
  job.expiry = setTimer(jobs, record.expiresAt, since, () => jobs.moveIfLegal(job, { type: 'expire' }))
}

const mayExpire = (record: JobRecord): boolean => isWaiting(record.state) && canExpire(record)

/** Whether the job has expired. Its timer may be late, because timers are when the thread was busy or asleep. */
export function hasExpired({ timers }: Waiting, { record, expiry }: LiveJob): boolean {
  return expiry !== undefined && canExpire(record) && timers.isDue(expiry)
}

/**
 * Sets a timer. If the wait began in this process (`since`), it is measured as a span. If the time was stored earlier, or
 * given as a moment, it follows the wall clock.
 */
function setTimer(
  { timers }: Waiting,
  wallMs: number,
  since: number | undefined,
  callback: () => void,
  keepsProcessAlive = false,
): Timer {
  return since === undefined
    ? timers.at(wallMs, callback, keepsProcessAlive)
    : timers.within(wallMs - since, wallMs, callback, keepsProcessAlive)
}
