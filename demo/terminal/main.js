// `npm run demo [folder]`: hashes, counts, indexes and compresses real files in worker threads, and shows it.
import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { createScheduler, OffstageError } from 'offstage'
import { batchesOf, bytesOf, documentsOf, listFiles } from './files.js'
import { createScreen } from './screen.js'
import { printSummary } from './summary.js'
import { Tally } from './tally.js'
import { bytes, count, UsageError } from './text.js'

/** @typedef {import('offstage').Scheduler<typeof import('./jobs.js').jobs>} Scheduler */
/** @typedef {import('./jobs.js').Progress} Progress */

/** A folder that surely has something in it: the files that came with the install. */
const folderDefault = fileURLToPath(new URL('../../node_modules', import.meta.url))
const queryDefault = 'worker thread'
/** How long the job that would never end may try. */
const stampMs = 1_500

/** What the command line asks for. An option `store`, a folder where jobs outlive the process, would be read here. */
function readArguments() {
  const { values, positionals } = parseArguments()
  if (positionals.length > 1) throw new UsageError(`Expected one folder, got ${positionals.length}.`)
  // npm runs scripts in the package's folder; what the user typed was meant from where they are.
  const here = process.env.npm_lifecycle_event === 'demo' ? process.env.INIT_CWD : undefined
  const folder = positionals[0] === undefined ? folderDefault : resolve(here ?? '.', positionals[0])
  return { folder, query: values.search ?? queryDefault }
}

function parseArguments() {
  try {
    return parseArgs({ allowPositionals: true, options: { search: { type: 'string' } } })
  } catch (error) {
    throw new UsageError(`${/** @type {Error} */ (error).message} Usage: npm run demo -- [folder] [--search words]`)
  }
}

/**
 * One scheduler for everything. The store would be one more option here.
 * @param {number} workers
 * @returns {Scheduler}
 */
function start(workers) {
  return createScheduler(() => new Worker(new URL('./jobs.js', import.meta.url), { type: 'module' }), {
    workers,
    defaults: {
      index: { priority: 40 },
      survey: { priority: 30, attempts: 3, backoff: { type: 'fixed', delayMs: 500 } },
      stamp: { priority: 20 },
      hash: { priority: 10 },
      count: { priority: 5 },
      compress: { priority: 0 },
    },
  })
}

async function main() {
  const { folder, query } = readArguments()
  const { files, unreadable } = listFiles(folder)
  const batches = batchesOf(files)
  const documents = documentsOf(files)
  // The default leaves a core to the page or the server; here the main thread has next to nothing to do.
  const workers = Math.max(2, availableParallelism() - 1)
  const jobs = 3 * batches.length + 3

  console.log(`${count(files.length)} files, ${bytes(bytesOf(files))}, in ${folder}`)
  console.log(`${count(jobs)} jobs of 6 types on ${workers} worker threads; Ctrl-C ends it.\n`)
  const screen = createScreen(process.stdout, {
    folder,
    workers,
    jobs,
    bytes: 3 * bytesOf(files) + bytesOf(documents),
  })
  const scheduler = start(workers)
  const tally = new Tally(scheduler, screen)
  const stopListening = stopOnSignals(scheduler, screen, tally)

  const startedAt = performance.now()
  const enough = new AbortController()
  const giveUp = () => enough.abort(new Error(`it would never have ended, and ${stampMs / 1_000} s are enough`))
  // The types added last have the highest priorities: they start first all the same.
  const [compressed, counted, hashed, surveyed, indexed] = await Promise.all([
    Promise.all(batches.map((batch) => scheduler.run.compress({ files: batch }, tally.follow('compress', batch)))),
    Promise.all(batches.map((batch) => scheduler.run.count({ files: batch }, tally.follow('count', batch)))),
    Promise.all(batches.map((batch) => scheduler.run.hash({ files: batch }, tally.follow('hash', batch)))),
    scheduler.run.survey({ files }, tally.follow('survey', [])),
    scheduler.run.index({ files: documents, query }, tally.follow('index', documents)),
    scheduler.run
      .stamp(
        { text: String(files[0]?.path) },
        {
          ...tally.follow('stamp', []),
          signal: enough.signal,
          onStarted: () => setTimeout(giveUp, stampMs).unref(),
        },
      )
      .catch(orThrowUnless(enough.signal)),
  ])
  const wallMs = performance.now() - startedAt
  const { latencies } = scheduler.stats()
  stopListening()
  screen.stop()
  await scheduler.close()
  printSummary({
    folder,
    files,
    unreadable,
    workers,
    wallMs,
    latencies,
    types: tally.types,
    compressed,
    counted,
    hashed,
    surveyed,
    indexed,
  })
}

/** @param {AbortSignal} signal */
function orThrowUnless(signal) {
  return (/** @type {unknown} */ error) => {
    if (error !== signal.reason) throw error
  }
}

/**
 * Ctrl-C ends the threads in the middle of their work and leaves a line, not a stack. A second one ends the process.
 * @param {Scheduler} scheduler
 * @param {import('./screen.js').Screen} screen
 * @param {Tally} tally
 */
function stopOnSignals(scheduler, screen, tally) {
  const stop = async (/** @type {NodeJS.Signals} */ signal) => {
    stopListening()
    screen.stop()
    await scheduler.close({ mode: 'now' })
    console.log(
      `\nStopped by ${signal}: ${tally.ended} jobs had ended, the others were dropped, all threads are ended.`,
    )
    process.exitCode = signal === 'SIGINT' ? 130 : 143
  }
  const stopListening = () => void process.off('SIGINT', stop).off('SIGTERM', stop)
  process.on('SIGINT', stop).on('SIGTERM', stop)
  return stopListening
}

await main().catch((error) => {
  // Whoever stopped it has been told.
  if (error instanceof OffstageError && error.code === 'SCHEDULER_CLOSED') return
  console.error(error instanceof UsageError ? error.message : error)
  process.exitCode = 1
})
