import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { FixedThreadPool } from 'poolifier'

/** @import { Contestant } from '../lib/case.js' */

const closeMsMax = 2_000

/** @type {Contestant} */
export const poolifier = {
  name: 'poolifier',
  start({ workers }) {
    const pool = new FixedThreadPool(workers, fileURLToPath(new URL('../threads/poolifier.js', import.meta.url)))
    return {
      job: (type) => (input, transfer) => pool.execute(input, type, undefined, transfer),
      // On a busy machine its end is at times never told.
      close: () => Promise.race([pool.destroy(), sleep(closeMsMax)]),
    }
  },
}
