import type { Attempt } from '../pool/pool-worker.ts'
import { isBefore, type Line } from '../queue/line.ts'
import type { Timer } from '../timers/timer-queue.ts'
import type { Jobs } from './jobs.ts'
import type { LiveJob } from './live-job.ts'

type KnownJobs = Pick<Jobs, 'timers' | 'lines' | 'commits' | 'move'>

/** Who starts jobs and suspects. */
interface Starter {
  /** Attempts that are on threads. */
  readonly attempts: number
  /** Starts what waits in line. Returns how many more threads it would need. */
  startInOrder(): number
  /** Starts it in this queue if a thread is free. */
  startAside(job: LiveJob, line: Line<LiveJob>): void
}

/** A process that ends this soon was ended by what starts it, most likely. */
const graceMs = 1_000
/** Whoever ends its process mostly does so at once: what has run for so long has not. */
const trialMs = 5_000
/** So long the others go first, then the suspects, and so on while there are both. */
const turnMs = 10_000

/**
 * Jobs that were running when their process or page ended. One of them may have ended it; the others just ran at that time.
 *
 * To find out which, each runs *on trial*: nothing else starts beside it, and what runs already has run for longer than a trial
 * takes. If the process ends again, it is this one that is counted; if the job ends or has run for long enough, it is
 * acquitted. So a job that ends its process is found by its third start, however many ran beside it.
 *
 * Suspects stand in no line. The trial of one that cannot start (its queue is paused, or has no room) does not hold up anybody.
 */
export class Suspects {
  readonly #jobs: KnownJobs
  readonly #starter: Starter
  readonly #since: number
  readonly #waiting = new Set<LiveJob>()
  #trial: Attempt<LiveJob> | undefined
  /** For the end of the trial, or for when the next may begin. */
  #timer: Timer | undefined
  /** Of what is no suspect. */
  #lastStart = 0

  constructor(jobs: KnownJobs, starter: Starter) {
    this.#jobs = jobs
    this.#starter = starter
    this.#since = jobs.timers.monotonic()
  }

  /** Waits for its trial. */
  join(job: LiveJob): void {
    this.#waiting.add(job)
  }

  /** Starts what may start. Returns how many more threads there is work for. */
  pump(): number {
    if (this.#trial) return 0
    const { timers, lines } = this.#jobs
    const starter = this.#starter
    timers.cancel(this.#timer)
    const now = timers.monotonic()
    const livedMs = now - this.#since
    const isTheirTurn = Math.floor(livedMs / turnMs) % 2 === 1
    let wanted = 0
    if (!isTheirTurn || !this.#next()) {
      const before = starter.attempts
      wanted = starter.startInOrder()
      if (starter.attempts > before) this.#lastStart = now
      if (lines.next()) return wanted
    }
    const job = this.#next()
    if (!job) return wanted
    const waitMs = Math.max(graceMs - livedMs, starter.attempts > 0 ? this.#lastStart + trialMs - now : 0)
    if (waitMs > 0) {
      this.#setAlarm(waitMs)
      return wanted
    }
    starter.startAside(job, lines.lineOf(job))
    this.#trial = job.attempt
    // Where there is no thread for it there may be one for others, in their turn.
    this.#setAlarm(this.#trial ? trialMs : turnMs)
    return this.#trial ? wanted : wanted + 1
  }

  /** The first that its queue lets start. */
  #next(): LiveJob | undefined {
    let next: LiveJob | undefined
    // Each queue is asked once: it may open meanwhile, and then the first of it would be passed over.
    const open = new Map<Line<LiveJob>, boolean>()
    for (const job of this.#waiting) {
      const line = this.#jobs.lines.lineOf(job)
      if (!open.has(line)) open.set(line, line.limiter.isOpen())
      if (!isWaiting(job)) this.#waiting.delete(job)
      else if (open.get(line) && (!next || isBefore(job.record, next.record))) next = job
    }
    return next
  }

  #setAlarm(ms: number): void {
    this.#timer = this.#jobs.timers.after(ms, () => this.#ring(), true)
  }

  #ring(): void {
    const attempt = this.#trial
    this.#trial = undefined
    if (attempt && !attempt.isStale) this.#jobs.move(attempt.owner, { type: 'acquit' })
    this.#jobs.commits.schedule()
  }

  /** An attempt is off its thread. */
  ended(attempt: Attempt<LiveJob>): void {
    if (attempt !== this.#trial) return
    this.#trial = undefined
    this.#jobs.timers.cancel(this.#timer)
  }
}

/** It may have been cancelled or removed, or it is on its thread still. */
const isWaiting = ({ isListed, record, attempt, timer }: LiveJob): boolean =>
  isListed && record.state === 'queued' && record.crashes > 0 && !attempt && !timer
