// All durable queues on Node.
import { betterQueue } from './better-queue.js'
import { bullmq } from './bullmq.js'
import { offstageStore } from './offstage.js'
import { pgBoss } from './pg-boss.js'
import { plainjob } from './plainjob.js'

/** @import { Contestant } from '../lib/case.js' */

/** Looks for what they need. @returns {Promise<readonly Contestant[]>} */
export async function durableQueues() {
  const baseline = process.env.OFFSTAGE_BENCH_BASELINE
  return [
    offstageStore('offstage'),
    offstageStore('offstage, relaxed', 'relaxed'),
    ...(baseline ? [offstageStore('baseline', 'strict', baseline)] : []),
    await plainjob('plainjob', 'NORMAL'),
    await plainjob('plainjob, synchronous=FULL', 'FULL'),
    bullmq('BullMQ, everysec', 'everysec'),
    bullmq('BullMQ, always', 'always'),
    await betterQueue('better-queue, SQLite'),
  ]
}

/** Those in which jobs can wait for jobs. */
export const durableFlows = async () => [
  ...(await durableQueues()).filter(({ name }) => /^(offstage|baseline|BullMQ)/.test(name)),
  pgBoss('pg-boss'),
]
