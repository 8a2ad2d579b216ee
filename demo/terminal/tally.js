// Who has done what: kept from what the scheduler and the jobs tell, and handed on to the screen.
import { color } from './color.js'
import { bytesOf } from './files.js'
import { seconds } from './text.js'

/** @typedef {import('./jobs.js').Progress} Progress */
/** @typedef {{ completed: number, failed: number, cancelled: number, retries: number }} Outcomes */

export class Tally {
  /** @type {Map<string, Outcomes>} */
  types = new Map()
  ended = 0
  #done = 0
  #screen

  /**
   * @param {Pick<import('offstage').Scheduler, 'on'>} scheduler
   * @param {import('./screen.js').Screen} screen
   * @param {readonly import('offstage').Job[]} found what is there already; what has ended of it counts
   */
  constructor(scheduler, screen, found) {
    this.#screen = screen
    for (const job of found) {
      const { state } = job.snapshot()
      if (state === 'completed' || state === 'failed' || state === 'cancelled') this.#end(job.name, state)
    }
    scheduler.on('completed', ({ name }) => {
      // That one comes again and again.
      if (name !== 'pulse') this.#end(name, 'completed')
    })
    scheduler.on('failed', ({ name, error }) => {
      this.#end(name, 'failed')
      screen.say(`  ${color('red', '✗')} ${name} failed: ${messageOf(error)}`)
    })
    scheduler.on('cancelled', ({ name, error }) => {
      this.#end(name, 'cancelled')
      screen.say(`  ${color('yellow', '■')} ${name} was cancelled: ${messageOf(error)}`)
    })
    scheduler.on('retrying', ({ name, attempt, error, runAt, at }) => {
      this.#of(name).retries++
      screen.say(
        `  ${color('yellow', '↻')} ${name} failed in attempt ${attempt}: ${messageOf(error)}; tried again in ${seconds(runAt - at)}`,
      )
    })
  }

  /**
   * Callbacks for one job that works through these files.
   * @param {string} name
   * @param {readonly import('./files.js').FileEntry[]} files
   */
  follow(name, files) {
    const weight = bytesOf(files)
    let done = 0
    let worker = 0
    const add = (/** @type {number} */ newDone) => {
      this.#done += newDone - done
      done = newDone
      this.#screen.total(this.#done, this.ended)
    }
    return {
      onProgress: (/** @type {Progress} */ progress) => {
        worker = progress.worker
        if (weight > 0) add(progress.done)
        this.#screen.work(name, progress)
      },
      onSettled: () => {
        // What could not be read, or was no text, was not gone through to its end.
        add(weight)
        this.#screen.rest(worker)
      },
    }
  }

  /**
   * @param {string} name
   * @param {'completed' | 'failed' | 'cancelled'} outcome
   */
  #end(name, outcome) {
    this.#of(name)[outcome]++
    this.ended++
    this.#screen.total(this.#done, this.ended)
  }

  /** @param {string} name */
  #of(name) {
    const outcomes = this.types.get(name) ?? { completed: 0, failed: 0, cancelled: 0, retries: 0 }
    this.types.set(name, outcomes)
    return outcomes
  }
}

const messageOf = (/** @type {unknown} */ error) => (error instanceof Error ? error.message : String(error))
