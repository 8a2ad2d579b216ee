// `offstage/devtools` in a real recording of Chromium: what its Performance panel would draw.
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { createScheduler, inline } from 'offstage'
import { traceToDevTools } from 'offstage/devtools'
import { type Browser, chromium } from 'playwright'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { jobs } from '../fixtures/jobs.ts'
import { browserPath, isInstalled } from '../support/browsers.mjs'
import { builtAliases } from '../support/built.mjs'

const root = fileURLToPath(new URL('../..', import.meta.url))

if (!isInstalled('chromium')) {
  console.warn('\n!!! SKIPPED: no recording is made: chromium is not installed. As root: apt-get install -y chromium\n')
}

const page = `
  import { createScheduler } from 'offstage'
  import { traceToDevTools } from 'offstage/devtools'
  globalThis.scheduler = createScheduler(() => new Worker('/jobs.js', { type: 'module' }), { workers: 2 })
  traceToDevTools(scheduler)
  const { run } = scheduler
  globalThis.work = async () => {
    // The first two meet: so each worker has one of them. The others wait for them.
    const channel = new BroadcastChannel('met')
    let hereNow = 0
    scheduler.on('progress', () => ++hereNow === 2 && channel.postMessage('met'))
    await Promise.all([
      ...[1, 2].map((n) => run.meets(1, { id: 'meets:' + n })),
      ...[3, 4].map((n) => run.work(30, { id: 'slow:' + n })),
    ])
    channel.close()
    await run.fails(1, { id: 'bad', attempts: 2 }).catch(() => {})
    await scheduler.add.work(1e6, { id: 'endless' }).then((job) => job.cancel())
    await scheduler.close({ mode: 'now' })
  }`

const worker = `
  import { defineJobs } from 'offstage/worker'
  defineJobs({
    async meets(_, job) {
      const channel = new BroadcastChannel('met')
      const met = new Promise((resolve) => { channel.onmessage = resolve })
      job.progress(1)
      await met
      channel.close()
    },
    async *work(ms) {
      const until = performance.now() + ms
      while (performance.now() < until) yield
    },
    fails() { throw new RangeError('no') },
  })`

interface Entry {
  readonly name: string
  readonly start: number
  readonly end: number
  readonly track: string
  readonly trackGroup: string
  readonly color: string
}

