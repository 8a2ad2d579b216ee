import { optional } from './optional.js'
import { where } from './store.js'

/** @import { Contestant } from '../lib/case.js' */
/** @import { Adder, DurableQueue, Runner } from './store.js' */

/**
 * Its default. With more, the SQLite store loses jobs: whoever finds none to take is given those that nobody has taken, and
 * then deletes all of these.
 */
const concurrent = 1

/**
 * Its SQLite store answers before it writes, and tells SQLite never to sync.
 *
 * @param {string} name
 * @returns {Promise<Contestant>}
 */
export async function betterQueue(name) {
  const { module, skip } = await optional('better-queue-sqlite')
  return {
    name,
    ...(skip && { skip }),
    acknowledged: where.inMemory,
    /** @returns {Promise<DurableQueue>} */
    async start() {
      // @ts-expect-error: it has no types.
      const { default: Queue } = await import('better-queue')
      const open = (/** @type {string} */ folder, /** @type {object} */ options) => {
        const store = new module.default({ path: `${folder}/queue.db` })
        const process = (/** @type {any} */ job, /** @type {Function} */ done) => done(null, job)
        const queue = new Queue({ process, store, concurrent, ...options })
        queue.on('error', console.error)
        return { queue, store }
      }
      return {
        async openToAdd(folder) {
          const { queue, store } = open(folder, { autoResume: false })
          queue.pause()
          return toAdd(queue, store)
        },
        async openToRun(folder) {
          const { queue, store } = open(folder, {})
          return toRun(queue, store)
        },
        close() {},
      }
    },
  }
}

/** @param {any} queue @param {any} store @returns {Adder} */
const toAdd = (queue, store) => ({
  add: (job) => new Promise((resolve, reject) => queue.push(job).on('queued', resolve).on('failed', reject)),
  // Asked of the store itself, behind all writes.
  waiting: async () => (await listTasks(store)).length,
  list: () => listTasks(store),
  close: () => closeStore(queue, store),
})

/** @param {any} queue @param {any} store @returns {Runner} */
const toRun = (queue, store) => ({
  run: (job) => new Promise((resolve, reject) => queue.push(job).on('finish', resolve).on('failed', reject)),
  unfinished: async () => (await listTasks(store)).length,
  close: () => closeStore(queue, store),
})

/** @param {any} store @returns {Promise<import('./store.js').SmallJob[]>} */
const listTasks = (store) =>
  new Promise((resolve, reject) =>
    store.getLock('', (/** @type {unknown} */ error, /** @type {object} */ tasks) =>
      error ? reject(error) : resolve(Object.values(tasks)),
    ),
  )

/** Its own `close` forgets the database. @param {any} queue @param {any} store */
const closeStore = (queue, store) => new Promise((resolve) => queue.destroy(() => store._db.close(resolve)))
