// The job page, the same in every app. What a test asks it to do is in `globalThis.jobPage`.

/** @typedef {import('offstage').Scheduler<typeof import('./jobs.js').jobs>} JobScheduler */
/** @typedef {ReturnType<typeof jobPage>} JobPage */

const durableId = 'outlives the page'

/** @param {JobScheduler} scheduler */
export function openPage(scheduler) {
  Object.assign(globalThis, { jobPage: jobPage(scheduler) })
}

/** @param {JobScheduler} scheduler */
const jobPage = (scheduler) => ({
  /** @param {number} ms */
  async progress(ms) {
    /** @type {number[]} */
    const seen = []
    const result = await scheduler.run.work(ms, { onProgress: (share) => seen.push(share) })
    return { seen, result }
  },

  async cancel() {
    /** @type {Promise<unknown>} */
    let result = Promise.resolve()
    await new Promise((onProgress) => {
      result = scheduler.run.endless(undefined, { tags: ['endless'], onProgress })
    })
    await scheduler.cancel({ tag: 'endless' })
    return result.catch((error) => error.code)
  },

  async error() {
    const error = await scheduler.run.fail().catch((error) => error)
    return { isRangeError: error instanceof RangeError, text: String(error) }
  },

  /** @param {string} place */
  addDurable: (place) =>
    new Promise((onProgress) => {
      void scheduler.add.remember(place, { id: durableId, onProgress })
    }),

  async durableResult() {
    const job = await scheduler.get(durableId)
    return job?.result()
  },
})
