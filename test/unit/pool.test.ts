// How much is sent ahead to a thread that is at work, by what its job type has cost so far.
import { expect, test } from 'vitest'
import { createRecord, resolveDefaults } from '../../src/job/job-options.ts'
import { Pool } from '../../src/pool/pool.ts'
import type { Attempt } from '../../src/pool/pool-worker.ts'
import { fromThread } from '../../src/pool/protocol.ts'
import { defer } from '../../src/shared/deferred.ts'
import { manualClock } from '../../src/shared/manual-clock.ts'
import type { Port } from '../../src/shared/port.ts'
import { TimerQueue } from '../../src/timers/timer-queue.ts'

/** A pool whose one thread is ready and says what the test has it say. */
async function onePool() {
  let receive = (_message: unknown[]): void => {}
  const port: Port = {
    post() {},
    onMessage(listener) {
      receive = listener
      queueMicrotask(() => receive([fromThread.ready]))
    },
    onClose() {},
    async close() {},
    hold() {},
  }
  const isOnline = defer<void>()
  const nothing = () => {}
  const pool = new Pool<undefined>(
    {
      min: 1,
      max: 1,
      idleMs: 1_000,
      concurrency: 1,
      graceMs: 1_000,
      startTimeoutMs: 1_000,
      errors: [],
      spawn: async () => port,
    },
    new TimerQueue(manualClock()),
    {
      parentsOf: () => undefined,
      onBegun: nothing,
      onDone: nothing,
      onFailed: nothing,
      onSnoozed: nothing,
      onRateLimited: nothing,
      onWaiting: nothing,
      onProgress: nothing,
      onValue: nothing,
      onLog: nothing,
      onSave: nothing,
      onLost: nothing,
      beforeMessages: nothing,
      afterMessages: nothing,
      onRoom: nothing,
      onOnline: () => isOnline.resolve(),
      onExit: nothing,
      onStartFailed: nothing,
      hasWork: () => false,
    },
  )
  pool.grow(1)
  await isOnline.promise
  const records = { name: 'work', input: undefined, seq: 1, lineTime: 0 }
  const start = (id: string): Attempt<undefined> | undefined => {
    const worker = pool.roomFor('work', false)
    const record = createRecord({ ...records, id }, undefined, resolveDefaults(undefined), 0)
    const attempt = worker && pool.reserve(worker, undefined, record, undefined, false)
    if (attempt) pool.send(attempt)
    return attempt
  }
  return {
    /** Jobs that took so long. */
    ran(...costsMs: number[]) {
      for (const ms of costsMs) {
        const attempt = start('ran')
        pool.flush()
        receive([fromThread.done, attempt?.wireId, ms * 1_000, undefined])
      }
    },
    /** How many may be on the thread at a time. */
    depth() {
      let depth = 0
      while (depth < 2_000 && start('waits')) depth++
      return depth
    },
  }
}

const times = (count: number, ms: number): number[] => new Array(count).fill(ms)

test.each([
  ['of which nothing is known', [], 1],
  ['of which little is known', times(7, 0.01), 1],
  ['that are tiny', times(8, 0.000_5), 1_024],
  ['of 10 µs', times(8, 0.01), 250],
  ['of a millisecond: the next is there when one ends', times(8, 1.2), 2],
  ['of 2 ms: who has just become urgent would have to wait behind another', times(8, 2), 1],
  ['of 10 µs, once 50 ms', [...times(99, 0.01), 50], 1],
  ['of 10 µs, 50 ms a while ago: less than if there were none', [...times(8, 0.01), 50, ...times(200, 0.01)], 63],
])('jobs %s', async (_what, costsMs, depth) => {
  const { ran, depth: found } = await onePool()
  ran(...costsMs)
  expect(found()).toBe(depth)
})
