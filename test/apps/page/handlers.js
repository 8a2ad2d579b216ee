// The handlers of the job page. They import nothing, so that a page without a bundler can use them as they are.

export const handlers = {
  /**
   * Keeps its thread busy; each `yield` reports how much of the time is over.
   *
   * @param {number} ms
   */
  *work(ms) {
    const start = performance.now()
    for (let over = 0; over < ms; over = performance.now() - start) yield over / ms
    return 'done'
  },

  /** @returns {Generator<'working', never>} */
  *endless() {
    for (;;) yield/** @type {const} */ ('working')
  },

  /** @returns {number} */
  fail() {
    throw new RangeError('too far')
  },

  /**
   * Its first attempt never ends. The next one goes on from the checkpoint of the first.
   *
   * @param {string} place
   * @param {import('offstage/worker').JobContext<string>} job
   */
  async remember(place, job) {
    if (job.checkpointed) return `went on from ${job.checkpointed}`
    await job.checkpoint(place)
    job.progress('checkpointed')
    return new Promise(() => {})
  },
}
