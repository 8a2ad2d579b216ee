// Why a job waits: asked once, when the rate limit of the hashes begins to hold them back.
export class Waiting {
  line = 'nothing was held back'

  /**
   * @param {import('offstage').Scheduler<typeof import('./jobs.js').jobs>} scheduler
   * @param {(error: unknown) => void} onError
   */
  constructor(scheduler, onError) {
    scheduler.once('rate-limited', ({ queue }) => void this.#ask(scheduler, queue).catch(onError))
  }

  /** @param {import('offstage').Scheduler<typeof import('./jobs.js').jobs>} scheduler @param {string} queue */
  async #ask(scheduler, queue) {
    const [job] = await scheduler.find({ queue, state: 'queued', limit: 1 })
    const [reason] = job ? await scheduler.whyWaiting(job.id) : []
    if (reason) this.line = `'${job?.id}', for a moment: ${reason.detail}`
  }
}
