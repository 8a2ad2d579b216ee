import { setImmediate as turn } from 'node:timers/promises'
import { createScheduler, offstageFolder } from '../pools/offstage.js'

/** @import { Queue, QueueMaker } from './queue.js' */
/** @typedef {import('../../dist/index.js').Scheduler<any>} Scheduler */

const chunk = 10_000
const bytesOfReference = 8

/** Jobs of which nothing is kept but the job itself. @type {QueueMaker} */
export const offstageAdded = {
  name: 'offstage',
  async make() {
    const { scheduler, take, close } = await pausedScheduler(await createScheduler(offstageFolder, { workers: 1 }))
    return {
      async fill(count, priority) {
        for (let filled = 0; filled < count; filled += chunk) {
          const size = Math.min(chunk, count - filled)
          const request = () => ({ name: 'noop', options: { priority: priority() } })
          await scheduler.addMany(Array.from({ length: size }, request))
        }
      },
      heldBytes: (bytes) => bytes,
      add: (count, priority) =>
        Promise.all(Array.from({ length: count }, () => scheduler.add.noop?.(undefined, { priority: priority() }))),
      take,
      close,
    }
  },
}

/** Jobs that each have somebody who waits for the result. @type {QueueMaker} */
export const offstageRun = {
  name: 'offstage, by run',
  async make() {
    const { scheduler, take, close } = await pausedScheduler(await createScheduler(offstageFolder, { workers: 1 }))
    /** @type {Promise<unknown>[]} */
    const promises = []
    const run = (/** @type {number} */ count, /** @type {() => number} */ priority) => {
      for (let added = 0; added < count; added++)
        promises.push(/** @type {any} */ (scheduler.run.noop)(undefined, { priority: priority() }))
    }
    return {
      async fill(count, priority) {
        for (let filled = 0; filled < count; filled += chunk) {
          run(Math.min(chunk, count - filled), priority)
          await turn()
        }
      },
      heldBytes: (bytes) => bytes - bytesOfReference * promises.length,
      async add(count, priority) {
        run(count, priority)
        await scheduler.counts() // Until they are committed.
      },
      take,
      async close() {
        // They are rejected with the end of the scheduler.
        const settled = Promise.allSettled(promises)
        await close()
        await settled
      },
    }
  },
}

/** Has a scheduler with one thread let jobs go when it is told to. @param {Scheduler} scheduler */
export async function pausedScheduler(scheduler) {
  await scheduler.run.noop?.()
  scheduler.pause()
  let completed = 0
  let enough = 0
  let onEnough = () => {}
  scheduler.on('completed', () => {
    if (++completed === enough) onEnough()
  })
  /** @type {Queue['take']} */
  const take = async (count) => {
    const before = completed
    const begin = performance.now()
    await new Promise((resolve) => {
      enough = before + count
      onEnough = () => resolve(undefined)
      scheduler.resume()
    })
    scheduler.pause()
    // As many as are on their way to the thread go as well, if there are so many: up to 1,024 more.
    while ((await scheduler.counts()).running > 0) await turn()
    return { taken: completed - before, ms: performance.now() - begin }
  }
  return { scheduler, take, close: () => scheduler.close({ mode: 'now' }) }
}
