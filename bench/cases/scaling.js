import { mustBe } from '../lib/run-case.js'
import { iterationsPerMs, work } from '../lib/work.js'

/** @import { Case, Pool } from '../lib/case.js' */

/** @type {Case} */
export const scaling = {
  name: 'scaling',
  number: 10,
  title: 'Jobs that compute, over 1, 2 and 4 workers',
  shows: 'How much of the workers reaches the jobs. More workers than cores cannot help; they should not hurt either.',
  measures: [{ key: 'perSecond', label: 'jobs/s', better: 'more' }],
  rounds: 5,
  variants: (isQuick) => {
    const perMs = iterationsPerMs()
    return [1, 10].flatMap((ms) =>
      [1, 2, 4].map((workers) => ({
        label: `jobs of ${ms} ms, ${workers} worker${workers === 1 ? '' : 's'}`,
        workers,
        count: (isQuick ? 40 : 400) / ms,
        iterations: ms * perMs,
      })),
    )
  },
  contestants: ({ pools }) => pools,

  async round(/** @type {Pool} */ pool, { count, iterations }) {
    const expected = work(iterations)
    const run = pool.job('work')
    const begin = performance.now()
    const results = await Promise.all(Array.from({ length: count }, () => run(iterations)))
    const ms = performance.now() - begin
    for (const result of results) mustBe(result, expected, 'result')
    return { perSecond: (count / ms) * 1_000 }
  },
}
