// The processes of power-cut.js: `node power-cut-life.js write <queue> <folder>` adds jobs, once it is told to, until it is
// killed, and prints the index of each that was acknowledged; `… read <queue> <folder>` prints those that are there.
import { readSync, writeSync } from 'node:fs'
import { durableQueues } from '../stores/index.js'
import { smallJob } from '../stores/store.js'
import { runCallers } from './callers.js'

const [task, name, folder = ''] = process.argv.slice(2)
const callers = 100
const nobody = new Int32Array(new SharedArrayBuffer(4))

const contestant = (await durableQueues()).find((queue) => queue.name === name)
if (!contestant) throw new Error(`There is no queue \`${name}\`.`)
const running = await contestant.start({ label: '', redisFolder: `${folder}/redis` })
const { openToAdd } = /** @type {import('../stores/store.js').DurableQueue} */ (running)
const store = await openToAdd(folder)
if (task === 'write') {
  await store.add(smallJob(0)) // Whatever it makes at first is made.
  tell('ready\n')
  readSync(0, Buffer.alloc(1))
  await runCallers(callers, 1_000_000, async (index) => {
    await store.add(smallJob(index + 1))
    tell(`${index + 1}\n`)
  })
} else {
  const jobs = await store.list?.()
  process.stdout.write(`${JSON.stringify(jobs?.map(({ index }) => index))}\n`, () => process.exit())
}

/** At once, so that what is acknowledged is told before anything else happens. @param {string} line */
function tell(line) {
  for (;;) {
    try {
      // A line is short enough to be written whole or not at all.
      return writeSync(1, line)
    } catch (error) {
      if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'EAGAIN') throw error
      Atomics.wait(nobody, 0, 0, 1) // The other end is behind.
    }
  }
}
