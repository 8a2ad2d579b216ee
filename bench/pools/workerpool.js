import { fileURLToPath } from 'node:url'
import workerpool from 'workerpool'

/** @import { Contestant } from '../lib/case.js' */

/** @type {Contestant} */
export const workerpoolThreads = {
  name: 'workerpool',
  start({ workers }) {
    const pool = workerpool.pool(fileURLToPath(new URL('../threads/workerpool.js', import.meta.url)), {
      workerType: 'thread',
      minWorkers: workers,
      maxWorkers: workers,
    })
    return {
      pool,
      job: (type) => (input, transfer) =>
        transfer ? pool.exec(type, [input], { transfer }) : pool.exec(type, [input]),
      close: () => pool.terminate(true),
    }
  },
}
