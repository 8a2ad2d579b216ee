// The run itself: from the files that are asked for to the summary.
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { createScheduler, OffstageError } from 'offstage'
import { fileStore } from 'offstage/file'
import { schedules } from 'offstage/schedules'
import { color } from './color.js'
import { Earlier } from './earlier.js'
import { batchesOf, bytesOf, documentsOf, listFiles } from './files.js'
import { Pulse } from './pulse.js'
import { createScreen } from './screen.js'
import { printSummary } from './summary.js'
import { Tally } from './tally.js'
import { bytes, count, UsageError } from './text.js'
import { Waiting } from './waiting.js'

/** @typedef {import('offstage').Scheduler<typeof import('./jobs.js').jobs>} Scheduler */
/** @typedef {import('offstage').Job} AnyJob */

/** A folder that surely has something in it: the files that came with the install. */
const folderDefault = fileURLToPath(new URL('../../node_modules', import.meta.url))
/** So much of it is enough for some seconds of work. A folder that is asked for is taken whole. */
const defaultBytesMax = 30e6
/** How long the job that would never end may try. */
const stampMs = 1_500
/** So often a job looks at the memory. */
const pulseMs = 500

/**
 * One scheduler for everything. It is paused until all jobs are there.
 * @param {number} workers
 * @param {string | undefined} store
 * @returns {Scheduler}
 */
function start(workers, store) {
  const forever = { count: Number.POSITIVE_INFINITY, ageMs: Number.POSITIVE_INFINITY }
  /** @type {Scheduler} */
  const scheduler = createScheduler(() => new Worker(new URL('./jobs.js', import.meta.url), { type: 'module' }), {
    store: store === undefined ? undefined : fileStore(store),
    // The summary wants all of them, however many there are, and whenever they were done.
    keep: { completed: forever, failed: forever, cancelled: forever },
    workers,
    // The disk is asked for so many files at a time and no more.
    queues: { hashes: { rateLimit: { limit: 20, intervalMs: 250 } } },
    defaults: {
      index: { priority: 40 },
      survey: { priority: 30, attempts: 3, backoff: { type: 'fixed', delayMs: 500 } },
      stamp: { priority: 20 },
      hash: { priority: 10, queue: 'hashes' },
      count: { priority: 5 },
      compress: { priority: 0 },
      pulse: { priority: 50, keepMs: 0 },
    },
  })
  scheduler.pause()
  return scheduler
}

/**
 * What the store has of a run that was started before: the files that it was about, which may have changed since.
 * @param {Scheduler} scheduler
 * @param {{ folder: string, query: string }} asked
 */
async function findEarlierRun(scheduler, { folder, query }) {
  // The schedule is in the store as well, and goes on; its jobs are none of the run.
  const found = (await scheduler.find({ limit: Number.POSITIVE_INFINITY })).filter(({ name }) => name !== 'pulse')
  if (found.length === 0) return { found, files: undefined }
  const [survey, index] = ['survey', 'index'].map((id) => found.find((job) => job.id === id)?.input)
  const plan = /** @type {{ folder: string, files: import('./files.js').FileEntry[] } | undefined} */ (survey)
  const earlier = /** @type {{ query: string } | undefined} */ (index)
  if (plan?.folder === folder && earlier?.query === query) return { found, files: plan.files }
  const what = plan ? `${plan.folder}, searched for "${earlier?.query}"` : 'something else'
  throw new UsageError(`There are jobs in that store already, about ${what}. Finish them, or name another store.`)
}

/** @param {import('./arguments.js').Asked} asked */
async function perform({ folder: asked, query, store }) {
  const folder = asked ?? folderDefault
  const listed = listFiles(folder, asked === undefined ? defaultBytesMax : undefined)
  // The default leaves a core to the page or the server; here the main thread has next to nothing to do.
  const workers = Math.max(2, availableParallelism() - 1)
  const scheduler = start(workers, store)
  try {
    const { found, files = listed.files } = await findEarlierRun(scheduler, { folder, query })
    await work({ scheduler, workers, folder, query, store, found, files, unreadable: listed.unreadable })
  } finally {
    await scheduler.close({ mode: 'now' })
  }
}

/**
 * @param {object} options
 * @param {Scheduler} options.scheduler
 * @param {number} options.workers
 * @param {string} options.folder
 * @param {string} options.query
 * @param {string | undefined} options.store
 * @param {AnyJob[]} options.found
 * @param {import('./files.js').FileEntry[]} options.files
 * @param {number} options.unreadable
 */
