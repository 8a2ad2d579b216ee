// A scheduler as a guest of a Node process: it keeps it alive while there is work and not a moment longer, and leaves
// nothing behind. Each program here runs in a process of its own, and has to end by itself.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { Worker as NodeWorker } from 'node:worker_threads'
import { createScheduler } from 'offstage'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { jobs } from '../fixtures/jobs.ts'
import { root } from '../support/process.mjs'
import { programs } from '../support/programs.ts'
import { start } from '../support/testing.ts'
import { builtWorker, jobsWorker } from '../support/workers.ts'

const preamble = `
import { createScheduler, inline } from 'offstage'
import { jobs as inlineJobs } from '${root}test/fixtures/jobs.ts'
const worker = (name) => () => new Worker(new URL(name + '.mjs', '${new URL('.', builtWorker('jobs'))}'), { type: 'module' })
const start = (options, name = 'jobs') => createScheduler(worker(name), options)
`
const { build } = programs(preamble)

/** Far beyond what any of these programs needs, far below the 30 s after which an idle thread would end anyway. */
const limitMs = 15_000

/** What a program printed, how it ended, and when. */
async function run(program: string): Promise<{ output: string; code: number | null; signal: string | null }> {
  const file = await build(program)
  const child = spawn(process.execPath, [file], { timeout: limitMs, killSignal: 'SIGKILL' })
  const [output, errors, [code, signal]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit'),
  ])
  return { output: output.trim() + errors.trim(), code, signal }
}

const endsWith = (output: string) => ({ output, code: 0, signal: null })

describe('a process ends by itself', () => {
  test.each([
    ['with a scheduler that did nothing', `start()`, ''],
    ['when its jobs are done, with threads that stay', `console.log(await start().run.double(21))`, '42'],
    ['with `workers: 2`, which stay for ever', `console.log(await start({ workers: 2 }).run.double(21))`, '42'],
    ['when its inline jobs are done', `console.log(await createScheduler(inline(inlineJobs)).run.double(21))`, '42'],
    [
      'with listeners and streams open',
      `const s = start(); s.on('completed', (e) => console.log(e.result)); s.events(); s.add.double(21)`,
      '42',
    ],
    [
      'when what waits for a rate limit is paused',
      `const s = start({ queues: { slow: { rateLimit: { limit: 1, intervalMs: 3_600_000 } } } })
       for (const n of [1, 2]) s.run.double(n, { queue: 'slow' }).then((x) => { console.log(x); setImmediate(() => s.queue('slow').pause()) })`,
      '2',
    ],
    [
      'when all that is left is paused',
      `const s = start(); s.pause(); await s.add.double(1); console.log('paused')`,
      'paused',
    ],
    [
      'when a job failed and nobody asked',
      `const s = start(); await s.add.fail('no'); await s.onIdle(); console.log('idle')`,
      'idle',
    ],
    [
      'when a job was cancelled that does not listen',
      `const s = start({ graceMs: 50 }, 'unruly')
       s.on('progress', ({ jobId }) => s.cancel(jobId))
       await s.run.deafLoop().catch((error) => console.log(error.code))`,
      'JOB_CANCELLED',
    ],
    [
      'with finished jobs that are kept for a while',
      `const s = start({ keep: { completed: { ageMs: 60_000 } } }); await s.run.noop(); console.log('done')`,
      'done',
    ],
    [
      'with a job that may expire, but waits for a resume',
      `const s = start(); s.pause(); await s.add.noop(undefined, { expiresInMs: 60_000 }); console.log('waits')`,
      'waits',
    ],
    ['after close', `const s = start(); await s.run.noop(); await s.close(); console.log('closed')`, 'closed'],
  ])('%s', async (_name, program, output) => {
    expect(await run(program)).toEqual(endsWith(output))
  })
})

describe('a process is kept alive', () => {
  test.each([
    ['by a job that runs', `start().add.later(200, { onCompleted: console.log })`, 'later'],
    [
      'by jobs that wait for a thread',
      `const s = start({ workers: 1 }); for (const n of [1, 2]) s.add.later(100, { onCompleted: () => console.log(n) })`,
      '1\n2',
    ],
    ['by a job planned for later', `start().add.double(21, { delayMs: 200, onCompleted: console.log })`, '42'],
    [
      'by a job that waits for its next attempt',
      `start().add.failUntil(2, { attempts: 2, backoff: { type: 'fixed', delayMs: 200 }, onCompleted: console.log })`,
      '2',
    ],
    [
      'by jobs that wait for a rate limit',
      `const s = start({ queues: { default: { rateLimit: { limit: 1, intervalMs: 200 } } } }); for (const n of [1, 2]) s.add.double(n, { onCompleted: console.log })`,
      '2\n4',
    ],
    ['by an inline job', `createScheduler(inline(inlineJobs)).add.later(200, { onCompleted: console.log })`, 'later'],
    [
      'by a worker that does not load, until that is reported',
      `const s = start({ startTimeoutMs: 300 }, 'missing'); s.on('worker:exit', () => {}); s.add.noop(undefined, { onFailed: (error) => console.log(error.code) })`,
      'WORKER_LOAD_FAILED',
    ],
    ['by a job whose thread died', `start({}, 'unruly').add.crashUntil(2, { onCompleted: console.log })`, '2'],
  ])('%s', async (_name, program, output) => {
    expect(await run(program)).toEqual(endsWith(output))
  })
})

