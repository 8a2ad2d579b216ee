import { deepEqual } from 'node:assert/strict'
import { runCallers } from '../lib/callers.js'
import { mustBe } from '../lib/run-case.js'

/** @import { Case, Pool } from '../lib/case.js' */

const megabyte = 2 ** 20

/** @type {Case} */
export const payloads = {
  name: 'payloads',
  number: 4,
  title: 'Jobs with something to carry, 20 callers, 2 workers',
  shows: 'Objects are copied there and back; a buffer is moved there, and a number comes back.',
  measures: [{ key: 'perSecond', label: 'jobs/s', better: 'more' }],
  rounds: 7,
  variants: (isQuick) => {
    const less = isQuick ? 10 : 1
    const shared = { workers: 2, callers: 20 }
    return [
      { label: 'objects of 1 kB', ...shared, count: 10_000 / less, load: objects(4) },
      { label: 'objects of 100 kB', ...shared, count: 400 / less, load: objects(400) },
      { label: '1 MB transferred', ...shared, count: 400 / less, load: buffers },
    ]
  },
  contestants: ({ pools }) => pools,

  async round(/** @type {Pool} */ pool, { callers, count, load }) {
    return { perSecond: await load(pool, callers, count) }
  },
}

/**
 * Objects as applications have them: of about 250 bytes as JSON.
 * @param {number} count
 */
const customers = (count) =>
  Array.from({ length: count }, (_, id) => ({
    id,
    name: `Customer number ${id}`,
    mail: `customer.${id}@example.org`,
    isActive: id % 3 === 0,
    balance: id * 1.25,
    tags: ['north', 'retail', `group-${id % 7}`],
    address: { street: 'Long Street', number: id, city: 'Springfield', country: 'Nowhere', postcode: 10_000 + id },
  }))

/** @param {number} size how many objects in one input */
function objects(size) {
  return async (/** @type {Pool} */ pool, /** @type {number} */ callers, /** @type {number} */ count) => {
    const run = pool.job('noop')
    const input = customers(size)
    const begin = performance.now()
    const results = await runCallers(callers, count, () => run(input))
    const ms = performance.now() - begin
    for (const index of [0, count >> 1, count - 1]) deepEqual(results[index], input)
    return (count / ms) * 1_000
  }
}

/** @param {Pool} pool @param {number} callers @param {number} count */
async function buffers(pool, callers, count) {
  const run = pool.job('take')
  const inputs = Array.from({ length: count }, (_, index) => new Uint8Array(megabyte).fill(index % 100).buffer)
  const begin = performance.now()
  const results = await runCallers(callers, count, (index) => run(inputs[index], [inputs[index]]))
  const ms = performance.now() - begin
  for (let index = 0; index < count; index++) {
    mustBe(inputs[index]?.byteLength, 0, 'length of what was moved away')
    mustBe(results[index], megabyte + 2 * (index % 100), 'sum')
  }
  return (count / ms) * 1_000
}
