// The job that comes again and again: how often it did, and what it saw.
import { bytes, count } from './text.js'

export class Pulse {
  #count = 0
  #most = 0

  /** @param {import('offstage').Scheduler<typeof import('./jobs.js').jobs>} scheduler */
  constructor(scheduler) {
    scheduler.on('completed', (event) => {
      if (event.name !== 'pulse') return
      this.#count++
      this.#most = Math.max(this.#most, event.result)
    })
  }

  get line() {
    return `a schedule had the memory looked at ${count(this.#count)} times; ${bytes(this.#most)} at most`
  }
}
