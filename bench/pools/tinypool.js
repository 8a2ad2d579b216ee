import { Tinypool } from 'tinypool'

/** @import { Contestant } from '../lib/case.js' */

/** @type {Contestant} */
export const tinypool = {
  name: 'tinypool',
  start({ workers }) {
    const pool = new Tinypool({
      filename: new URL('../threads/piscina.js', import.meta.url).href,
      minThreads: workers,
      maxThreads: workers,
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
}