describe('what jobs print is there', () => {
  const lines = Array.from({ length: 300 }, (_, line) => line + 1).join('\n')
  test.each([
    ['after close', `const s = start({}, 'thread'); await s.run.print(300); await s.close()`],
    [
      'after close, when the job still runs',
      `const s = start({}, 'thread'); s.once('progress', () => s.close({ mode: 'now' })); await s.add.printAndStay(300)`,
    ],
    ['when the process ends by itself', `await start({ workers: 2 }, 'thread').run.print(300)`],
    [
      'when the process is ended right after close',
      `const s = start({}, 'thread'); await s.run.print(300); await s.close(); process.exit()`,
    ],
    [
      'after a thread has idled for too long',
      `const s = start({ workers: { min: 0, max: 1, idleMs: 20 } }, 'thread'); const hold = setInterval(() => {}, 9_000); const exit = new Promise((r) => s.once('worker:exit', r)); await s.run.print(300); await exit; clearInterval(hold); await s.close()`,
    ],
  ])('%s', async (_name, program) => {
    expect(await run(program)).toEqual(endsWith(lines))
  })
})

describe('nothing is left behind', () => {
  test.each([
    ['threads', `start({ workers: 2 })`],
    ['inline', `createScheduler(inline(inlineJobs))`],
  ])('after close no thread, port or timer is: %s', async (_name, scheduler) => {
    const program = `
      const output = [process.stdout, process.stderr] // Threads write to them, so they would be made when one starts.
      const before = process.getActiveResourcesInfo()
      const scheduler = ${scheduler}
      await Promise.all([1, 2, 3, 4].map(() => scheduler.run.later(20)))
      await scheduler.add.noop(undefined, { delayMs: 60_000, expiresInMs: 90_000, timeoutMs: 60_000 })
      await scheduler.close()
      const after = process.getActiveResourcesInfo()
      for (const kind of before) if (after.includes(kind)) after.splice(after.indexOf(kind), 1)
      console.log(JSON.stringify(after), process.eventNames().filter((name) => /uncaught|unhandled/.test(name)).length)`
    expect(await run(program)).toEqual(endsWith('[] 0'))
  })

  test('importing the worker module on the main thread does nothing', async () => {
    const program = `
      const before = [JSON.stringify(process.getActiveResourcesInfo()), Object.keys(globalThis).length, process.eventNames().length]
      const { jobs } = await import('${builtWorker('jobs')}')
      const after = [JSON.stringify(process.getActiveResourcesInfo()), Object.keys(globalThis).length, process.eventNames().length]
      console.log(before.join() === after.join(), jobs.double(21))`
    expect(await run(program)).toEqual(endsWith('true 42'))
  })

  test("importing it in somebody else's thread does not keep that thread alive", async () => {
    const thread = new NodeWorker(`import('${builtWorker('jobs')}')`, { eval: true })
    expect(await once(thread, 'exit')).toEqual([0])
  })
})

describe('the first argument', () => {
  test.each([
    ['a URL', () => builtWorker('jobs')],
    ['a URL as a string', () => builtWorker('jobs').href],
    ['a path', () => fileURLToPath(builtWorker('jobs'))],
    ['a factory', () => jobsWorker()],
    ['a factory that takes its time', () => async () => jobsWorker()()],
    ['a factory that makes a worker of worker_threads', () => () => new NodeWorker(builtWorker('jobs'))],
  ])('may be %s', async (_name, source) => {
    const scheduler = createScheduler<typeof jobs>(source())
    onTestFinished(() => scheduler.close())
    expect(await scheduler.run.double(21)).toBe(42)
  })

  test('a global `Worker` is there only while the factory runs', async () => {
    expect('Worker' in globalThis).toBe(false)
    let seen: unknown
    const scheduler = createScheduler<typeof jobs>(() => {
      seen = globalThis.Worker
      return new Worker(builtWorker('jobs'), { type: 'module' })
    })
    onTestFinished(() => scheduler.close())
    expect(await scheduler.run.double(21)).toBe(42)
    expect(typeof seen).toBe('function')
    expect('Worker' in globalThis).toBe(false)
  })

  test('also when the factory throws', async () => {
    const refuse = () => {
      throw new Error('no worker today')
    }
    const scheduler = createScheduler<typeof jobs>(refuse, { startTimeoutMs: 300 })
    onTestFinished(() => scheduler.close())
    await expect(scheduler.run.double(1)).rejects.toMatchObject({ code: 'WORKER_LOAD_FAILED' })
    expect('Worker' in globalThis).toBe(false)
  })
})

test('workerOptions reach the threads', async () => {
  const scheduler = start('threads', 'unruly', { workerOptions: { env: { OFFSTAGE_TEST: 'yes' } } })
  expect(await scheduler.run.environment('OFFSTAGE_TEST')).toBe('yes')
})

test('a million jobs wait, and the most urgent is next', { timeout: 120_000 }, async () => {
  const scheduler = start('threads', 'jobs')
  const started: string[] = []
  scheduler.on('started', ({ jobId }) => {
    if (started.push(jobId) === 3) scheduler.pause()
  })
  scheduler.pause()
  const count = 1_000_000
  for (let added = 0; added < count; added += 50_000) {
    const batch = Array.from({ length: 50_000 }, (_, n) => ({ name: 'noop', options: { priority: n % 100 } }) as const)
    await scheduler.addMany(batch)
  }
  await scheduler.add.double(1, { id: 'third', priority: 200 })
  await scheduler.add.double(1, { id: 'first', priority: 1_000 })
  const second = await scheduler.add.double(1, { id: 'second' })
  expect(await scheduler.counts()).toMatchObject({ queued: count + 3 })
  await second.setPriority(500)
  scheduler.resume()
  expect(await second.result()).toBe(2)
  expect(started.slice(0, 2)).toEqual(['first', 'second'])
})
