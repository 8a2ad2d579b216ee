import { createHook } from 'node:async_hooks'
import { setTimeout as sleep } from 'node:timers/promises'

/** @import { Case, Contestant, Pool } from '../lib/case.js' */

/** What the end of the last jobs still sets off: compilers, garbage. */
const calmMs = 1_000

/** @type {Case} */
export const idle = {
  name: 'idle',
  number: 9,
  title: 'Nothing to do, with 2 warm workers',
  shows: 'What a pool takes while it waits. `no pool` is what the process takes by itself.',
  measures: [
    { key: 'cpuMs', label: 'CPU, ms per second', better: 'less' },
    { key: 'ticks', label: 'timer ticks on the main thread per second', better: 'less' },
    { key: 'wakes', label: 'wake-ups of all threads per second', better: 'less' },
  ],
  rounds: 3,
  warmUps: 0,
  variants: (isQuick) => [{ label: '', workers: 2, ms: isQuick ? 300 : 3_000, calmMs: isQuick ? 100 : calmMs }],
  // One pool at a time: what is counted is counted for the whole process.
  contestants: ({ pools }) => [...pools.map(apart), noPool],

  async round({ contestant }, variant) {
    const timers = countTimers()
    const pool = await contestant.start(variant)
    try {
      await warm(pool)
      await sleep(variant.calmMs)
      return await watch(variant.ms, timers)
    } finally {
      timers.stop()
      await pool.close()
    }
  },
}

/** @param {Contestant} contestant @returns {Contestant} */
const apart = (contestant) => ({
  name: contestant.name,
  ...(contestant.skip && { skip: contestant.skip }),
  start: () => ({ contestant, close() {} }),
})

/** @type {Contestant} */
const noPool = apart({ name: 'no pool', start: () => ({ job: () => async () => {}, close() {} }) })

/** @param {Pool} pool */
async function warm(pool) {
  for (const type of ['noop', 'work']) {
    const run = pool.job(type)
    for (let round = 0; round < 5; round++) await Promise.all(Array.from({ length: 1_000 }, () => run(10_000)))
  }
}

/** @param {number} ms @param {ReturnType<typeof countTimers>} timers */
async function watch(ms, timers) {
  const begin = performance.now()
  const cpu = process.cpuUsage()
  const { voluntaryContextSwitches } = process.resourceUsage()
  const ticks = timers.count()
  await sleep(ms)
  const seconds = (performance.now() - begin) / 1_000
  const { user, system } = process.cpuUsage(cpu)
  return {
    cpuMs: (user + system) / 1_000 / seconds,
    ticks: (timers.count() - ticks - 1) / seconds, // Our own wait was one.
    wakes: (process.resourceUsage().voluntaryContextSwitches - voluntaryContextSwitches) / seconds,
  }
}

/** Counts the timers that fire, those included that were set by whoever else is in this process. */
function countTimers() {
  const timers = new Set()
  let count = 0
  const hook = createHook({
    init(id, type) {
      if (type === 'Timeout') timers.add(id)
    },
    before(id) {
      if (timers.has(id)) count++
    },
    destroy(id) {
      timers.delete(id)
    },
  }).enable()
  return { count: () => count, stop: () => hook.disable() }
}
