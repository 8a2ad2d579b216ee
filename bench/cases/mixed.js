import { runCallers } from '../lib/callers.js'
import { seeded } from '../lib/random.js'
import { mustBe } from '../lib/run-case.js'
import { percentile } from '../lib/stats.js'
import { iterationsPerMs } from '../lib/work.js'

/** @import { Case, Pool } from '../lib/case.js' */

const longMs = 50
const shortMs = 0.01
const jobsPerLong = 100

/** @type {Case} */
export const mixed = {
  name: 'mixed',
  number: 5,
  title: '1 % of the jobs take 50 ms, 99 % take 10 µs, 2 workers',
  shows: 'Whether short jobs wait behind long ones: the wait is from the call to the first line of the handler.',
  measures: [
    { key: 'p50', label: 'p50 of the wait of short jobs, ms', better: 'less' },
    { key: 'p99', label: 'p99 of the wait of short jobs, ms', better: 'less' },
    // Both workers busy all the time would make 2 / (1 % × 50 ms + 99 % × 10 µs) = 3,922/s: nobody can have more.
    { key: 'perSecond', label: 'jobs/s, at most 3,922', better: 'more' },
  ],
  rounds: 5,
  variants: (isQuick) => {
    const perMs = iterationsPerMs()
    const shared = {
      workers: 2,
      count: isQuick ? 400 : 4_000,
      long: longMs * perMs,
      short: Math.round(shortMs * perMs),
    }
    return [
      { label: '100 callers, each awaiting', ...shared, play: inCallers },
      { label: '2,000 jobs/s arriving by chance (half of what 2 workers can do)', ...shared, play: byArrival },
    ]
  },
  contestants: ({ pools }) => pools,

  async round(/** @type {Pool} */ pool, { count, long, short, play }) {
    const random = seeded(5)
    const isLong = longOnes(count, random)
    const stamp = pool.job('stamp')
    const waits = /** @type {number[]} */ ([])
    const run = async (/** @type {number} */ index) => {
      const addedAt = now()
      const startedAt = await stamp(isLong[index] ? long : short)
      if (!isLong[index]) waits.push(startedAt - addedAt)
    }
    const begin = now()
    await play(count, run, random)
    const ms = now() - begin
    mustBe(waits.length, count - count / jobsPerLong, 'number of short jobs')
    mustBe(
      waits.every((wait) => wait >= 0),
      true,
      'clock',
    )
    return { p50: percentile(waits, 0.5), p99: percentile(waits, 0.99), perSecond: (count / ms) * 1_000 }
  },
}

/** The clock of `stamp`. */
const now = () => Number(process.hrtime.bigint()) / 1e6

/** One in each hundred, somewhere in it. @param {number} count @param {() => number} random */
function longOnes(count, random) {
  const isLong = new Array(count).fill(false)
  for (let begin = 0; begin < count; begin += jobsPerLong) isLong[begin + Math.floor(random() * jobsPerLong)] = true
  return isLong
}

/** @param {number} count @param {(index: number) => Promise<void>} run */
const inCallers = (count, run) => runCallers(100, count, run)

const arrivalsPerMs = 2

/**
 * Jobs come when they come, whether or not the last ones are done. A timer looks every millisecond: a loop that looked
 * all the time would take a core from the workers.
 *
 * @param {number} count
 * @param {(index: number) => Promise<void>} run
 * @param {() => number} random
 */
async function byArrival(count, run, random) {
  const dueMs = /** @type {number[]} */ ([])
  let at = 0
  for (let index = 0; index < count; index++) {
    at -= Math.log(1 - random()) / arrivalsPerMs
    dueMs.push(at)
  }
  const begin = now()
  const running = /** @type {Promise<void>[]} */ ([])
  while (running.length < count) {
    const elapsed = now() - begin
    while (running.length < count && (dueMs[running.length] ?? 0) <= elapsed) running.push(run(running.length))
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  await Promise.all(running)
}
