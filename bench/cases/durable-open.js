import { makeFolder, removeFolder } from '../lib/disk.js'
import { mustBe } from '../lib/run-case.js'
import { runChild } from '../lib/run-child.js'
import { durableQueues } from '../stores/index.js'

/** @import { Case, Contestant } from '../lib/case.js' */

const child = new URL('../lib/open-store.js', import.meta.url)

/** BullMQ's jobs are in the memory of Redis, and better-queue has no way to take one. */
const names = ['offstage', 'baseline', 'plainjob']

/** @type {Case} */
export const durableOpen = {
  name: 'durable-open',
  number: 14,
  title: 'Opening a store in which many jobs wait',
  shows:
    'In a new process each time, from before the store is opened; the file is in the cache of the system. Open: it can say\n' +
    '   how many wait. First: and one was taken, to be run (offstage: with a thread started for it). Memory: of the whole\n' +
    '   process, as the system sees it, once open; and the most it ever was until then. The goals: 4 s, 700 MB.\n' +
    '   offstage has all jobs in memory then; plainjob has counted them, and has them where they were.',
  measures: [
    { key: 'openMs', label: 'open, ms', better: 'less' },
    { key: 'firstMs', label: 'first, ms', better: 'less' },
    { key: 'rssMb', label: 'memory, MB', better: 'less', digits: 0 },
    { key: 'peakMb', label: 'most memory, MB', better: 'less', digits: 0 },
    { key: 'beforeMb', label: 'memory before it was opened, MB', digits: 0 },
  ],
  rounds: 5,
  warmUps: 0,
  variants: (isQuick) =>
    [isQuick ? 5_000 : 1_000_000].map((count) => ({ label: `${count.toLocaleString('en-US')} waiting`, count })),
  contestants: async () => (await durableQueues()).filter(({ name }) => names.includes(name)).map(filled),

  async round({ open }) {
    const { waiting, expected, ...figures } = await open()
    mustBe(waiting, expected, 'number of waiting jobs')
    return figures
  },
}

/** @param {Contestant} contestant @returns {Contestant} */
const filled = ({ name, skip }) => ({
  name,
  ...(skip && { skip }),
  async start({ count }) {
    const folder = makeFolder()
    let { waiting: expected } = await runChild(child, ['fill', name, folder, String(count)])
    mustBe(expected, count, 'number of jobs that were added')
    return {
      async open() {
        const { left, ...figures } = await runChild(child, ['open', name, folder])
        const answer = { ...figures, expected }
        expected = left
        return answer
      },
      close: () => removeFolder(folder),
    }
  },
})
