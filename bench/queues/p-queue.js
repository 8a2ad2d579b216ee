import PQueue from 'p-queue'

/** @import { QueueMaker } from './queue.js' */

const bytesOfReference = 8

/** @type {QueueMaker} */
export const pQueue = {
  name: 'p-queue',
  make() {
    const queue = new PQueue({ concurrency: 1, autoStart: false })
    /** @type {Promise<unknown>[]} */
    const promises = []
    let missing = 0
    let onTaken = () => {}
    const task = () => {
      if (--missing === 0) onTaken()
    }
    return {
      // Highest first, which it appends. In mixed order it would search and shift for minutes, to the same end.
      fill(count, priority) {
        const priorities = Float64Array.from({ length: count }, priority).sort().reverse()
        for (const each of priorities) promises.push(queue.add(task, { priority: each }))
      },
      heldBytes: (bytes) => bytes - bytesOfReference * promises.length,
      add(count, priority) {
        for (let added = 0; added < count; added++) void queue.add(task, { priority: priority() })
      },
      async take(count) {
        const begin = performance.now()
        await new Promise((resolve) => {
          missing = count
          onTaken = () => {
            queue.pause()
            resolve(undefined)
          }
          queue.start()
        })
        return { taken: count, ms: performance.now() - begin }
      },
      close: () => queue.clear(),
    }
  },
}
