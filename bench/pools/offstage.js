// Which builds: the one in dist, or where OFFSTAGE_BENCH_DIST says; beside it, as `baseline`, another revision's.

/** @import { Contestant, Pool, Variant } from '../lib/case.js' */

const folder = process.env.OFFSTAGE_BENCH_DIST ?? new URL('../../dist/', import.meta.url).href

/**
 * @param {string} [name]
 * @param {string} [dist] a folder's address
 * @param {boolean} [isHeard] somebody listens to all events
 * @returns {Contestant}
 */
export function offstage(name = 'offstage', dist = folder, isHeard = false) {
  return {
    name,
    async start({ workers }) {
      const scheduler = await createScheduler(dist, { workers })
      if (isHeard) listen(scheduler)
      return {
        scheduler,
        job: (type) => {
          const run = scheduler.run[type]
          return (input, transfer) => (transfer ? run(input, { transfer }) : run(input))
        },
        isReady: () => scheduler.snapshot().workers === workers,
        close: () => scheduler.close(),
      }
    },
  }
}

/**
 * @param {string} dist
 * @param {import('../../dist/index.js').SchedulerOptions} options
 * @returns {Promise<import('../../dist/index.js').Scheduler<any>>}
 */
export async function createScheduler(dist, options) {
  const library = await import(`${dist}index.js`)
  const thread = new URL('../threads/offstage.js', import.meta.url)
  const workerOptions = { env: { ...process.env, OFFSTAGE_BENCH_THREAD: dist } }
  return library.createScheduler(thread, { ...options, workerOptions })
}

export const offstageFolder = folder

/** @param {import('../../dist/index.js').Scheduler<any>} scheduler */
function listen(scheduler) {
  const events = /** @type {const} */ (['added', 'started', 'progress', 'retrying', 'completed', 'failed', 'cancelled'])
  let heard = 0
  for (const type of events) {
    scheduler.on(type, () => {
      heard++
    })
  }
  return () => heard
}
