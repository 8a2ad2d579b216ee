import { optional } from './optional.js'
import { where } from './store.js'

/** @import { Contestant } from '../lib/case.js' */
/** @import { Adder, DurableQueue, Runner } from './store.js' */

const type = 'noop'
const silent = { error: console.error, warn: console.warn, info() {}, debug() {} }

/**
 * plainjob sets WAL and synchronous=NORMAL itself; whoever wants more says so to the connection afterwards.
 *
 * @param {string} name
 * @param {'NORMAL' | 'FULL'} synchronous
 * @returns {Promise<Contestant>}
 */
export async function plainjob(name, synchronous) {
  const { module: sqlite, skip } = await optional('better-sqlite3')
  return {
    name,
    ...(skip && { skip }),
    acknowledged: synchronous === 'FULL' ? where.onDisk : where.withSystem,
    /** @returns {Promise<DurableQueue>} */
    async start() {
      const library = await import('plainjob')
      const open = (/** @type {string} */ folder) => {
        const connection = library.better(new sqlite.default(`${folder}/queue.db`))
        const queue = library.defineQueue({ connection, logger: silent })
        if (synchronous === 'FULL') connection.pragma('synchronous = FULL')
        return { connection, queue }
      }
      return {
        openToAdd: async (folder) => toAdd(library, open(folder)),
        openToRun: async (folder) => toRun(library, open(folder).queue),
        close() {},
      }
    },
  }
}

/**
 * @param {typeof import('plainjob')} library
 * @param {{ connection: import('plainjob').Connection, queue: import('plainjob').Queue }} opened
 * @returns {Adder}
 */
const toAdd = ({ JobStatus }, { connection, queue }) => ({
  add: (job) => queue.add(type, job),
  addMany: (jobs) => queue.addMany(type, jobs),
  waiting: () => queue.countJobs({ status: JobStatus.Pending }),
  takeFirst() {
    if (!queue.getAndMarkJobAsProcessing(type)) throw new Error('There was no job.')
  },
  async list() {
    const rows = /** @type {{ data: string }[]} */ (connection.prepare('SELECT data FROM plainjob_jobs').all())
    return rows.map(({ data }) => JSON.parse(data))
  },
  close: () => queue.close(),
})

/**
 * A worker runs one job at a time and has no setting for more; its documentation starts more processes instead, which
 * pays when jobs compute. It records that a job is done, not what its handler returned. It never lets go of the thread
 * while there are jobs, and sleeps a while when there are none: as short as it goes.
 *
 * @param {typeof import('plainjob')} library
 * @param {import('plainjob').Queue} queue
 * @returns {Runner}
 */
function toRun({ defineWorker, JobStatus }, queue) {
  /** @type {Map<number, (job: any) => void>} */
  const callers = new Map()
  const worker = defineWorker(type, async (job) => JSON.parse(job.data), {
    queue,
    logger: silent,
    pollIntervall: 1,
    onCompleted({ data }) {
      const job = JSON.parse(data)
      callers.get(job.index)?.(job)
      callers.delete(job.index)
    },
  })
  const ended = worker.start()
  return {
    run: (job) =>
      new Promise((resolve) => {
        callers.set(job.index, resolve)
        queue.add(type, job)
      }),
    unfinished: () => queue.countJobs() - queue.countJobs({ status: JobStatus.Done }),
    async close() {
      await worker.stop()
      await ended
      queue.close()
    },
  }
}
