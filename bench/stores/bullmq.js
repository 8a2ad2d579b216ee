import { startRedis, withoutRedis } from './redis.js'
import { where } from './store.js'

/** @import { Contestant } from '../lib/case.js' */
/** @import { Adder, DurableQueue, FlowNode, FlowRunner, Runner } from './store.js' */

/** How many jobs the worker has in hand at once: what its documentation shows, and no worse than 10, 100 or 200. */
const concurrency = 50

/** @param {string} name @param {'everysec' | 'always'} appendfsync @returns {Contestant} */
export function bullmq(name, appendfsync) {
  const skip = withoutRedis()
  return {
    name,
    ...(skip && { skip }),
    acknowledged: appendfsync === 'always' ? where.onDisk : where.inRedis,
    /** @returns {Promise<DurableQueue>} */
    async start({ redisFolder }) {
      const library = await import('bullmq')
      const redis = await startRedis(appendfsync, redisFolder)
      const connection = { path: redis.socket }
      let opened = 0
      return {
        openToAdd: async () => toAdd(await openQueue(library, connection, `add-${++opened}`)),
        openToRun: async () => toRun(library, connection, await openQueue(library, connection, `run-${++opened}`)),
        openToFlow: async () => toFlow(library, connection, await openQueue(library, connection, `flow-${++opened}`)),
        close: redis.close,
      }
    },
  }
}

/** @param {typeof import('bullmq')} library @param {{ path: string }} connection @param {string} name */
async function openQueue({ Queue }, connection, name) {
  const queue = new Queue(name, { connection })
  await queue.waitUntilReady()
  return queue
}

/** @param {import('bullmq').Queue} queue */
async function closeQueue(queue) {
  await queue.obliterate({ force: true, count: 10_000 })
  await queue.close()
}

/** @param {import('bullmq').Queue} queue @returns {Adder} */
const toAdd = (queue) => ({
  add: (job) => queue.add('noop', job),
  waiting: () => queue.getWaitingCount(),
  list: async () => (await queue.getWaiting(0, -1)).map(({ data }) => data),
  close: () => closeQueue(queue),
})

/**
 * The worker tells of ends in its own process, which is quicker than `QueueEvents` and `waitUntilFinished`: those hear of
 * them by a stream in Redis.
 *
 * @param {typeof import('bullmq')} library
 * @param {{ path: string }} connection
 * @param {import('bullmq').Queue} queue
 * @returns {Promise<Runner>}
 */
async function toRun({ Worker }, connection, queue) {
  /** @type {Map<number, (job: any) => void>} */
  const callers = new Map()
  const worker = new Worker(queue.name, async ({ data }) => data, { connection, concurrency })
  worker.on('completed', (_job, result) => {
    callers.get(result.index)?.(result)
    callers.delete(result.index)
  })
  await worker.waitUntilReady()
  return {
    run: (job) =>
      new Promise((resolve, reject) => {
        callers.set(job.index, resolve)
        queue.add('noop', job).catch(reject)
      }),
    async unfinished() {
      const { waiting, active, failed } = /** @type {any} */ (await queue.getJobCounts('waiting', 'active', 'failed'))
      return waiting + active + failed
    },
    async close() {
      await worker.close()
      await closeQueue(queue)
    },
  }
}

/**
 * @param {typeof import('bullmq')} library
 * @param {{ path: string }} connection
 * @param {import('bullmq').Queue} queue
 * @returns {Promise<FlowRunner>}
 */
async function toFlow({ FlowProducer, Worker }, connection, queue) {
  /** @type {(() => void) | undefined} */
  let resolve
  const producer = new FlowProducer({ connection })
  await producer.waitUntilReady()
  const worker = new Worker(queue.name, async ({ data }) => data, { connection, concurrency })
  worker.on('completed', ({ name }) => {
    if (name === 'last') resolve?.()
  })
  await worker.waitUntilReady()
  let nodes = 0
  const jobOf = (/** @type {FlowNode} */ { after }, name = 'noop') => {
    /** @type {any} */
    const job = { name, queueName: queue.name, data: { key: `n${++nodes}` } }
    if (after.length > 0) job.children = after.map((node) => jobOf(node))
    return job
  }
  return {
    async runFlow(flow) {
      const done = new Promise((end) => {
        resolve = () => end(undefined)
      })
      await producer.add(jobOf(flow, 'last'))
      await done
    },
    async unfinished() {
      const counts = /** @type {any} */ (await queue.getJobCounts('waiting', 'active', 'failed', 'waiting-children'))
      return counts.waiting + counts.active + counts.failed + counts['waiting-children']
    },
    async close() {
      await worker.close()
      await producer.close()
      await closeQueue(queue)
    },
  }
}