async function work({ scheduler, workers, folder, query, store, found, files, unreadable }) {
  const batches = batchesOf(files)
  const documents = documentsOf(files)
  const jobs = 3 * batches.length + 3

  console.log(color('bold', `${count(files.length)} files, ${bytes(bytesOf(files))}, in ${folder}`))
  console.log(`${count(jobs)} jobs of 6 types on ${workers} worker threads; Ctrl-C ends it.`)
  const earlier = found.length > 0 ? new Earlier(found) : undefined
  if (earlier) console.log(`Going on with what is in ${store}: ${earlier.line}.`)
  console.log()
  const screen = createScreen(process.stdout, {
    folder,
    workers,
    jobs,
    bytes: 3 * bytesOf(files) + bytesOf(documents),
  })
  const tally = new Tally(scheduler, screen, found)
  const pulse = new Pulse(scheduler)
  const waiting = new Waiting(scheduler, (error) => screen.say(String(error)))
  const plan = schedules(scheduler)
  await plan.set('pulse', { everyMs: pulseMs }, { name: 'pulse' })
  earlier?.listen(scheduler, screen)
  const stopListening = stopOnSignals(scheduler, screen, tally, store)

  const startedAt = performance.now()
  const enough = new AbortController()
  const giveUp = () => enough.abort(new Error(`it would never have ended, and ${stampMs / 1_000} s are enough`))
  // Under ids of our own: what is in the store is answered and not added again. All at once, so that there is never half
  // a run in it. The types added last have the highest priorities: they start first all the same.
  const added = await scheduler.addMany([
    ...['compress', 'count', 'hash'].flatMap((name) =>
      batches.map((batch, index) => ({
        name: /** @type {'compress'} */ (name),
        input: { files: batch },
        options: { id: `${name} ${index + 1}`, ...tally.follow(name, batch) },
      })),
    ),
    { name: 'survey', input: { folder, files }, options: { id: 'survey', ...tally.follow('survey', []) } },
    {
      name: 'index',
      input: { files: documents, query },
      options: { id: 'index', ...tally.follow('index', documents) },
    },
    {
      name: 'stamp',
      input: { text: String(files[0]?.path) },
      options: {
        id: 'stamp',
        ...tally.follow('stamp', []),
        signal: enough.signal,
        onStarted: () => setTimeout(giveUp, stampMs).unref(),
      },
    },
  ])
  scheduler.resume()
  const results = await Promise.all(added.map(resultOf))
  const wallMs = performance.now() - startedAt
  const { latencies } = scheduler.stats()
  await plan.remove('pulse')
  stopListening()
  screen.stop()
  await scheduler.close()
  const ofBatches = (/** @type {number} */ type) => results.slice(type * batches.length, (type + 1) * batches.length)
  const [surveyed, indexed] = results.slice(3 * batches.length)
  printSummary(
    /** @type {import('./summary.js').Outcome} */ ({
      folder,
      files,
      unreadable,
      workers,
      wallMs,
      latencies,
      types: tally.types,
      earlier: earlier?.summary,
      pulse: pulse.line,
      waiting: waiting.line,
      compressed: ofBatches(0),
      counted: ofBatches(1),
      hashed: ofBatches(2),
      surveyed,
      indexed,
    }),
  )
}

/**
 * One of them is cancelled, now or in an earlier life.
 * @param {AnyJob} job
 * @returns {Promise<unknown>}
 */
async function resultOf(job) {
  try {
    return await job.result()
  } catch (error) {
    if (job.snapshot().state === 'cancelled') return undefined
    throw error
  }
}

/**
 * Ctrl-C ends the threads in the middle of their work and leaves a line, not a stack. A second one ends the process.
 * @param {Scheduler} scheduler
 * @param {import('./screen.js').Screen} screen
 * @param {Tally} tally
 * @param {string | undefined} store
 */
function stopOnSignals(scheduler, screen, tally, store) {
  const stop = async (/** @type {NodeJS.Signals} */ signal) => {
    stopListening()
    screen.stop()
    await scheduler.close({ mode: 'now' })
    const others = store === undefined ? 'were dropped' : `are in ${store}, where the same command goes on`
    console.log(`\nStopped by ${signal}: ${tally.ended} jobs had ended, the others ${others}, all threads are ended.`)
    process.exitCode = signal === 'SIGINT' ? 130 : 143
  }
  const stopListening = () => void process.off('SIGINT', stop).off('SIGTERM', stop)
  process.on('SIGINT', stop).on('SIGTERM', stop)
  return stopListening
}

/**
 * Ends with exit code 1, and one line where that says enough.
 * @param {import('./arguments.js').Asked} asked
 */
export async function run(asked) {
  try {
    await perform(asked)
  } catch (error) {
    // Whoever stopped it has been told.
    if (error instanceof OffstageError && error.code === 'SCHEDULER_CLOSED') return
    const isPlain = error instanceof UsageError || (error instanceof OffstageError && error.code.startsWith('STORE_'))
    console.error(isPlain ? error.message : error)
    process.exitCode = 1
  }
}
