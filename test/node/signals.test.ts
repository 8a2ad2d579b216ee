// `handleSignals`: a process that is told to end lets what runs finish, interrupts what takes too long, and then ends as the signal
// would have it. Each program here is a process of its own.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileStore } from 'offstage/file'
import { expect, onTestFinished, test } from 'vitest'
import { manualClock } from '../../src/shared/manual-clock.ts'
import { seededRandom } from '../../src/shared/seeded-random.ts'
import { root } from '../support/process.mjs'
import { programs } from '../support/programs.ts'
import { builtWorker } from '../support/workers.ts'

/** `SIGUSR2` lets the jobs `wait` finish. */
const preamble = `
import { createScheduler, inline } from 'offstage'
import { fileStore } from 'offstage/file'
import { defineJobs } from 'offstage/worker'
const worker = () => new Worker(new URL('jobs.mjs', '${new URL('.', builtWorker('jobs'))}'), { type: 'module' })
const gate = new Promise((resolve) => process.on('SIGUSR2', resolve))
const here = inline(defineJobs({ async wait(_, job) { job.progress('begun'); await gate }, noop() {} }))
const start = (graceMs, source = here, options = {}) => createScheduler(source, { workers: 1, handleSignals: { graceMs }, ...options })
const begun = (scheduler) => new Promise((resolve) => scheduler.once('progress', resolve))
const whenClosing = async (scheduler) => {
  while (await scheduler.add.noop(undefined, { id: 'noop' }).then(() => true, () => false)) await new Promise(setImmediate)
  console.log('closing')
}
setInterval(() => {}, 1e6)
`
const { folder, build } = programs(preamble)

/** What the programs run on, with its arguments: Node, or `OFFSTAGE_TEST_PROGRAMS='bun'`, `='deno run --allow-all'`. */
const [runtime = process.execPath, ...flags] = process.env.OFFSTAGE_TEST_PROGRAMS?.split(' ') ?? []

/** A program that runs, and the lines that it prints. */
class Program {
  readonly child: ChildProcess
  readonly lines: string[] = []
  readonly #ended: Promise<unknown[]>
  #onLine = () => {}

  constructor(file: string) {
    this.child = spawn(runtime, [...flags, file], { stdio: ['ignore', 'pipe', 'inherit'] })
    this.#ended = once(this.child, 'close')
    createInterface({ input: this.child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
      this.lines.push(line)
      this.#onLine()
    })
    onTestFinished(() => void this.child.kill('SIGKILL'))
  }

  async says(line: string): Promise<void> {
    while (!this.lines.includes(line)) {
      const more = new Promise<void>((resolve) => {
        this.#onLine = resolve
      })
      const ended = this.#ended.then(() => {
        throw new Error(`it ended, and said ${this.lines.join(', ')}`)
      })
      await Promise.race([more, ended])
    }
  }

  async end(): Promise<{ code: unknown; signal: unknown }> {
    const [code, signal] = await this.#ended
    return { code, signal }
  }
}

async function run(program: string): Promise<Program> {
  return new Program(await build(program))
}

/** What the store has when the process is gone: states, and starts that ended with their process. */
async function stored(path: string): Promise<Record<string, unknown>> {
  const store = fileStore(path)
  const host = { clock: manualClock(), random: seededRandom(1), errors: [], report() {}, stopped() {} }
  const { records } = await store.open(host)
  await store.close()
  return Object.fromEntries(records.map(({ id, state, crashes }) => [id, [state, crashes]]))
}

test.each(['SIGTERM', 'SIGINT'] as const)(
  '%s: what runs finishes, what waits stays stored, and the process ends by the signal',
  async (signal) => {
    const path = join(folder, `warm-${signal}`)
    const program = await run(`
      const scheduler = start(600_000, here, { store: fileStore('${path}') })
      scheduler.on('completed', ({ jobId }) => console.log(jobId + ' completed'))
      void scheduler.add.wait(undefined, { id: 'runs' })
      await begun(scheduler)
      console.log('begun')
      await whenClosing(scheduler)
    `)
    await program.says('begun')
    program.child.kill(signal)
    await program.says('closing')
    program.child.kill('SIGUSR2')
    expect(await program.end()).toEqual({ code: null, signal })
    expect(program.lines).toEqual(['begun', 'closing', 'runs completed'])
    expect(await stored(path)).toEqual({ runs: ['completed', 0], noop: ['queued', 0] })
  },
)

