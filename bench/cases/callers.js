import { runCallers } from '../lib/callers.js'
import { mustBe } from '../lib/run-case.js'

/** @import { Case, Pool } from '../lib/case.js' */

/** @type {Case} */
export const callers = {
  name: 'callers',
  number: 2,
  title: '100 callers, each awaiting its no-op job, 2 workers',
  shows: 'A server under load: never more than 100 jobs at a time, each waited for.',
  measures: [{ key: 'perSecond', label: 'jobs/s', better: 'more' }],
  rounds: 9,
  warmUps: 8,
  variants: (isQuick) => [{ label: '', workers: 2, callers: 100, count: isQuick ? 2_000 : 20_000 }],
  contestants: ({ pools, heard }) => [...pools, heard],

  async round(/** @type {Pool} */ pool, { callers, count }) {
    const run = pool.job('noop')
    const begin = performance.now()
    const results = await runCallers(callers, count, run)
    const ms = performance.now() - begin
    for (let index = 0; index < count; index++) mustBe(results[index], index, 'result')
    return { perSecond: (count / ms) * 1_000 }
  },
}
