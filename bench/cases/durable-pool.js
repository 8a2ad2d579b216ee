import { pbkdf2 } from 'node:crypto'
import { setImmediate as turn } from 'node:timers/promises'
import { promisify } from 'node:util'
import { inFolder } from '../lib/disk.js'
import { mustBe } from '../lib/run-case.js'
import { percentile } from '../lib/stats.js'
import { durableQueues } from '../stores/index.js'
import { naiveJournal } from '../stores/naive.js'
import { smallJob, where } from '../stores/store.js'

/** @import { Case } from '../lib/case.js' */
/** @import { Adder, DurableQueue } from '../stores/store.js' */

const derive = promisify(pbkdf2)
const inFlight = 8
/** One takes about 10 ms. */
const iterations = 20_000

/** @type {Case} */
export const durablePool = {
  name: 'durable-pool',
  number: 16,
  title: `One add at a time, on the disk, while ${inFlight} pbkdf2 are in flight`,
  shows:
    "Node does the application's crypto, dns, zlib and files on the same four threads: whoever syncs there waits for them.\n" +
    '   plainjob syncs on the main thread instead, and holds it meanwhile; Redis is another process. All of them share the\n' +
    '   cores with the crypto.',
  measures: [
    { key: 'idleP50', label: 'p50, nothing in flight, ms', better: 'less' },
    { key: 'busyP50', label: `p50, ${inFlight} pbkdf2 in flight, ms`, better: 'less' },
    { key: 'idleP99', label: 'p99, nothing in flight, ms', better: 'less' },
    { key: 'busyP99', label: `p99, ${inFlight} pbkdf2 in flight, ms`, better: 'less' },
    { key: 'slower', label: 'p50 is so many times as long with pbkdf2', better: 'less' },
    { key: 'derived', label: 'pbkdf2 per second meanwhile', better: 'more' },
  ],
  rounds: 5,
  variants: (isQuick) => [{ label: '', count: isQuick ? 50 : 500 }],
  // Only those that sync before they answer have something to wait for.
  contestants: async () => [...(await durableQueues()), naiveJournal].filter(isOnDisk),

  round: (/** @type {DurableQueue} */ { openToAdd }, { count }) =>
    inFolder(async (folder) => {
      const store = await openToAdd(folder)
      try {
        await addOneByOne(store, count) // To warm up.
        const idle = await addOneByOne(store, count)
        const crypto = keepBusy()
        await crypto.isFull
        const begin = performance.now()
        const busy = await addOneByOne(store, count)
        const seconds = (performance.now() - begin) / 1_000
        const derived = crypto.stop()
        await crypto.ended
        mustBe(await store.waiting(), 3 * count, 'number of waiting jobs')
        const [idleP50, busyP50] = [percentile(idle, 0.5), percentile(busy, 0.5)]
        const [idleP99, busyP99] = [percentile(idle, 0.99), percentile(busy, 0.99)]
        return { idleP50, busyP50, idleP99, busyP99, slower: busyP50 / idleP50, derived: derived / seconds }
      } finally {
        await store.close()
      }
    }),
}

/** @param {import('../lib/case.js').Contestant} contestant */
const isOnDisk = ({ acknowledged }) => acknowledged === where.onDisk

let index = 0

/** @param {Adder} store @param {number} count */
async function addOneByOne(store, count) {
  const tookMs = /** @type {number[]} */ ([])
  for (let added = 0; added < count; added++) {
    // Whoever answers at once must not keep the application from starting its next pbkdf2.
    await turn()
    const begin = performance.now()
    await store.add(smallJob(index++))
    tookMs.push(performance.now() - begin)
  }
  return tookMs
}

/** So many at a time, until it is told to stop. */
function keepBusy() {
  let isOn = true
  let derived = 0
  /** @type {(value?: unknown) => void} */
  let fill = () => {}
  const isFull = new Promise((resolve) => {
    fill = resolve
  })
  const line = async () => {
    while (isOn) {
      await derive('password', 'salt', iterations, 32, 'sha256')
      if (isOn) derived++
      fill()
    }
  }
  const ended = Promise.all(Array.from({ length: inFlight }, line))
  return {
    isFull,
    ended,
    /** Answers how many were done. */
    stop() {
      isOn = false
      return derived
    },
  }
}