describe.skipIf(!isInstalled('chromium'))('in Chromium', () => {
  let browser: Browser
  let server: Server
  beforeAll(async () => {
    const bundle = async (contents: string) => {
      const stdin = { contents, resolveDir: root }
      const { outputFiles } = await build({
        stdin,
        bundle: true,
        format: 'esm',
        platform: 'neutral',
        mainFields: ['module', 'main'],
        alias: builtAliases,
        external: ['node:*'],
        write: false,
        logLevel: 'error',
      })
      return outputFiles[0]?.text
    }
    const [main, jobs] = await Promise.all([bundle(page), bundle(worker)])
    server = createServer(({ url }, response) => {
      response.setHeader('Content-Type', url?.endsWith('.js') ? 'text/javascript' : 'text/html')
      response.end(
        url === '/main.js' ? main : url === '/jobs.js' ? jobs : '<script type="module" src="/main.js"></script>',
      )
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    browser = await chromium.launch({
      executablePath: browserPath('chromium'),
      chromiumSandbox: false,
      args: ['--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'],
    })
  }, 60_000)
  afterAll(async () => {
    await browser?.close()
    server?.close()
  })

  test('a recording has a track for each worker and each queue, and failures in red', { timeout: 60_000 }, async () => {
    const tab = await browser.newPage()
    await tab.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
    await tab.waitForFunction('globalThis.work')
    const client = await tab.context().newCDPSession(tab)
    const recorded: Entry[] = []
    client.on('Tracing.dataCollected', ({ value }) => {
      for (const { name, args } of value as unknown as { name: string; args: { data?: Entry } }[])
        if (name === 'TimeStamp' && args.data) recorded.push(args.data)
    })
    const complete = new Promise((resolve) => client.once('Tracing.tracingComplete', resolve))
    // As the Performance panel does it.
    await client.send('Tracing.start', {
      transferMode: 'ReportEvents',
      traceConfig: { includedCategories: ['-*', 'devtools.timeline', 'disabled-by-default-devtools.timeline'] },
    })
    await tab.evaluate('work()')
    await client.send('Tracing.end')
    await complete
    await tab.close()

    const on = (track: RegExp) => recorded.filter((entry) => track.test(entry.track))
    expect(new Set(recorded.map(({ trackGroup }) => trackGroup))).toEqual(new Set(['offstage']))
    const attempts = on(/^worker \d+$/)
    expect(attempts.map(({ name, color }) => `${color}: ${name}`)).toEqual([
      expect.stringMatching(/^primary: meets meets:[12]$/),
      expect.stringMatching(/^primary: meets meets:[12]$/),
      expect.stringMatching(/^primary: work slow:[34]$/),
      expect.stringMatching(/^primary: work slow:[34]$/),
      'error: fails bad: RangeError',
      'error: fails bad (attempt 2): RangeError',
      'secondary: work endless: JOB_CANCELLED',
    ])
    const [meets, slow] = ['meets', 'slow'].map((word) => attempts.filter(({ name }) => name.includes(word)))
    for (const { start, end } of slow ?? []) expect(Number(end) - Number(start)).toBeGreaterThan(0)
    expect(new Set(meets?.map(({ track }) => track)).size).toBe(2)
    const waits = on(/^queue default$/).map(({ name }) => name)
    expect(waits).toEqual(expect.arrayContaining(['work slow:3', 'work slow:4']))
  })
})

describe('anywhere else', () => {
  /** In a test there is none. */
  function replaceTimeStamp(timeStamp: unknown): void {
    const { timeStamp: before } = console
    Object.assign(console, { timeStamp })
    onTestFinished(() => void Object.assign(console, { timeStamp: before }))
  }
  function drawn(): () => unknown[] {
    const timeStamp = vi.fn()
    replaceTimeStamp(timeStamp)
    return () => timeStamp.mock.calls.map(([label]) => label)
  }
  const start = () => {
    const scheduler = createScheduler<typeof jobs>(inline(jobs))
    onTestFinished(() => scheduler.close({ mode: 'now' }))
    return scheduler
  }

  test('a second call is no second trace; nothing is drawn once it is stopped', async () => {
    const calls = drawn()
    const scheduler = start()
    const stop = traceToDevTools(scheduler, { waits: false })
    expect(traceToDevTools(scheduler)).toBe(stop)
    await scheduler.run.double(1, { id: 'one' })
    expect(calls()).toEqual(['double one'])
    stop()
    await scheduler.run.double(2)
    expect(calls()).toHaveLength(1)
    traceToDevTools(scheduler, { waits: false })
    await scheduler.run.double(2, { id: 'two' })
    expect(calls()).toEqual(['double one', 'double two'])
  })

  test('what runs when it is stopped is drawn as far as it has come', async () => {
    const calls = drawn()
    const scheduler = start()
    const stop = traceToDevTools(scheduler, { waits: false })
    const started = new Promise((resolve) => scheduler.once('started', resolve))
    const job = await scheduler.add.hang(undefined, { id: 'endless' })
    await started
    stop()
    expect(calls()).toEqual(['hang endless'])
    await job.cancel()
    expect(calls()).toHaveLength(1)
  })

  test('a browser that does not know it is left alone', async () => {
    replaceTimeStamp(undefined)
    const scheduler = start()
    traceToDevTools(scheduler)
    expect(await scheduler.run.double(2)).toBe(4)
  })

  test.each([[{ group: '' }], [{ waits: 1 }], [{ colour: 'red' }]])('%j is refused at the door', (options) => {
    expect(() => traceToDevTools(start(), options as never)).toThrow(/group|waits|colour/)
    expect(() => traceToDevTools({} as never)).toThrow('createScheduler')
  })
})
