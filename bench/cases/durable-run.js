import { runCallers } from '../lib/callers.js'
import { inFolder } from '../lib/disk.js'
import { mustBe } from '../lib/run-case.js'
import { durableQueues } from '../stores/index.js'
import { smallJob } from '../stores/store.js'

/** @import { Case } from '../lib/case.js' */
/** @import { DurableQueue } from '../stores/store.js' */

/** @type {Case} */
export const durableRun = {
  name: 'durable-run',
  number: 13,
  title: '100 callers, each awaiting the end of its no-op job: added, run, recorded',
  shows:
    'Each with what suits it best. offstage: 2 workers, on threads of their own. The others run the handler on the main\n' +
    '   thread, which is what a no-op likes best: plainjob one at a time (it knows nothing else, and records no result);\n' +
    '   BullMQ with concurrency 50 and the events of its own process; better-queue one at a time, its default (with more\n' +
    '   its SQLite store loses jobs; what is done it forgets).',
  measures: [{ key: 'perSecond', label: 'jobs/s', better: 'more' }],
  rounds: 7,
  variants: (isQuick) => [
    { label: '', workers: 2, callers: 100, count: isQuick ? 1_000 : 10_000, warmMs: isQuick ? 100 : 1_500 },
  ],
  contestants: durableQueues,

  round: (/** @type {Required<DurableQueue>} */ { openToRun }, variant) =>
    inFolder(async (folder) => {
      const { callers, count, warmMs } = variant
      const { run, unfinished, close } = await openToRun(folder, variant)
      try {
        const warmCount = await warmUp(callers, warmMs, run)
        const begin = performance.now()
        const results = await runCallers(callers, count, (index) => run(smallJob(warmCount + index)))
        const ms = performance.now() - begin
        for (let index = 0; index < count; index++) mustBe(results[index].index, warmCount + index, 'result')
        mustBe(await unfinished(), 0, 'number of unfinished jobs')
        return { perSecond: (count / ms) * 1_000 }
      } finally {
        await close()
      }
    }),
}

const warmUpJobs = 500

/**
 * Each round begins with a store, threads and statements that are new, and so cold: all get the same time to warm up.
 * Answers how many jobs that were.
 *
 * @param {number} callers
 * @param {number} ms
 * @param {import('../stores/store.js').Runner['run']} run
 */
async function warmUp(callers, ms, run) {
  const until = performance.now() + ms
  let done = 0
  while (performance.now() < until) {
    const first = done
    await runCallers(callers, warmUpJobs, (index) => run(smallJob(first + index)))
    done += warmUpJobs
  }
  return done
}
