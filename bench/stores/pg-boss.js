import { setTimeout as sleep } from 'node:timers/promises'
import { startPostgres, withoutPostgres } from './postgres.js'
import { where } from './store.js'

/** @import { Contestant } from '../lib/case.js' */
/** @import { DurableQueue, FlowNode, FlowRunner } from './store.js' */

/** How many jobs the worker takes each time that it looks: with 50 it does 100 jobs a second, and not 2,000. */
const batchSize = 2_000
/** The least that it allows. Of jobs that are let go it sends no notice, so with notices they wait for longer. */
const pollingIntervalSeconds = 0.5

/**
 * @param {string} name
 * @returns {Contestant}
 */
export function pgBoss(name) {
  const skip = withoutPostgres()
  return {
    name,
    ...(skip && { skip }),
    acknowledged: where.onDisk,
    /** @returns {Promise<DurableQueue>} */
    async start() {
      const { PgBoss } = await import('pg-boss')
      const { host, close } = await startPostgres()
      const boss = new PgBoss({ host, user: 'bench', database: 'postgres', schedule: false, flowIntervalSeconds: 1 })
      boss.on('error', (error) => console.error(error))
      await boss.start()
      let opened = 0
      return {
        openToAdd: () => Promise.reject(new Error('pg-boss is here for its flows.')),
        openToFlow: () => toFlow(boss, `flow-${++opened}`),
        async close() {
          await boss.stop({ graceful: false })
          await close()
        },
      }
    },
  }
}

/**
 * Jobs are let go once a second, or when they are asked to be; so they are asked to be again and again.
 *
 * @param {import('pg-boss').PgBoss} boss
 * @param {string} queue
 * @returns {Promise<FlowRunner>}
 */
async function toFlow(boss, queue) {
  let last = ''
  let isDone = true
  await boss.createQueue(queue)
  await boss.work(queue, { batchSize, pollingIntervalSeconds }, async (jobs) => {
    isDone ||= jobs.some(({ data }) => /** @type {{ ref: string }} */ (data).ref === last)
  })
  return {
    async runFlow(flow) {
      const jobs = flatten(flow, queue)
      last = /** @type {{ ref: string }} */ (jobs.at(-1)).ref
      isDone = false
      await boss.flow(jobs)
      while (!isDone) {
        await boss.resolveFlow()
        await sleep(1)
      }
    },
    async unfinished() {
      const sql = "SELECT 1 FROM pgboss.job WHERE name = $1 AND state < 'completed'"
      const left = async () => (await boss.getDb().executeSql(sql, [queue])).rows.length
      // The end of a job is recorded when its handler has returned.
      while ((await left()) > 0) await sleep(5)
      return left()
    },
    async close() {
      await boss.offWork(queue)
      await boss.deleteQueue(queue)
    },
  }
}

/** @param {FlowNode} flow @param {string} name @returns {import('pg-boss').FlowJob[]} */
function flatten(flow, name) {
  /** @type {import('pg-boss').FlowJob[]} */
  const jobs = []
  const add = (/** @type {FlowNode} */ { after }) => {
    const dependsOn = after.map(add)
    const ref = `n${jobs.length}`
    jobs.push({ ref, name, data: { ref }, ...(dependsOn.length > 0 && { dependsOn }) })
    return ref
  }
  add(flow)
  return jobs
}
