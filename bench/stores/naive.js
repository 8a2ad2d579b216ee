import { open } from 'node:fs/promises'
import { where } from './store.js'

/** @import { Contestant } from '../lib/case.js' */
/** @import { DurableQueue } from './store.js' */

/**
 * What one would write oneself: each job is a line, written and synced through `fs.promises`, that is on the four threads
 * that Node's own crypto, dns and zlib share. No queue: it can only be added to.
 *
 * @type {Contestant}
 */
export const naiveJournal = {
  name: 'a journal with fs.promises',
  acknowledged: where.onDisk,
  /** @returns {DurableQueue} */
  start: () => ({
    async openToAdd(folder) {
      const file = await open(`${folder}/journal`, 'a')
      let added = 0
      return {
        async add(job) {
          await file.write(`${JSON.stringify(job)}\n`)
          await file.datasync()
          added++
        },
        waiting: () => added,
        close: () => file.close(),
      }
    },
    close() {},
  }),
}
