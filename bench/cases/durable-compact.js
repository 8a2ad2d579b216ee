import { buildSource } from '../lib/build-source.js'
import { inFolder, makeFolder, removeFolder } from '../lib/disk.js'
import { mustBe } from '../lib/run-case.js'
import { runChild } from '../lib/run-child.js'

/** @import { Case, Contestant } from '../lib/case.js' */

const child = new URL('../lib/compact-load.js', import.meta.url)
/** As the library has it. */
const compactBytesMin = 1024 * 1024

/** @type {Case} */
export const durableCompact = {
  name: 'durable-compact',
  number: 17,
  title: 'Compaction under load: how long the main thread is held',
  shows:
    'offstage from src, in a new process each time: 100 callers run no-op jobs until a journal of so many waiting jobs is\n' +
    '   more than half dead, and is compacted; and the same with a threshold that keeps it from ever being. A slice: what\n' +
    '   compaction does between two writes, seen from where it writes, and less the garbage collections that fell into it;\n' +
    '   the goal is 5 ms. A hold: a round of the event loop, whoever holds it: the load, the garbage collector, the system\n' +
    '   that gives the core to others.',
  measures: [
    { key: 'sliceMs', label: 'longest slice of compaction, without collections in it, ms', better: 'less' },
    { key: 'sliceWithGcMs', label: 'longest slice of compaction, with them, ms', better: 'less' },
    { key: 'compactingMs', label: 'longest hold while it compacted, ms', better: 'less' },
    { key: 'holdMs', label: 'longest hold, ms', better: 'less' },
    { key: 'overGoal', label: 'holds over 5 ms', better: 'less', digits: 0 },
    { key: 'gcMs', label: 'longest garbage collection, ms', better: 'less' },
    { key: 'perSecond', label: 'jobs/s', better: 'more' },
    { key: 'compactions', label: 'compactions', digits: 0 },
    { key: 'slices', label: 'slices of compaction', digits: 0 },
  ],
  rounds: 5,
  warmUps: 0,
  variants: (isQuick) =>
    [isQuick ? { ballast: 2_000, runs: 5_000 } : { ballast: 200_000, runs: 350_000 }].map((size) => ({
      label: `${size.ballast.toLocaleString('en-US')} jobs wait, ${size.runs.toLocaleString('en-US')} are run`,
      ...size,
    })),
  contestants: () => [loaded('offstage', compactBytesMin), loaded('offstage, never compacted', 1e15)],

  async round({ load }, variant) {
    const figures = await load(variant)
    const { slices, ...others } = figures
    return slices > 0 ? figures : others
  },
}

/** @param {string} name @param {number} bytesMin @returns {Contestant} */
const loaded = (name, bytesMin) => ({
  name,
  async start() {
    const dist = makeFolder()
    const address = await buildSource(dist)
    return {
      load: (/** @type {{ ballast: number, runs: number }} */ { ballast, runs }) =>
        inFolder(async (folder) => {
          const figures = await runChild(child, [address, folder, ...[bytesMin, ballast, runs].map(String)])
          mustBe(figures.compactions > 0, bytesMin === compactBytesMin, 'whether it was compacted')
          return figures
        }),
      close: () => removeFolder(dist),
    }
  },
})
