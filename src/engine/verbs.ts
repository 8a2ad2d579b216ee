import { finishedAt } from '../job/record.ts'
import type { Signal } from '../job/waits.ts'
import type { Verb } from './engine.ts'
import { cancelled } from './job-errors.ts'
import type { Jobs } from './jobs.ts'
import type { LiveJob } from './live-job.ts'

/** Carries out a verb on one job. Returns whether it was possible. */
export function actOn(jobs: Jobs, job: LiveJob, verb: Verb, argument: unknown): boolean {
  switch (verb) {
    case 'cancel':
      return jobs.moveIfLegal(job, { type: 'cancel', error: cancelled(job.record, argument) })
    case 'abort':
      return jobs.moveIfLegal(job, { type: 'cancel', error: argument })
    case 'retry':
      return jobs.retry(job)
    case 'remove':
      jobs.moveIfLegal(job, { type: 'cancel', error: cancelled(job.record, 'it was removed') })
      jobs.remove(job, 'removed')
      return true
    case 'clean':
      // It may have gone, or be retried, since it was found.
      if (!job.isListed || !((finishedAt(job.record) as number) <= (argument as number))) return false
      jobs.remove(job, 'removed')
      return true
    case 'setPriority':
      return jobs.moveIfLegal(job, { type: 'prioritize', priority: argument as number })
    case 'promote':
      return jobs.fallDue(job)
    case 'signal':
      return jobs.signal(job, argument as Signal)
  }
}
