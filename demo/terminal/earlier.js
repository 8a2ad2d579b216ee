// What an earlier life of the program left in the store, and what becomes of it now.
import { color } from './color.js'
import { count } from './text.js'

/** @typedef {import('offstage').Job} AnyJob */

export class Earlier {
  #finished = 0
  #waiting = 0
  /** Jobs that were under way, until it is known how they go on. */
  #underWay = new Set()
  #resumed
  #withCheckpoint = 0

  /** @param {readonly AnyJob[]} found before any of them has started again */
  constructor(found) {
    for (const job of found) {
      const { state, attempt } = job.snapshot()
      if (state === 'completed' || state === 'failed' || state === 'cancelled') this.#finished++
      else if (attempt > 0) this.#underWay.add(job.id)
      else this.#waiting++
    }
    this.#resumed = this.#underWay.size
  }

  /** At the beginning. */
  get line() {
    return `${count(this.#finished)} jobs finished, ${count(this.#resumed)} under way, ${count(this.#waiting)} not started`
  }

  /** At the end. */
  get summary() {
    const [finished, resumed, kept] = [this.#finished, this.#resumed, this.#withCheckpoint].map((jobs) => count(jobs))
    return `${finished} jobs had finished before, ${resumed} were under way, ${kept} of them went on from a checkpoint`
  }

  /**
   * @param {Pick<import('offstage').Scheduler, 'on'>} scheduler
   * @param {import('./screen.js').Screen} screen
   */
  listen(scheduler, screen) {
    scheduler.on('log', ({ jobId, args }) => {
      if (args[0] !== 'goes on' || !this.#underWay.delete(jobId)) return
      this.#withCheckpoint++
      screen.say(`  ${color('cyan', '↷')} ${jobId} goes on behind file ${count(Number(args[1]))}, from its checkpoint`)
    })
  }
}
