import { Piscina } from 'piscina'

/** @import { Contestant } from '../lib/case.js' */

/**
 * @param {string} name
 * @param {number} [concurrentTasksPerWorker]
 * @returns {Contestant}
 */
export const piscina = (name, concurrentTasksPerWorker = 1) => ({
  name,
  start({ workers }) {
    const pool = new Piscina({
      filename: new URL('../threads/piscina.js', import.meta.url).href,
      minThreads: workers,
      maxThreads: workers,
      concurrentTasksPerWorker,
    })
    return {
      job: (type) => {
        const options = { name: type }
        return (input, transferList) =>
          transferList ? pool.run(input, { name: type, transferList }) : pool.run(input, options)
      },
      close: () => pool.destroy(),
    }
  },
})
