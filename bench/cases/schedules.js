import { inFolder } from '../lib/disk.js'
import { mustBe } from '../lib/run-case.js'
import { createScheduler, offstageFolder } from '../pools/offstage.js'

/** @import { Case, Contestant } from '../lib/case.js' */
/** @typedef {import('../../dist/index.js').Scheduler<any>} Scheduler */
/** @typedef {import('../../dist/testing.js').ManualClock} ManualClock */

const everyMs = 60_000
const ticks = 10
/** The default of `keep`. */
const keptMax = 1_000

/** @type {Case} */
export const schedules = {
  name: 'schedules',
  number: 18,
  title: 'Recurring jobs',
  shows:
    'So many schedules that are all due in the same moment, ten times over, on a clock that the bench moves: each adds a no-op job\n' +
    '   in one commit with its next time, and the job is run. Beside it the same jobs, added by `add` at the same moments:\n' +
    '   what a schedule costs on top of its job.',
  measures: [
    { key: 'perSecond', label: 'jobs/s added and run', better: 'more' },
    { key: 'setMs', label: 'ms to set all schedules', better: 'less' },
    { key: 'timers', label: 'timers set while they wait', digits: 0 },
  ],
  rounds: 5,
  variants: (isQuick) => [{ label: '', workers: 1, count: isQuick ? 100 : 1_000 }],
  contestants: () => [
    recurring('offstage, in memory', scheduled, false),
    recurring('add, in memory', byHand, false),
    recurring('offstage, on the disk', scheduled, true),
    recurring('add, on the disk', byHand, true),
  ],

  round: ({ run }, variant) => run(variant),
}

/** Gets all ready, and returns what is to be called when the time of a tick has come. @typedef {(scheduler: Scheduler, count: number) => Promise<() => void>} Prepare */

/**
 * @param {string} name
 * @param {Prepare} prepare
 * @param {boolean} isDurable
 * @returns {Contestant}
 */
function recurring(name, prepare, isDurable) {
  return {
    name,
    start: () => ({
      run: (/** @type {any} */ variant) =>
        isDurable ? inFolder((folder) => measure(prepare, variant, folder)) : measure(prepare, variant),
      close() {},
    }),
  }
}

/**
 * @param {Prepare} prepare
 * @param {any} variant
 * @param {string} [folder]
 */
async function measure(prepare, { workers, count }, folder) {
  const { manualClock } = await import(`${offstageFolder}testing.js`)
  const { fileStore } = await import(`${offstageFolder}file.js`)
  const clock = /** @type {ManualClock} */ (manualClock())
  const store = folder === undefined ? undefined : fileStore(folder)
  const scheduler = await createScheduler(offstageFolder, { workers, clock, ...(store && { store }) })
  try {
    const beginSet = performance.now()
    const tick = await prepare(scheduler, count)
    const setMs = performance.now() - beginSet
    const { timers } = clock
    let ms = 0
    for (let done = 0; done < ticks; done++) {
      const begin = performance.now()
      clock.advance(everyMs)
      tick()
      await completions(scheduler, count)
      ms += performance.now() - begin
    }
    const { completed } = await scheduler.counts()
    mustBe(completed, Math.min(count * ticks, keptMax), 'jobs that are kept')
    return { perSecond: ((count * ticks) / ms) * 1_000, setMs, timers }
  } finally {
    await scheduler.close()
  }
}

/** @param {Scheduler} scheduler @param {number} count */
async function scheduled(scheduler, count) {
  const { schedules } = await import(`${offstageFolder}schedules.js`)
  const plan = schedules(scheduler)
  await Promise.all(Array.from({ length: count }, (_, n) => plan.set(`${n}`, { everyMs }, { name: 'noop', input: 0 })))
  return () => {}
}

/** @param {Scheduler} scheduler @param {number} count */
async function byHand(scheduler, count) {
  return () => void Promise.all(Array.from({ length: count }, () => scheduler.add.noop?.(0)))
}

/** @param {Scheduler} scheduler @param {number} count @returns {Promise<void>} */
const completions = (scheduler, count) =>
  new Promise((resolve) => {
    let left = count
    const stop = scheduler.on('completed', () => {
      if (--left > 0) return
      stop()
      resolve()
    })
  })
