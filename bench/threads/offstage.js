// Which build of offstage: the one that the scheduler is of.
import * as handlers from './handlers.js'

const { defineJobs } = await import(`${process.env.OFFSTAGE_BENCH_THREAD}worker.js`)

export const jobs = defineJobs({
  ...handlers,

  /** Reports as generators do. @param {number} count */
  *flood(count) {
    for (let report = 1; report <= count; report++) yield report
    return count
  },

  /**
   * Reports from a function that never stops.
   * @param {number} count
   * @param {import('../../dist/worker.js').JobContext<number>} job
   */
  floodAtOnce(count, job) {
    for (let report = 1; report <= count; report++) job.progress(report)
    return count
  },
})
