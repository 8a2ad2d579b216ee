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

  /**
   * Calls a function that does nothing, so many times; each call a recorded step, or not.
   * @param {{ count: number, isRecorded: boolean }} input
   * @param {import('../../dist/worker.js').JobContext} job
   */
  async steps({ count, isRecorded }, job) {
    let sum = 0
    const one = async (/** @type {number} */ n) => n
    for (let n = 0; n < count; n++) sum += isRecorded ? await job.step(`step ${n}`, () => one(n)) : await one(n)
    return sum
  },
})
