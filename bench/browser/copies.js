import { createScheduler } from 'offstage'
import { idbStore } from 'offstage/idb'
import { mustBe } from '../lib/run-case.js'

/** @import { Case, Contestant } from '../lib/case.js' */

const MB = 1_000_000

/** @type {Record<string, () => unknown>} */
const values = {
  '150,000 objects': () => treeOf(150_000),
  'a Map of 200,000': () =>
    new Map(Array.from({ length: 200_000 }, (_, id) => [`key ${id}`, { id, name: `name ${id}` }])),
  'a Map of 200,000 numbers': () => new Map(Array.from({ length: 200_000 }, (_, id) => [id, id * 1.5])),
  'a Set of 200,000': () => new Set(Array.from({ length: 200_000 }, (_, id) => `key ${id}`)),
  'a text of 10 MB': () => 'x'.repeat(10 * MB),
  '20 buffers of 10 MB': () => Array.from({ length: 20 }, () => new Uint8Array(10 * MB).fill(1)),
}

/** @type {Case} */
export const copies = {
  name: 'copies',
  number: 18,
  title: 'How long the call takes that is given a large value',
  shows:
    'That is one task of the page, whatever is done in slices later. Of a durable job it is a copy, and a walk through it to\n' +
    "   see whether it can be stored. Nobody can do it elsewhere: the value is the caller's, who may change it at once.",
  measures: [{ key: 'ms', label: 'the call, ms', better: 'less' }],
  rounds: 5,
  variants: (isQuick) => Object.keys(values).map((label) => ({ label, isQuick })),
  contestants: (_field, { label }) => [
    offstage('offstage, IndexedDB', () => idbStore(`bench ${crypto.randomUUID()}`)),
    offstage('offstage, in memory', () => undefined),
    copier('structuredClone', (value) => void structuredClone(value)),
    posting(),
    // Of a Map it makes nothing, and of a buffer a text for each byte.
    ...(/Map|Set|buffers/.test(label) ? [] : [copier('JSON.stringify', (value) => void JSON.stringify(value))]),
  ],

  async round({ call }, { label }) {
    const value = /** @type {() => unknown} */ (values[label])()
    const begin = performance.now()
    const done = call(value)
    const ms = performance.now() - begin
    await done
    return { ms }
  },
}

/**
 * A page's state, as it is: some nesting, texts, numbers, flags.
 *
 * @param {number} objects
 */
function treeOf(objects) {
  const rows = Array.from({ length: objects / 3 }, (_, id) => ({
    id,
    name: `row ${id}`,
    isOpen: id % 2 === 0,
    place: { x: id / 3, y: -id },
    tags: ['a', `tag ${id % 7}`],
  }))
  return { rows }
}

/** @param {string} name @param {() => import('offstage').SchedulerOptions<any>['store']} makeStore @returns {Contestant} */
const offstage = (name, makeStore) => ({
  name,
  async start() {
    const thread = () => new Worker('/threads/offstage.js', { type: 'module' })
    const store = makeStore()
    const scheduler = /** @type {import('offstage').Scheduler<any>} */ (
      createScheduler(thread, { workers: 1, ...(store && { store }) })
    )
    scheduler.pause()
    mustBe((await scheduler.counts()).queued, 0, 'number of jobs')
    const add = /** @type {any} */ (scheduler.add.noop)
    /** One call in all, whatever it adds. @param {unknown} value */
    const call = (value) => (Array.isArray(value) ? Promise.all(value.map((item) => add(item))) : add(value))
    return {
      async call(/** @type {unknown} */ value) {
        await call(value)
        await scheduler.cancel({ all: true })
        await scheduler.remove({ all: true })
      },
      close: () => scheduler.close({ mode: 'now' }),
    }
  },
})

/** @param {string} name @param {(value: unknown) => void} copy @returns {Contestant} */
const copier = (name, copy) => ({ name, start: () => ({ call: copy, close() {} }) })

/** @returns {Contestant} */
const posting = () => ({
  name: 'postMessage',
  start() {
    const worker = new Worker(URL.createObjectURL(new Blob(['onmessage = () => postMessage(0)'])))
    return {
      call(/** @type {unknown} */ value) {
        worker.postMessage(value)
        return new Promise((resolve) => worker.addEventListener('message', resolve, { once: true }))
      },
      close: () => worker.terminate(),
    }
  },
})