test('what runs longer than the grace time is interrupted, and nothing is counted against it', async () => {
  const path = join(folder, 'late')
  const program = await run(`
    const scheduler = start(20, worker, { store: fileStore('${path}') })
    await scheduler.add.beginAndHang(undefined, { id: 'hangs' })
    await begun(scheduler)
    console.log('begun')
  `)
  await program.says('begun')
  program.child.kill('SIGTERM')
  expect(await program.end()).toEqual({ code: null, signal: 'SIGTERM' })
  expect(await stored(path)).toEqual({ hangs: ['queued', 0] })
})

test('the second signal interrupts at once', async () => {
  const path = join(folder, 'cold')
  const program = await run(`
    const scheduler = start(600_000, worker, { store: fileStore('${path}') })
    await scheduler.add.beginAndHang(undefined, { id: 'hangs' })
    await begun(scheduler)
    console.log('begun')
    await whenClosing(scheduler)
  `)
  await program.says('begun')
  program.child.kill('SIGTERM')
  await program.says('closing')
  program.child.kill('SIGINT')
  expect(await program.end()).toEqual({ code: null, signal: 'SIGTERM' })
  expect(await stored(path)).toMatchObject({ hangs: ['queued', 0] })
})

test('a drain that is under way gets the grace time, too', async () => {
  const program = await run(`
    const scheduler = start(20, worker)
    await scheduler.add.beginAndHang()
    await begun(scheduler)
    void scheduler.close({ mode: 'drain' })
    console.log('draining')
  `)
  await program.says('draining')
  program.child.kill('SIGTERM')
  expect(await program.end()).toEqual({ code: null, signal: 'SIGTERM' })
})

test.each(['on', 'once'])(
  'listeners of the application (%s) are called once, and decide when the process ends',
  async (on) => {
    const program = await run(`
    const scheduler = start(600_000)
    process.${on}('SIGTERM', async () => {
      console.log('heard')
      await scheduler.close()
      console.log('closed')
      process.once('SIGHUP', () => process.exit(7))
      console.log('may end')
    })
    void scheduler.run.wait().then(() => console.log('finished'))
    await begun(scheduler)
    console.log('begun')
  `)
    await program.says('begun')
    program.child.kill('SIGTERM')
    await program.says('heard')
    program.child.kill('SIGUSR2')
    await program.says('may end')
    program.child.kill('SIGHUP')
    expect(await program.end()).toEqual({ code: 7, signal: null })
    expect(program.lines).toEqual(['begun', 'heard', 'finished', 'closed', 'may end'])
  },
)

test('of several schedulers the last one to close lets the process end', async () => {
  const program = await run(`
    const [idle, busy] = [start(600_000), start(600_000)]
    void busy.run.wait().then(() => console.log('finished'))
    await begun(busy)
    console.log('begun')
    await whenClosing(idle)
  `)
  await program.says('begun')
  program.child.kill('SIGTERM')
  await program.says('closing')
  program.child.kill('SIGUSR2')
  expect(await program.end()).toEqual({ code: null, signal: 'SIGTERM' })
  expect(program.lines).toEqual(['begun', 'closing', 'finished'])
})

test('the process ends by the signal although the store takes nothing any more', async () => {
  const program = await run(`
    import { memoryStore } from '${join(root, 'src/store/memory-store.ts')}'
    const commit = async () => { throw new Error('no room') }
    const scheduler = start(20, here, { store: { ...memoryStore(), isDurable: true, open: () => ({ records: [], rows: [] }), commit } })
    scheduler.on('store:error', () => {})
    scheduler.queue('default').setConcurrency(2).catch(() => console.log('refused'))
  `)
  await program.says('refused')
  program.child.kill('SIGTERM')
  expect(await program.end()).toEqual({ code: null, signal: 'SIGTERM' })
})

test('a scheduler that is closed leaves signals alone', async () => {
  const program = await run(`
    const count = () => process.listenerCount('SIGTERM') + process.listenerCount('SIGINT')
    const scheduler = start(600_000)
    console.log(count())
    await scheduler.close()
    console.log(count())
  `)
  await program.says('0')
  program.child.kill('SIGTERM')
  expect(await program.end()).toEqual({ code: null, signal: 'SIGTERM' })
  expect(program.lines).toEqual(['2', '0'])
})
