import { mustBe } from '../lib/run-case.js'
import { watchGaps } from './gaps.js'

/** @import { Case, Contestant, Field, Pool } from '../lib/case.js' */

/** A page that adds many jobs one by one lets the browser breathe after so long; what is longer is the library's. */
const sliceMs = 5

/** @type {Case} */
export const mainThread = {
  name: 'browser',
  number: 11,
  title: 'The main thread while jobs are added and run, 2 workers',
  shows:
    'How long the page is held. Whoever adds job by job does so in slices of 5 ms; `addMany` is one call. The longest task\n' +
    '   is what the browser itself calls a long task (Chromium only; 0: none reached 50 ms). Frames: the longest time from\n' +
    '   one to the next. Timers: how late the latest came.',
  measures: [
    { key: 'longestTaskMs', label: 'longest task, ms', better: 'less' },
    { key: 'addFrameMs', label: 'longest frame while adding, ms', better: 'less' },
    { key: 'frameMs', label: 'longest frame until all are done, ms', better: 'less' },
    { key: 'timerMs', label: 'latest timer until all are done, ms', better: 'less' },
    { key: 'perSecond', label: 'jobs/s, added and run', better: 'more' },
  ],
  rounds: 5,
  variants: (isQuick) => [{ label: '', workers: 2, count: isQuick ? 5_000 : 100_000 }],
  contestants: ({ pools }) => pools.flatMap(ways),

  async round({ add }, { count }) {
    await calm()
    const gaps = watchGaps()
    const begin = performance.now()
    const done = await add(count)
    const addFrameMs = gaps.peek().frameMs
    await done()
    const ms = performance.now() - begin
    return { ...(await gaps.stop()), addFrameMs, perSecond: (count / ms) * 1_000 }
  },
}

/** @param {Contestant} contestant @returns {Contestant[]} */
function ways(contestant) {
  const oneByOne = way(contestant, contestant.name, (pool) => addInSlices(pool))
  if (contestant.name !== 'offstage') return [oneByOne]
  return [
    way(contestant, 'offstage', ({ scheduler }) => addAtOnce(scheduler)),
    way(contestant, 'offstage, by run', (pool) => addInSlices(pool)),
  ]
}

/**
 * @param {Contestant} contestant
 * @param {string} name
 * @param {(running: any) => (count: number) => Promise<() => Promise<void>>} addOf
 * @returns {Contestant}
 */
const way = (contestant, name, addOf) => ({
  name,
  async start(variant) {
    const running = await contestant.start(variant)
    return { ...running, add: addOf(running) }
  },
})

/** @param {import('offstage').Scheduler<any>} scheduler */
const addAtOnce = (scheduler) => async (/** @type {number} */ count) => {
  const requests = /** @type {{ name: string, input: number }[]} */ ([])
  await inSlices(count, (index) => requests.push({ name: 'noop', input: index }))
  let completed = 0
  const stop = scheduler.on('completed', () => {
    completed++
  })
  const jobs = await scheduler.addMany(requests)
  return async () => {
    mustBe(jobs.length, count, 'number of jobs')
    await scheduler.onIdle()
    stop()
    mustBe(completed, count, 'number of completed jobs')
  }
}

/** @param {Pool} pool */
const addInSlices = (pool) => async (/** @type {number} */ count) => {
  const run = pool.job('noop')
  const promises = /** @type {PromiseLike<unknown>[]} */ ([])
  await inSlices(count, (index) => promises.push(run(index)))
  return async () => {
    // Not `Promise.all`: to look at a hundred thousand promises at once is a long task of its own.
    for (let index = 0; index < count; index++) mustBe(await promises[index], index, 'result')
  }
}

/** @param {number} count @param {(index: number) => void} step */
async function inSlices(count, step) {
  let until = performance.now() + sliceMs
  for (let index = 0; index < count; index++) {
    step(index)
    if (performance.now() < until) continue
    await breathe()
    until = performance.now() + sliceMs
  }
}

/** A new task, without the 4 ms of a timer. */
const breathe = () =>
  new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel()
    port1.onmessage = () => {
      port1.close()
      resolve(undefined)
    }
    port2.postMessage(0)
  })

const calm = () => new Promise((resolve) => setTimeout(resolve, 300))
