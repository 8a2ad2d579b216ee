import { runCallers } from '../lib/callers.js'
import { inFolder } from '../lib/disk.js'
import { mustBe } from '../lib/run-case.js'
import { durableQueues } from '../stores/index.js'
import { smallJob } from '../stores/store.js'

/** @import { Case } from '../lib/case.js' */
/** @import { DurableQueue } from '../stores/store.js' */

/** @type {Case} */
export const durableAdd = {
  name: 'durable-add',
  number: 12,
  title: '100 callers, each awaiting `add` of a small job; nothing runs',
  shows:
    'What it costs to be acknowledged, and what that is worth: compare rows that promise the same. Each round begins with\n' +
    '   an empty store. plainjob sets WAL and synchronous=NORMAL; BullMQ is beside its Redis, over a Unix socket.',
  measures: [{ key: 'perSecond', label: 'adds/s', better: 'more' }],
  rounds: 7,
  variants: (isQuick) => [
    { label: '', callers: 100, count: isQuick ? 1_000 : 20_000, warmCount: isQuick ? 100 : 2_000 },
  ],
  contestants: durableQueues,

  round: (/** @type {DurableQueue} */ { openToAdd }, { callers, count, warmCount }) =>
    inFolder(async (folder) => {
      const { add, waiting, close } = await openToAdd(folder)
      try {
        // A store that was just opened has threads and statements that are cold.
        await runCallers(callers, warmCount, (index) => add(smallJob(index)))
        const begin = performance.now()
        await runCallers(callers, count, (index) => add(smallJob(warmCount + index)))
        const ms = performance.now() - begin
        mustBe(await waiting(), warmCount + count, 'number of waiting jobs')
        return { perSecond: (count / ms) * 1_000 }
      } finally {
        await close()
      }
    }),
}
