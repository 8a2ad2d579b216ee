// No library: a thread that answers where it was asked, on the worker itself or on the port that it was sent.
import { MessagePort, parentPort } from 'node:worker_threads'

/** @param {import('node:worker_threads').MessagePort} port */
const serve = (port) =>
  port.on('message', (message) => {
    if (message instanceof MessagePort) return serve(message)
    if (typeof message !== 'object') return port.postMessage(message)
    for (let report = 1; report <= message.flood; report++) port.postMessage(report)
    port.postMessage({ done: message.flood })
  })

serve(/** @type {import('node:worker_threads').MessagePort} */ (parentPort))
