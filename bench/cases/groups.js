import { usedBytes } from '../lib/memory.js'
import { createScheduler, offstageFolder } from '../pools/offstage.js'
import { pausedScheduler } from '../queues/offstage.js'

/** @import { Case } from '../lib/case.js' */

const depth = 100_000
const taken = 10_000
const turns = 3
const names = 10_000

/**
 * Where a job goes, by its number.
 *
 * @typedef {object} Way
 * @property {string} name
 * @property {(n: number) => object} optionsOf
 * @property {(grouped: any) => NonNullable<import('../../src/index.ts').SchedulerOptions['queues']>} [queues]
 */

const groupOf = (/** @type {number} */ n) => ({ queue: 'mail', group: `user ${n % names}` })

/** @type {readonly Way[]} */
const ways = [
  { name: 'one queue', optionsOf: () => ({ queue: 'mail' }) },
  { name: '10,000 groups', optionsOf: groupOf, queues: (grouped) => ({ mail: grouped() }) },
  {
    name: '10,000 groups, one job of each at a time',
    optionsOf: groupOf,
    queues: (grouped) => ({ mail: grouped({ concurrency: 1 }) }),
  },
  { name: '10,000 queues', optionsOf: (n) => ({ queue: `user ${n % names}` }) },
]

/** @type {Case} */
export const groups = {
  name: 'groups',
  number: 16,
  title: 'Jobs of many users',
  shows:
    'offstage alone, with a real thread: 100,000 jobs wait in one way or another, and 10,000 at a time are taken\n' +
    '   and added again. What is left: the memory, by name, once all jobs are gone.',
  measures: [
    { key: 'nextPerSecond', label: 'next/s', better: 'more' },
    { key: 'addsPerSecond', label: 'adds/s', better: 'more' },
    { key: 'bytes', label: 'bytes per waiting job', better: 'less', digits: 0 },
    { key: 'leftBytes', label: 'bytes left per name', better: 'less', digits: 0 },
  ],
  rounds: 5,
  variants: (isQuick) => [{ label: '', rounds: isQuick ? 2 : 5, warmUps: 1 }],
  contestants: () => ways.map((way) => ({ name: way.name, start: () => ({ way, close() {} }) })),

  async round(/** @type {{ way: Way }} */ { way }) {
    const { grouped } = await import(`${offstageFolder}groups.js`)
    const queues = way.queues?.(grouped) ?? {}
    const options = { keep: { completed: { count: 0 } }, queues }
    const { scheduler, take, close } = await pausedScheduler(
      await createScheduler(offstageFolder, { workers: 1, ...options }),
    )
    let number = 0
    const add = (/** @type {number} */ count) =>
      scheduler.addMany(Array.from({ length: count }, () => ({ name: 'noop', options: way.optionsOf(number++) })))
    try {
      const empty = usedBytes()
      for (let filled = 0; filled < depth; filled += taken) await add(taken)
      const bytes = (usedBytes() - empty) / depth
      let [nextMs, addMs, done] = [0, 0, 0]
      for (let turn = 0; turn < turns; turn++) {
        const took = await take(taken)
        nextMs += took.ms
        done += took.taken
        const begin = performance.now()
        await add(took.taken)
        addMs += performance.now() - begin
      }
      await scheduler.remove({ state: 'queued' })
      // Until then the removals are still under way.
      await new Promise((resolve) => setTimeout(resolve, 100))
      usedBytes() // What is only let go of by the first collection is gone after the second.
      const leftBytes = Math.max(0, usedBytes() - empty) / names
      const perSecond = (/** @type {number} */ ms) => (done / ms) * 1_000
      return { nextPerSecond: perSecond(nextMs), addsPerSecond: perSecond(addMs), bytes, leftBytes }
    } finally {
      await close()
    }
  },
}
