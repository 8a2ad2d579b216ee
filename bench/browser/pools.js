// The pools that run in browsers.
import { wrap } from 'comlink'
import { createScheduler } from 'offstage'
import workerpool from 'workerpool'

/** @import { Contestant, Field } from '../lib/case.js' */

const startThread = (/** @type {string} */ name) => new Worker(`/threads/${name}.js`, { type: 'module' })

/** @param {{ workers: number }} options */
const startScheduler = ({ workers }) => createScheduler(() => startThread('offstage'), { workers })

/** @param {string} name @param {boolean} isHeard @returns {Contestant} */
const offstage = (name, isHeard) => ({
  name,
  start(variant) {
    const { workers } = /** @type {any} */ (variant)
    const scheduler = /** @type {import('offstage').Scheduler<any>} */ (startScheduler({ workers }))
    let heard = 0
    if (isHeard) {
      for (const type of /** @type {const} */ (['added', 'started', 'progress', 'completed', 'failed'])) {
        scheduler.on(type, () => {
          heard++
        })
      }
    }
    return {
      scheduler,
      heard: () => heard,
      job: (type) => /** @type {any} */ (scheduler.run[type]),
      isReady: () => scheduler.snapshot().workers === workers,
      close: () => scheduler.close(),
    }
  },
})

/** @type {Contestant} */
const comlink = {
  name: 'comlink, round robin',
  start({ workers }) {
    const threads = Array.from({ length: workers }, () => startThread('comlink'))
    const proxies = threads.map((thread) => /** @type {any} */ (wrap(thread)))
    return {
      job: (type) => {
        const calls = proxies.map((proxy) => proxy[type])
        let turn = 0
        return (input) => calls[turn++ % workers](input)
      },
      close() {
        for (const thread of threads) thread.terminate()
      },
    }
  },
}

/** @type {Contestant} */
const workerpoolThreads = {
  name: 'workerpool',
  start({ workers }) {
    const pool = workerpool.pool('/threads/workerpool.js', {
      workerType: 'web',
      minWorkers: workers,
      maxWorkers: workers,
      workerOpts: { type: 'module' },
    })
    return { job: (type) => (input) => pool.exec(type, [input]), close: () => pool.terminate(true) }
  },
}

/**
 * One message there, one back, by whichever way.
 *
 * @param {string} name
 * @param {(thread: Worker) => Worker | MessagePort} connect
 * @returns {Contestant}
 */
const bare = (name, connect) => ({
  name,
  start() {
    const thread = startThread('bare')
    const port = connect(thread)
    /** @type {(value: unknown) => void} */
    let resolve = () => {}
    port.onmessage = (/** @type {MessageEvent} */ { data }) => resolve(data)
    return {
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

/** @type {Field} */
export const browserField = {
  pools: [offstage('offstage', false), comlink, workerpoolThreads],
  bare: bare('bare postMessage', privatePort),
  direct: bare('bare postMessage, on the worker itself', (thread) => thread),
  heard: offstage('offstage, all events heard', true),
}
