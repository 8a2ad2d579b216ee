import { usedBytes } from '../lib/memory.js'
import { seeded } from '../lib/random.js'
import { fastqQueue } from '../queues/fastq.js'
import { offstageAdded, offstageRun } from '../queues/offstage.js'
import { offstageLine } from '../queues/offstage-line.js'
import { pQueue } from '../queues/p-queue.js'

/** @import { Case } from '../lib/case.js' */
/** @import { QueueMaker } from '../queues/queue.js' */

/** Jobs that are taken between two looks at the clock, at the least; then as many are added. */
const handful = 500
const handfulsMax = 40
const levels = 100
/** A queue that is slow is not waited for until it is done. */
const budgetMs = 2_000

/** @type {Case} */
export const million = {
  name: 'million',
  number: 6,
  title: 'Jobs that wait, at mixed priorities',
  shows:
    'The memory each holds, with nothing for an input; then, in turns at that depth, 500 or more are taken and as many are added.\n' +
    '   offstage: the whole scheduler, paused while jobs are added; next is resume, a real thread, and completions\n' +
    "   (of jobs from `add`, whose handles are dropped, and from `run`, whose promises are held). offstage's line: the heap\n" +
    '   behind it alone, from src. p-queue and fastq: concurrency 1 and tasks that do nothing, on this thread; fastq has no priorities.',
  measures: [
    { key: 'bytes', label: 'bytes per waiting job', better: 'less', digits: 0 },
    { key: 'addsPerSecond', label: 'adds/s', better: 'more' },
    { key: 'nextPerSecond', label: 'next/s', better: 'more' },
  ],
  rounds: 3,
  variants: (isQuick) => {
    const depths = isQuick ? [1_000, 10_000] : [1_000, 100_000, 1_000_000]
    // The first variant has warmed the code for the others, which take long.
    return depths.map((depth) => ({
      label: `${depth.toLocaleString('en-US')} waiting`,
      depth,
      warmUps: depth === 1_000 ? 3 : 0,
      rounds: isQuick ? 1 : depth === 1_000 ? 9 : 3,
    }))
  },
  contestants: () =>
    [offstageAdded, offstageRun, offstageLine, pQueue, fastqQueue].map((maker) => ({
      name: maker.name,
      start: () => ({ maker, close() {} }),
    })),

  async round(/** @type {{ maker: QueueMaker }} */ { maker }, { depth }) {
    const random = seeded(6)
    const priority = () => Math.floor(random() * levels)
    const queue = await maker.make()
    try {
      const before = usedBytes()
      await queue.fill(depth, priority)
      const bytes = queue.heldBytes(usedBytes() - before) / depth
      // Its thread is new, and its code cold.
      await takeTurns(queue, priority)
      return { ...(Number.isFinite(bytes) && { bytes }), ...(await takeTurns(queue, priority)) }
    } finally {
      await queue.close()
    }
  },
}

/** @param {import('../queues/queue.js').Queue} queue @param {() => number} priority */
async function takeTurns(queue, priority) {
  let addMs = 0
  let nextMs = 0
  let total = 0
  for (let turns = 0; turns < handfulsMax && addMs + nextMs < budgetMs; turns++) {
    const { taken, ms } = await queue.take(handful)
    nextMs += ms
    total += taken
    const begin = performance.now()
    await queue.add(taken, priority)
    addMs += performance.now() - begin
  }
  const perSecond = (/** @type {number} */ ms) => (total / ms) * 1_000
  return { addsPerSecond: perSecond(addMs), nextPerSecond: perSecond(nextMs) }
}
