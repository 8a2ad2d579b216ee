// The processes of the durable-open case: `node open-store.js fill <queue> <folder> <count>` puts so many jobs into a new
// store; `node open-store.js open <queue> <folder>` opens it, and prints the figures.
import { durableQueues } from '../stores/index.js'
import { smallJob } from '../stores/store.js'

/** @import { Adder } from '../stores/store.js' */

const chunk = 10_000
const [task, name, folder = '', count] = process.argv.slice(2)

const contestant = (await durableQueues()).find((queue) => queue.name === name)
if (!contestant) throw new Error(`There is no queue \`${name}\`.`)
const queue = /** @type {import('../stores/store.js').DurableQueue} */ (await contestant.start({ label: '' }))
const answer = task === 'fill' ? await fill(Number(count)) : await open()
console.log(JSON.stringify(answer))
// A library may hold on to the process.
process.exit()

/** @param {number} count */
async function fill(count) {
  const store = /** @type {Required<Adder>} */ (await queue.openToAdd(folder))
  for (let index = 0; index < count; index += chunk) {
    const length = Math.min(chunk, count - index)
    await store.addMany(Array.from({ length }, (_, more) => smallJob(index + more)))
  }
  const waiting = await store.waiting()
  await store.close()
  return { waiting }
}

async function open() {
  const rssBefore = process.memoryUsage.rss()
  const begin = performance.now()
  const store = /** @type {Required<Adder>} */ (await queue.openToAdd(folder))
  const waiting = await store.waiting()
  const openMs = performance.now() - begin
  const rss = process.memoryUsage.rss()
  const openPeakMb = process.resourceUsage().maxRSS / 1024
  await store.takeFirst()
  const firstMs = performance.now() - begin
  const left = await store.waiting()
  await store.close()
  return { openMs, firstMs, rssMb: rss / 2 ** 20, peakMb: openPeakMb, beforeMb: rssBefore / 2 ** 20, waiting, left }
}
