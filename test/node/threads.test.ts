// Threads as Node has them: those that a scheduler starts, and those that are none of its business.
import { once } from 'node:events'
import { Worker as NodeWorker } from 'node:worker_threads'
import { createScheduler, type Scheduler } from 'offstage'
import type { JobTable } from 'offstage/worker'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import type { jobs as late } from '../fixtures/late.ts'
import type { jobs as failing } from '../fixtures/late-failing.ts'
import type { jobs as thread } from '../fixtures/thread.ts'
import { workerOf } from '../support/broken-workers.ts'
import { turn } from '../support/testing.ts'
import { builtWorker } from '../support/workers.ts'

function start<Table extends JobTable>(
  ...[source, options]: Parameters<typeof createScheduler<Table>>
): Scheduler<Table> {
  const scheduler = createScheduler<Table>(source, { workers: 1, ...options } as never)
  onTestFinished(() => scheduler.close({ mode: 'now' }))
  return scheduler
}

describe("a thread of the application's own that imports a module of jobs", () => {
  test('hears what it was sent before it listened, and lives as long as it listens', async () => {
    const own = new NodeWorker(
      `const { parentPort } = require('node:worker_threads')
       import('${builtWorker('jobs')}').then(() => setImmediate(() => {
         const before = parentPort.listenerCount('message')
         parentPort.once('message', (early) => parentPort.postMessage([before, early]))
       }))`,
      { eval: true },
    )
    onTestFinished(() => void own.terminate())
    own.postMessage('early')
    expect(await once(own, 'message')).toEqual([[0, 'early']])
    expect(await once(own, 'exit')).toEqual([0])
  })

  test('ends by itself, also when a job has made it', async () => {
    expect(await start<typeof thread>(builtWorker('thread')).run.nest(`import('${builtWorker('jobs')}')`)).toBe(0)
  })
})

test('a factory may take its time before it makes a thread of `worker_threads`', async () => {
  const scheduler = start<typeof thread>(async () => {
    await turn()
    return new NodeWorker(builtWorker('thread')) as never
  })
  expect(await scheduler.run.made()).toMatchObject({ argv: [] })
})

describe('options that the factory gives to its worker', () => {
  const made = {
    workerData: { of: 'the user' },
    resourceLimits: { maxYoungGenerationSizeMb: 7 },
    env: { OFFSTAGE_TEST_NAME: 'factory' },
    argv: ['argument'],
  }
  const expected = {
    workerData: made.workerData,
    resourceLimits: { maxYoungGenerationSizeMb: 7 },
    name: 'factory',
    argv: ['argument'],
  }

  test.each([
    ['the global one', () => new Worker(builtWorker('thread'), { type: 'module', ...made } as WorkerOptions)],
    ["Node's", () => new NodeWorker(builtWorker('thread'), made) as never],
  ])('arrive: %s', async (_name, factory) => {
    expect(await start<typeof thread>(factory).run.made()).toMatchObject(expected)
  })

  test('win over `workerOptions`, which give the rest', async () => {
    const scheduler = start<typeof thread>(
      () => new Worker(builtWorker('thread'), { env: { OFFSTAGE_TEST_NAME: 'factory' } } as WorkerOptions),
      { workerOptions: { env: { OFFSTAGE_TEST_NAME: 'scheduler' }, resourceLimits: { maxYoungGenerationSizeMb: 7 } } },
    )
    expect(await scheduler.run.made()).toMatchObject({
      name: 'factory',
      resourceLimits: { maxYoungGenerationSizeMb: 7 },
    })
  })

  test('`workerData` is nothing of ours where the user gives none', async () => {
    expect((await start<typeof thread>(builtWorker('thread')).run.made()).workerData ?? undefined).toBeUndefined()
  })
})

/** How long starts may fail until who waits hears of it. */
const startTimeoutMs = 500

describe('top-level await behind `defineJobs`', () => {
  test('jobs start when the module is through', async () => {
    const channel = new BroadcastChannel('offstage: late')
    onTestFinished(() => channel.close())
    channel.onmessage = () => channel.postMessage('go on')
    expect(await start<typeof late>(builtWorker('late')).run.state()).toBe('through')
  })

  test('a module that fails there is not loaded, and no job is blamed', async () => {
    const scheduler = start<typeof failing>(builtWorker('late-failing'), { startTimeoutMs })
    await expect(scheduler.run.double(1)).rejects.toMatchObject({
      code: 'WORKER_LOAD_FAILED',
      message: expect.stringContaining('no database'),
    })
  })
})

const raise = (message: string): never => {
  throw new Error(message)
}

describe('a start that fails', () => {
  test('leaves no thread behind', async () => {
    const threads: NodeWorker[] = []
    const scheduler = start(
      () => {
        const worker = new NodeWorker('setInterval(() => {}, 60_000)', { eval: true })
        worker.postMessage = () => {
          throw new Error('no message today')
        }
        threads.push(worker)
        return worker as never
      },
      { startTimeoutMs },
    )
    const exits: Promise<unknown>[] = []
    await expect((scheduler.run as never as { noop(): Promise<void> }).noop()).rejects.toThrow('no message today')
    for (const thread of threads) exits.push(thread.threadId === -1 ? Promise.resolve() : once(thread, 'exit'))
    await Promise.all(exits)
    expect(threads.length).toBeGreaterThan(0)
  })

  test('says what is the matter, and guesses nothing, where the platform tells', async () => {
    const scheduler = start(new URL('./there-is-no-such-file.mjs', import.meta.url), { startTimeoutMs })
    const error = await (scheduler.run as never as { noop(): Promise<Error> }).noop().catch((reason) => reason)
    expect(error).toMatchObject({ code: 'WORKER_LOAD_FAILED' })
    expect(error.message).toContain('there-is-no-such-file.mjs')
    expect(error.message).not.toMatch(/404|Content-Security-Policy/)
  })

  test.each([
    ['throws', () => raise('no worker today!'), 'no worker could be started: no worker today!'],
    ['returns no worker', () => 3, 'no worker could be started: Expected the function to return a worker, got 3.'],
  ])('is not blamed on the platform if the function %s', async (_what, make, reason) => {
    const scheduler = start(make as never, { startTimeoutMs })
    const error = await (scheduler.run as never as { noop(): Promise<Error> }).noop().catch((reason) => reason)
    expect(error).toMatchObject({ code: 'WORKER_LOAD_FAILED' })
    expect(`${error.message} `).toContain(`: ${reason} `)
  })

  test('a worker that does not call `defineJobs` is warned of, once, long before its start times out', async () => {
    const warned = new Promise<string>((resolve) => vi.spyOn(console, 'warn').mockImplementation(resolve))
    onTestFinished(() => void vi.restoreAllMocks())
    const scheduler = start(workerOf('setInterval(() => {}, 60_000)'), { workers: 2 })
    ;(scheduler.run as never as { noop(): Promise<void> }).noop().catch(() => {})
    expect(await warned).toContain('defineJobs')
    expect(console.warn).toHaveBeenCalledTimes(1)
  })
})
