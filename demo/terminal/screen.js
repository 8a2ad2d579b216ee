// What one sees while it runs: bars in a terminal, a line now and then in a pipe or a log.
import { relative } from 'node:path'
import { MultiBar } from 'cli-progress'
import { bytes, count, percent } from './text.js'

/** @typedef {import('./jobs.js').Progress} Progress */

/**
 * @typedef {object} Screen
 * @property {(line: string) => void} say a line that stays
 * @property {(name: string, progress: Progress) => void} work a job of that type reports
 * @property {(worker: number) => void} rest a thread is done with what it showed
 * @property {(done: number, jobs: number) => void} total bytes, and jobs that have ended
 * @property {() => void} stop
 */

/**
 * @param {NodeJS.WriteStream} stream
 * @param {{ folder: string, workers: number, bytes: number, jobs: number }} work
 * @returns {Screen}
 */
export const createScreen = (stream, work) =>
  stream.isTTY && process.env.TERM !== 'dumb' ? bars(stream, work) : lines(stream, work)

const idle = { name: 'idle', file: '' }

/**
 * @param {NodeJS.WriteStream} stream
 * @param {{ folder: string, workers: number, bytes: number, jobs: number }} work
 * @returns {Screen}
 */
function bars(stream, { folder, workers, bytes: bytesAll, jobs }) {
  const barsize = Math.max(10, Math.min(40, stream.columns - 60))
  const multibar = new MultiBar({
    stream,
    barsize,
    barCompleteChar: '█',
    barIncompleteChar: '░',
    hideCursor: true,
    forceRedraw: true, // Lines above the bars move them.
    emptyOnZero: true,
  })
  const workerBars = Array.from({ length: workers }, (_, index) =>
    multibar.create(1, 0, { ...idle, label: `worker ${index + 1}` }, { format: '  {label}  {bar}  {name}  {file}' }),
  )
  const format = `  total     {bar}  {percentage} %  {jobs}`
  const totalBar = multibar.create(bytesAll, 0, { jobs: '' }, { format })
  /** Threads by the bar that shows them. */
  const threads = /** @type {(number | undefined)[]} */ (new Array(workers).fill(undefined))

  /** The bar of a thread; the bar of a thread that has ended goes to its successor. */
  const barOf = (/** @type {number} */ worker) => {
    if (!threads.includes(worker)) threads[Math.max(threads.indexOf(undefined), 0)] = worker
    return workerBars[threads.indexOf(worker)]
  }

  return {
    say: (line) => multibar.log(`${line}\n`),
    work(name, { worker, file, done, of }) {
      const bar = barOf(worker)
      bar?.setTotal(of || 1)
      bar?.update(of ? done : 0, {
        name: (of ? name : `${name}, ${count(done)} tries`).padEnd(10),
        file: relative(folder, file),
      })
    },
    rest: (worker) => barOf(worker)?.update(0, idle),
    total: (done, ended) => totalBar.update(done, { jobs: `${ended} of ${jobs} jobs, ${bytes(done)}` }),
    stop() {
      for (const bar of workerBars) bar.update(0, idle)
      multibar.update() // `stop` alone would lose the lines that were not shown yet.
      multibar.stop()
    },
  }
}

const lineEveryMs = 2_000

/**
 * @param {NodeJS.WriteStream} stream
 * @param {{ bytes: number, jobs: number }} work
 * @returns {Screen}
 */
function lines(stream, { bytes: bytesAll, jobs }) {
  let status = ''
  const say = (/** @type {string} */ line) => stream.write(`${line}\n`)
  const timer = setInterval(() => say(status), lineEveryMs)
  timer.unref()
  return {
    say,
    work() {},
    rest() {},
    total(done, ended) {
      status = `  ${percent(done, bytesAll)}  ${ended} of ${jobs} jobs, ${bytes(done)}`
    },
    stop: () => clearInterval(timer),
  }
}
