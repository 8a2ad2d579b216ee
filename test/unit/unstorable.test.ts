// What a thread has handed over, and the store turns out not to take when it is written: the job whose it is fails, once, and
// nobody else is held up.
import { createScheduler, inline, type OffstageError } from 'offstage'
import { defineJobs, type JobContext } from 'offstage/worker'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type Deferred, defer } from '../../src/shared/deferred.ts'
import { BatchWriter } from '../../src/store/batch-writer.ts'
import { LiveRecords } from '../../src/store/live-records.ts'
import { memoryStore } from '../../src/store/memory-store.ts'
import { Replayer } from '../../src/store/replayer.ts'
import type { Change } from '../../src/store/store.ts'
import { filled } from '../support/journals.ts'
import { heard, turn } from '../support/testing.ts'

/** What may be written of one job at once, beside what is around the value. */
const bytesMax = 1_000
const bytes = (length: number) => new Uint8Array(length)

let aborted: unknown[] = []
/** Handlers wait for it. */
let go = defer<void>()
const jobs = defineJobs({
  async result(length: number) {
    await go.promise
    return bytes(length)
  },
  async checkpoint(length: number, job: JobContext) {
    job.signal.addEventListener('abort', () => aborted.push(job.signal.reason))
    await go.promise
    await job.checkpoint(bytes(length))
    return 'kept'
  },
  async step(length: number, job: JobContext) {
    job.signal.addEventListener('abort', () => aborted.push(job.signal.reason))
    await go.promise
    return (await job.step('make', () => bytes(length))).length
  },
  /** It does not wait until the value is kept. */
  async value(length: number, job: JobContext) {
    await go.promise
    await job.send(bytes(length))
    return 'sent'
  },
  double: (value: number) => value * 2,
})
type Kind = 'result' | 'checkpoint' | 'step' | 'value'

/** Checks nothing beforehand, as if what may be written had been taken for more than it is. */
function setUp({ namesJob = true } = {}) {
  aborted = []
  go.resolve()
  const records = new LiveRecords()
  const batches: (readonly Change[])[] = []
  const store = {
    ...memoryStore(),
    isDurable: true,
    /** Batches wait for it. */
    gate: undefined as Deferred<void> | undefined,
    async commit(changes: readonly Change[]) {
      batches.push(changes)
      await store.gate?.promise
      const writer = new BatchWriter(0, { frameBytes: 500, frameBytesMax: bytesMax })
      try {
        for (const change of changes) {
          writer.add(change)
          for (const row of change.rows ?? []) writer.addRow(row, change.after)
        }
      } catch (error) {
        throw namesJob ? error : Object.assign(error as Error, { jobId: undefined })
      }
      const replayer = new Replayer([])
      for (const frame of [...writer.full, writer.finish()]) replayer.replay(filled(frame), records)
    },
  }
  const scheduler = createScheduler<typeof jobs>(inline(jobs), {
    store,
    workers: 1,
    defaults: { value: { keepValues: 3 } },
  })
  const troubles: OffstageError[] = []
  scheduler.on('store:error', ({ error }) => troubles.push(error as OffstageError))
  onTestFinished(() => scheduler.close({ mode: 'now' }))
  const failed = async (id: string) => {
    const job = await scheduler.get(id)
    await expect(job?.result()).rejects.toMatchObject({ code: 'DATA_CLONE', jobId: namesJob ? id : undefined })
    expect(job?.snapshot()).toMatchObject({ state: 'failed', attempt: 1 })
  }
  /** Until all that it had to say is on its way to the store, behind a batch that waits; then `act`, and the store goes on. */
  async function meanwhile<Result>(kind: Kind, act: () => Promise<Result>): Promise<Result> {
    go = defer()
    const started = heard(scheduler, 'started')
    await scheduler.add[kind](5_000, { id: 'large' })
    await started
    store.gate = defer()
    const other = scheduler.add.double(0, { delayMs: 1e8 })
    await turn()
    go.resolve()
    for (let turns = 0; turns < 10; turns++) await turn()
    const acting = act()
    await turn()
    store.gate.resolve()
    const job = await other
    const result = await acting
    await job.cancel()
    await scheduler.remove(job.id)
    const isOf = ({ before }: Change) => before?.id === 'large'
    expect(batches.some((changes) => changes.length > 1 && changes.some(isOf))).toBe(true)
    return result
  }
  const stored = () => Object.fromEntries([...records.values()].map(({ id, state }) => [id, state]))
  return { scheduler, batches, troubles, failed, stored, meanwhile }
}

