import { mustBe } from '../lib/run-case.js'

/** @import { Case, Pool } from '../lib/case.js' */

/** Enough to tell what each holds. */
const heldCount = 10_000

/** @type {Case} */
export const burst = {
  name: 'burst',
  number: 1,
  title: 'A burst of no-op jobs, 2 workers',
  shows: 'What a job costs when many are added at once; then the memory each holds until the first comes back.',
  measures: [
    { key: 'perSecond', label: 'jobs/s', better: 'more' },
    { key: 'heldBytes', label: 'bytes held per job', better: 'less' },
  ],
  rounds: 9,
  warmUps: 8,
  variants: (isQuick) => [{ label: '', workers: 2, count: isQuick ? 2_000 : 50_000 }],
  contestants: ({ pools, heard }) => [...pools, heard],

  async round(/** @type {Pool} */ pool, { count }) {
    const run = pool.job('noop')
    const begin = performance.now()
    const results = await Promise.all(add(run, count))
    const ms = performance.now() - begin
    for (let index = 0; index < count; index++) mustBe(results[index], index, 'result')
    return { perSecond: (count / ms) * 1_000, ...(await heldBytes(run, Math.min(count, heldCount))) }
  },
}

/** @param {ReturnType<Pool['job']>} run @param {number} count */
function add(run, count) {
  const promises = new Array(count)
  for (let index = 0; index < count; index++) promises[index] = run(index)
  return promises
}

/**
 * Looks within the task that added the jobs, so that none has come back. Apart from the burst that is timed.
 *
 * @param {ReturnType<Pool['job']>} run
 * @param {number} count
 */
async function heldBytes(run, count) {
  if (typeof process !== 'object') return {}
  const { usedBytes } = await import('../lib/memory.js')
  const before = usedBytes()
  const promises = add(run, count)
  const held = usedBytes() - before
  await Promise.all(promises)
  return { heldBytes: held / count }
}
