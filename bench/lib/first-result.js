// The process of the start-up case: `node first-result.js <pool>`. Prints a line with the first result, then the figures.
import { loadPool } from '../pools/index.js'
import { mustBe } from './run-case.js'
import { median } from './stats.js'

const warmRounds = 5
const variant = { label: '', workers: 1 }

const begin = performance.now()
const contestant = await loadPool(process.argv[2] ?? '')
const cold = await firstResult()
const libraryMs = performance.now() - begin
console.log('first result')
const rssMb = process.memoryUsage.rss() / 2 ** 20
await cold.close()

const warmMs = /** @type {number[]} */ ([])
for (let round = 0; round < warmRounds; round++) {
  const begin = performance.now()
  const warm = await firstResult()
  warmMs.push(performance.now() - begin)
  await warm.close()
}
console.log(JSON.stringify({ libraryMs, warmMs: median(warmMs), rssMb }))
// Not all pools let go of the process when they are closed.
process.exit()

async function firstResult() {
  const pool = /** @type {import('./case.js').Pool} */ (await contestant.start(variant))
  mustBe(await pool.job('noop')(1), 1, 'result')
  return pool
}
