import { inFolder } from '../lib/disk.js'
import { mustBe } from '../lib/run-case.js'
import { createScheduler, offstageFolder } from '../pools/offstage.js'

/** @import { Case } from '../lib/case.js' */

/** @typedef {(folder: string) => Promise<import('../../dist/index.js').SchedulerOptions>} OptionsIn */

/** @type {OptionsIn} */
const inMemory = async () => ({})
/** @param {'strict' | 'relaxed'} durability @returns {OptionsIn} */
const inFiles = (durability) => async (folder) => {
  const { fileStore } = await import(`${offstageFolder}file.js`)
  return { store: fileStore(`${folder}/store`, { durability }) }
}

/** @param {string} name @param {OptionsIn} optionsIn @param {boolean} [isRecorded] */
const contestant = (name, optionsIn, isRecorded = true) => ({
  name,
  start: async () => ({ optionsIn, isRecorded, close() {} }),
})

/** @type {Case} */
export const durableSteps = {
  name: 'durable-steps',
  number: 19,
  title: 'A job of 2,000 steps, one after the other',
  shows:
    'What `job.step` costs beside a plain call: the handler awaits a function that does nothing. A step goes on when it is\n' +
    '   committed, so each is a round trip to the main thread and, with a store, to the disk.',
  measures: [{ key: 'perSecond', label: 'steps/s', better: 'more' }],
  rounds: 5,
  variants: (isQuick) => [{ label: '', workers: 1, count: isQuick ? 100 : 2_000 }],
  contestants: () => [
    contestant('offstage', inMemory),
    contestant('offstage, relaxed', inFiles('relaxed')),
    contestant('offstage, strict', inFiles('strict')),
    contestant('plain calls', inMemory, false),
  ],

  round: ({ optionsIn, isRecorded }, { count }) =>
    inFolder(async (folder) => {
      const scheduler = await createScheduler(offstageFolder, { workers: 1, ...(await optionsIn(folder)) })
      const run = /** @type {any} */ (scheduler.run.steps)
      try {
        await run({ count: 50, isRecorded })
        const begin = performance.now()
        mustBe(await run({ count, isRecorded }), (count * (count - 1)) / 2, 'sum of the steps')
        return { perSecond: (count / (performance.now() - begin)) * 1_000 }
      } finally {
        await scheduler.close()
      }
    }),
}