describe.each<Kind>(['result', 'checkpoint', 'step', 'value'])('a %s', (kind) => {
  test('as large as can be written is kept, one byte more fails its job alone', async () => {
    const { scheduler, troubles, failed, stored } = setUp()
    let [most, over] = [0, bytesMax]
    while (over - most > 1) {
      const length = (most + over) >> 1
      const [own, neighbour] = await Promise.allSettled([scheduler.run[kind](length), scheduler.run.double(length)])
      expect(neighbour).toMatchObject({ value: length * 2 })
      if (own.status === 'fulfilled') most = length
      else over = length
    }
    expect(most).toBeGreaterThan(bytesMax - 60)
    troubles.length = 0
    await scheduler.run[kind](most, { id: 'fits' })
    expect(troubles).toEqual([])
    await scheduler.add[kind](over, { id: 'large', attempts: 5 })
    await failed('large')
    expect(troubles).toMatchObject([{ code: 'DATA_CLONE', jobId: 'large' }])
    expect(stored()).toMatchObject({ fits: 'completed', large: 'failed' })
    await scheduler.onIdle()
  })

  test('that cannot be written is not tried again, and holds up no other job in its batch', async () => {
    const { scheduler, batches, failed, stored, meanwhile } = setUp()
    const other = await meanwhile(kind, () => scheduler.run.double(1, { id: 'other' }))
    expect(other).toBe(2)
    await failed('large')
    const { length } = batches
    await turn()
    expect(batches).toHaveLength(length)
    expect(stored()).toEqual({ large: 'failed', other: 'completed' })
    expect(aborted).toMatchObject(kind === 'result' || kind === 'value' ? [] : [{ code: 'DATA_CLONE' }])
  })

  test('that the store refuses without a name fails its job as soon as it is refused alone', async () => {
    const { scheduler, failed, stored } = setUp({ namesJob: false })
    await scheduler.add[kind](5_000, { id: 'large' })
    await failed('large')
    expect(stored()).toEqual({ large: 'failed' })
  })

  test('of a job that was removed meanwhile: it stays removed, and its failure is reported', async () => {
    const { scheduler, stored, meanwhile } = setUp()
    const result = new Promise((resolve) => scheduler.once('failed', ({ error }) => resolve(error)))
    expect(await meanwhile(kind, () => scheduler.remove('large'))).toBe(1)
    expect(await result).toMatchObject({ code: 'DATA_CLONE' })
    expect([await scheduler.get('large'), stored()]).toEqual([undefined, {}])
    expect(await scheduler.counts()).toMatchObject({ running: 0, failed: 0, completed: 0 })
  })

  test('of a job that was to be replaced meanwhile: that is refused, and can be done again', async () => {
    const { scheduler, failed, stored, meanwhile } = setUp()
    const replace = (input: number) => scheduler.add.double(input, { id: 'large', ifExists: 'replace' })
    // What runs cannot be replaced.
    if (kind === 'result') expect(await meanwhile(kind, () => replace(1).catch(({ code }) => code))).toBe('DATA_CLONE')
    else await scheduler.add[kind](5_000, { id: 'large' })
    await failed('large')
    expect(await (await replace(4)).result()).toBe(8)
    expect(stored()).toEqual({ large: 'completed' })
  })
})

test('the worker is notified, so that the next job runs in its place', async () => {
  const { scheduler } = setUp()
  const results = await Promise.allSettled([
    scheduler.run.checkpoint(5_000),
    scheduler.run.step(5_000),
    scheduler.run.double(1),
    scheduler.run.result(5_000),
    scheduler.run.double(2),
  ])
  expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'fulfilled', 'rejected', 'fulfilled'])
})
