import type { Attempt } from '../pool/pool-worker.ts'
import type { Line } from '../queue/line.ts'
import { isBefore } from '../queue/order.ts'
import type { Timer } from '../timers/timer-queue.ts'
import type { Jobs } from './jobs.ts'
import type { LiveJob } from './live-job.ts'

type KnownJobs = Pick<Jobs, 'timers' | 'lines' | 'commits' | 'move'>

/** Starts ordinary jobs and suspects; the dispatcher. */
interface Starter {
  /** How many attempts are on workers. */
  readonly attempts: number
  /** Starts jobs from the queues, in order. Returns how many more workers they could use. */
  startInOrder(): number
  /** Starts a job in the given queue if a worker is free. */
  startAside(job: LiveJob, line: Line<LiveJob>): void
}

/** If a process ends within this time, its last start most likely ended it. */
const graceMs = 1_000
/** A job that ends its process mostly does so at once. A job that has run for this long did not. */
const trialMs = 5_000
/** Ordinary jobs go first for this long, then the suspects, and so on in turns while there are both. */
const turnMs = 10_000

/**
 * Jobs that were running when their process or page ended. One of them may have ended it; the others only ran at that time.
 *
 * To find out which one it was, each suspect runs *on trial*: nothing else starts beside it, and whatever runs already has run
 * for longer than a trial takes. If the process ends again, the crash counts against the job on trial. If the job ends, or runs
 * for long enough, it is acquitted. So a job that ends its process is found by its third start, however many jobs ran beside
 * it.
 *
 * Suspects wait outside the lines of their queues. When a suspect cannot start because its queue is paused or full, it holds up
 * no other job.
 */
export class Suspects {
  readonly #jobs: KnownJobs
  readonly #starter: Starter
  readonly #since: number
  readonly #waiting = new Set<LiveJob>()
  #trial: Attempt<LiveJob> | undefined
  /** Ends the trial, or fires when the next trial may begin. */
  #timer: Timer | undefined
  /** When an ordinary job was last started. */
  #lastStart = 0

  constructor(jobs: KnownJobs, starter: Starter) {
    this.#jobs = jobs
    this.#starter = starter
    this.#since = jobs.timers.monotonic()
  }

  /** Adds a job that waits for its trial. */
  join(job: LiveJob): void {
    this.#waiting.add(job)
  }

  /** Starts the jobs that may start. Returns how many more workers there is work for. */
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
      this.#setTimer(waitMs)
      return wanted
    }
    starter.startAside(job, lines.lineOf(job))
    this.#trial = job.attempt
    // If no worker is free for the suspect, there may be one for ordinary jobs, when it is their turn.
    this.#setTimer(this.#trial ? trialMs : turnMs)
    return this.#trial ? wanted : wanted + 1
  }

  /** Returns the first suspect whose queue lets it start. */
  #next(): LiveJob | undefined {
    let next: LiveJob | undefined
    // Each limiter is asked once. It may open during the loop, and then the first suspect of its queue would be passed over.
    const open = new Map<Line<LiveJob>, boolean>()
    for (const job of this.#waiting) {
      const line = this.#jobs.lines.lineOf(job)
      if (!open.has(line)) open.set(line, line.limiter.isOpen())
      if (!isWaiting(job)) this.#waiting.delete(job)
      else if (open.get(line) && line.limits?.isOpen(job) !== false && (!next || isBefore(job.record, next.record)))
        next = job
    }
    return next
  }

  #setTimer(ms: number): void {
    this.#timer = this.#jobs.timers.after(ms, () => this.#ring(), true)
  }

  #ring(): void {
    const attempt = this.#trial
    this.#trial = undefined
    if (attempt && !attempt.isStale) this.#jobs.move(attempt.owner, { type: 'acquit' })
    this.#jobs.commits.schedule()
  }

  /** An attempt has left its worker. */
  ended(attempt: Attempt<LiveJob>): void {
    if (attempt !== this.#trial) return
    this.#trial = undefined
    this.#jobs.timers.cancel(this.#timer)
  }
}

/** A suspect may have been cancelled or removed, or its last attempt may still be on a worker. */
const isWaiting = ({ isListed, record, attempt, timer }: LiveJob): boolean =>
  isListed && record.state === 'queued' && record.crashes > 0 && !attempt && !timer
