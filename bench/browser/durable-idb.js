import { set, setMany } from 'idb-keyval'
import { createScheduler } from 'offstage'
import { idbStore } from 'offstage/idb'
import { runCallers } from '../lib/callers.js'
import { mustBe } from '../lib/run-case.js'
import { smallJob, where } from '../stores/store.js'

/** @import { Case, Contestant } from '../lib/case.js' */
/** @import { SmallJob } from '../stores/store.js' */
/** @typedef {'strict' | 'relaxed'} Durability */

/**
 * @typedef {object} Database
 * @property {(callers: number, jobs: SmallJob[]) => Promise<unknown>} add all of them
 * @property {() => Promise<number>} count how many are there
 * @property {() => unknown} close
 */

const storeName = 'jobs'

/** @type {Case} */
export const durableIdb = {
  name: 'durable-idb',
  number: 15,
  title: '100 callers, each awaiting `add` of a small job in IndexedDB; nothing runs',
  shows:
    'Each round begins with a new database, in a profile on the disk. idb-keyval: one record for each job. It leaves\n' +
    "   durability to the browser, as most pages do; `strict` is its `set` with a transaction of the page's own making.\n" +
    '   setMany: no callers; 100 jobs at a time in one transaction, one after the other.',
  measures: [{ key: 'perSecond', label: 'adds/s', better: 'more' }],
  rounds: 5,
  variants: (isQuick) => [{ label: '', callers: 100, count: isQuick ? 200 : 5_000 }],
  contestants: () => [
    contestant('offstage', where.onDisk, (name) => openStore(name, 'strict')),
    contestant('offstage, relaxed', where.withSystem, (name) => openStore(name, 'relaxed')),
    contestant('idb-keyval set', leftOpen, (name) => openKeyval(name, undefined, addBySet)),
    contestant('idb-keyval set, strict', where.onDisk, (name) => openKeyval(name, 'strict', addBySet)),
    contestant('idb-keyval setMany', leftOpen, (name) => openKeyval(name, undefined, addBySetMany)),
    contestant('idb-keyval setMany, strict', where.onDisk, (name) => openKeyval(name, 'strict', addBySetMany)),
  ],

  async round({ open }, { callers, count }) {
    const name = `bench ${crypto.randomUUID()}`
    const database = /** @type {Database} */ (await open(name))
    const jobs = Array.from({ length: count }, (_, index) => smallJob(index))
    try {
      await database.add(callers, jobs.splice(0, callers)) // To warm up.
      const begin = performance.now()
      await database.add(callers, jobs)
      const ms = performance.now() - begin
      mustBe(await database.count(), count, 'number of jobs')
      return { perSecond: ((count - callers) / ms) * 1_000 }
    } finally {
      await database.close()
      indexedDB.deleteDatabase(name)
    }
  },
}

const leftOpen = 'where the browser thinks best'

/**
 * @param {string} name
 * @param {string} acknowledged
 * @param {(name: string) => Promise<Database>} open
 * @returns {Contestant}
 */
const contestant = (name, acknowledged, open) => ({ name, acknowledged, start: () => ({ open, close() {} }) })

/** @param {string} name @param {Durability} durability @returns {Promise<Database>} */
async function openStore(name, durability) {
  const thread = () => new Worker('/threads/offstage.js', { type: 'module' })
  const scheduler = /** @type {import('offstage').Scheduler<any>} */ (
    createScheduler(thread, { workers: 1, store: idbStore(name, { durability }) })
  )
  scheduler.pause()
  const count = async () => (await scheduler.counts()).queued
  await count() // It is open.
  const add = /** @type {any} */ (scheduler.add.noop)
  return {
    add: (callers, jobs) => runCallers(callers, jobs.length, (index) => add(jobs[index])),
    count,
    close: () => scheduler.close({ mode: 'now' }),
  }
}

/** @typedef {import('idb-keyval').UseStore} UseStore */

/**
 * @param {string} name
 * @param {Durability | undefined} durability
 * @param {(use: UseStore, callers: number, jobs: SmallJob[]) => Promise<unknown>} add
 * @returns {Promise<Database>}
 */
async function openKeyval(name, durability, add) {
  // Its own store does not let go of the database, and knows no durability; this one is what it documents for that.
  const request = indexedDB.open(name)
  request.onupgradeneeded = () => request.result.createObjectStore(storeName)
  const database = await answerOf(request)
  /** @type {UseStore} */
  const use = async (mode, callback) =>
    callback(database.transaction(storeName, mode, durability && { durability }).objectStore(storeName))
  return {
    add: (callers, jobs) => add(use, callers, jobs),
    count: () => use('readonly', (store) => answerOf(store.count())),
    close: () => database.close(),
  }
}

/** @param {UseStore} use @param {number} callers @param {SmallJob[]} jobs */
const addBySet = (use, callers, jobs) =>
  runCallers(callers, jobs.length, (index) => set(jobs[index].index, jobs[index], use))

/** @param {UseStore} use @param {number} callers @param {SmallJob[]} jobs */
async function addBySetMany(use, callers, jobs) {
  for (let from = 0; from < jobs.length; from += callers) {
    const entries = jobs.slice(from, from + callers).map((job) => /** @type {[number, SmallJob]} */ ([job.index, job]))
    await setMany(entries, use)
  }
}

/** @template T @param {IDBRequest<T>} request @returns {Promise<T>} */
const answerOf = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error)
  })
