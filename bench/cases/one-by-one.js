import { mustBe } from '../lib/run-case.js'
import { percentile } from '../lib/stats.js'

/** @import { Case, Pool } from '../lib/case.js' */

/** @type {Case} */
export const oneByOne = {
  name: 'one',
  number: 3,
  title: 'One no-op job at a time, 1 worker',
  shows:
    'The round trip, beside a bare postMessage there and back: on a private port, as offstage does on Node, and on the\n' +
    '   worker itself, as it does in browsers.',
  measures: [
    { key: 'p50', label: 'p50, µs', better: 'less' },
    { key: 'p99', label: 'p99, µs', better: 'less' },
    // Where clocks are coarse (WebKit), the mean is the one to go by.
    { key: 'mean', label: 'mean, µs', better: 'less' },
  ],
  rounds: 11,
  warmUps: 2,
  variants: (isQuick) => [{ label: '', workers: 1, count: isQuick ? 500 : 5_000 }],
  contestants: ({ pools, bare, direct }) => [...pools, bare, direct],

  async round(/** @type {Pool} */ pool, { count }) {
    const run = pool.job('noop')
    const tookMs = new Float64Array(count)
    let before = performance.now()
    const begin = before
    for (let index = 0; index < count; index++) {
      mustBe(await run(index), index, 'result')
      const now = performance.now()
      tookMs[index] = now - before
      before = now
    }
    const us = (/** @type {number} */ ms) => ms * 1_000
    const samples = [...tookMs]
    return {
      p50: us(percentile(samples, 0.5)),
      p99: us(percentile(samples, 0.99)),
      mean: us((before - begin) / count),
    }
  },
}
