import { Worker } from 'node:worker_threads'
import { transfer, wrap } from 'comlink/dist/esm/comlink.mjs'
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs'

/** @import { Contestant } from '../lib/case.js' */

/**
 * Comlink is no pool; people put one proxy in front of each of several workers and take turns.
 *
 * @type {Contestant}
 */
export const comlink = {
  name: 'comlink, round robin',
  start({ workers }) {
    const threads = Array.from({ length: workers }, () => new Worker(new URL('../threads/comlink.js', import.meta.url)))
    const proxies = threads.map((thread) => wrap(nodeEndpoint(thread)))
    return {
      job: (type) => {
        const calls = proxies.map((proxy) => proxy[type])
        let turn = 0
        return (input, transferables) => {
          const call = calls[turn++ % workers]
          return call(transferables ? transfer(input, transferables) : input)
        }
      },
      close: () => Promise.all(threads.map((thread) => thread.terminate())),
    }
  },
}
