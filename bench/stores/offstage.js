import { createScheduler, offstageFolder } from '../pools/offstage.js'
import { where } from './store.js'

/** @import { Contestant } from '../lib/case.js' */
/** @import { Adder, DurableQueue, FlowNode, FlowRunner, Runner } from './store.js' */

/**
 * @param {string} name
 * @param {'strict' | 'relaxed'} [durability]
 * @param {string} [dist] a folder's address
 * @returns {Contestant}
 */
export const offstageStore = (name, durability = 'strict', dist = offstageFolder) => ({
  name,
  acknowledged: durability === 'strict' ? where.onDisk : where.withSystem,
  /** @returns {Promise<DurableQueue>} */
  async start() {
    // Not while something is timed.
    await Promise.all([import(`${dist}index.js`), import(`${dist}file.js`)])
    return {
      openToAdd: (folder) => openToAdd(dist, folder, durability),
      openToRun: (folder, { workers }) => openToRun(dist, folder, durability, workers),
      openToFlow: (folder, { workers }) => openToFlow(dist, folder, durability, workers),
      close() {},
    }
  },
})

/** @param {string} dist @param {string} folder @param {'strict' | 'relaxed'} durability @param {number} workers */
async function open(dist, folder, durability, workers) {
  const { fileStore } = await import(`${dist}file.js`)
  return createScheduler(dist, { workers, store: fileStore(`${folder}/store`, { durability }) })
}

/** @param {string} dist @param {string} folder @param {'strict' | 'relaxed'} durability @returns {Promise<Adder>} */
async function openToAdd(dist, folder, durability) {
  const scheduler = await open(dist, folder, durability, 1)
  scheduler.pause()
  const add = /** @type {any} */ (scheduler.add.noop)
  const waiting = async () => {
    const { queued, running } = await scheduler.counts()
    return queued + running
  }
  await waiting() // It is open.
  return {
    add,
    addMany: (jobs) => scheduler.addMany(jobs.map((input) => ({ name: 'noop', input }))),
    waiting,
    async takeFirst() {
      const started = new Promise((resolve) => scheduler.once('started', resolve))
      scheduler.resume()
      await started
      scheduler.pause()
    },
    async list() {
      const jobs = await scheduler.find({ limit: Number.MAX_SAFE_INTEGER })
      return jobs.map(({ input }) => /** @type {any} */ (input))
    },
    close: () => scheduler.close({ mode: 'now' }),
  }
}

/**
 * @param {string} dist
 * @param {string} folder
 * @param {'strict' | 'relaxed'} durability
 * @param {number} workers
 * @returns {Promise<Runner>}
 */
async function openToRun(dist, folder, durability, workers) {
  const scheduler = await open(dist, folder, durability, workers)
  return {
    run: /** @type {any} */ (scheduler.run.noop),
    async unfinished() {
      const { queued, running, failed } = await scheduler.counts()
      return queued + running + failed
    },
    close: () => scheduler.close(),
  }
}

/**
 * @param {string} dist
 * @param {string} folder
 * @param {'strict' | 'relaxed'} durability
 * @param {number} workers
 * @returns {Promise<FlowRunner>}
 */
async function openToFlow(dist, folder, durability, workers) {
  const { flows } = await import(`${dist}flows.js`)
  const scheduler = await open(dist, folder, durability, workers)
  return {
    async runFlow(flow) {
      /** @type {Record<string, { name: string, input: unknown, after: string[] }>} */
      const spec = {}
      const last = specOf(flow, spec)
      const { jobs } = await flows(scheduler).add(spec)
      await jobs[last].result()
    },
    async unfinished() {
      const { blocked, queued, running, failed } = await scheduler.counts()
      return blocked + queued + running + failed
    },
    close: () => scheduler.close(),
  }
}

let nodes = 0

/** Returns the key of the job that comes last. @param {FlowNode} node @param {Record<string, object>} spec @returns {string} */
function specOf({ after }, spec) {
  const keys = after.map((node) => specOf(node, spec))
  const key = `n${nodes++}`
  spec[key] = { name: 'noop', input: { key }, after: keys }
  return key
}
