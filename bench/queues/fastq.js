import fastq from 'fastq'

/** @import { QueueMaker } from './queue.js' */

const ignore = () => {}

/** First in, first out. @type {QueueMaker} */
export const fastqQueue = {
  name: 'fastq, no priorities',
  make() {
    let missing = 0
    let onTaken = () => {}
    const queue = fastq((/** @type {undefined} */ _task, /** @type {fastq.done} */ done) => {
      if (--missing === 0) onTaken()
      queueMicrotask(() => done(null))
    }, 1)
    queue.pause()
    const add = (/** @type {number} */ count) => {
      for (let added = 0; added < count; added++) queue.push(undefined, ignore)
    }
    return {
      fill: add,
      heldBytes: (bytes) => bytes,
      add,
      async take(count) {
        const begin = performance.now()
        await new Promise((resolve) => {
          missing = count
          onTaken = () => {
            queue.pause()
            resolve(undefined)
          }
          queue.resume()
        })
        const ms = performance.now() - begin
        await Promise.resolve() // The last one is just being let go.
        return { taken: count, ms }
      },
      close: () => queue.kill(),
    }
  },
}
