import { MessageChannel, Worker } from 'node:worker_threads'

/** @import { Contestant } from '../lib/case.js' */

/**
 * The limit: one thread, one message there and one back. It can do one job at a time.
 *
 * @param {string} name
 * @param {(thread: Worker) => Worker | import('node:worker_threads').MessagePort} connect
 * @returns {Contestant}
 */
const bareOver = (name, connect) => ({
  name,
  start() {
    const thread = new Worker(new URL('../threads/bare.js', import.meta.url))
    const port = connect(thread)
    /** @type {(value: unknown) => void} */
    let resolve = () => {}
    port.on('message', (message) => resolve(message))
    return {
      port,
      job: () => (input) =>
        new Promise((resolved) => {
          resolve = resolved
          port.postMessage(input)
        }),
      close: () => thread.terminate(),
    }
  },
})

/** @param {Worker} thread */
function privatePort(thread) {
  const { port1, port2 } = new MessageChannel()
  thread.postMessage(port2, [port2])
  return port1
}

export const bare = bareOver('bare postMessage', privatePort)
export const direct = bareOver('bare postMessage, on the worker itself', (thread) => thread)
