// `offstage/vite` in a small application, with a dev server whose cache is cold, driven in a real browser.
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Browser, chromium, type Page } from 'playwright'
import type { Plugin } from 'vite'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { browserPath, isInstalled } from '../support/browsers.mjs'

if (!isInstalled('chromium')) {
  console.warn(
    '\n!!! SKIPPED: the plugin for Vite is not tested: chromium is not installed. As root: apt-get install -y chromium\n',
  )
}

// `npm run test:apps` installs other versions of Vite there.
const other = process.env.OFFSTAGE_FRAMEWORKS
const found = other ? join(other, 'node_modules/vite/dist/node/index.js') : 'vite'
const { build, createLogger, createServer }: typeof import('vite') = await import(found)

const root = fileURLToPath(new URL('../..', import.meta.url))
const startMs = 60_000

/** A package in CommonJS. */
const packageOf = (name: string, code: string) => ({
  [`node_modules/${name}/package.json`]: JSON.stringify({ name, version: '1.0.0', main: 'index.js' }),
  [`node_modules/${name}/index.js`]: code,
})

const files = {
  'index.html': `<!doctype html><title>App</title><script type="module" src="./main.ts"></script>`,
  'main.ts': `
    import 'in-page'
    import { scheduler } from './scheduler.ts'
    sessionStorage.loads = Number(sessionStorage.loads ?? 0) + 1
    globalThis.app = { scheduler, loads: Number(sessionStorage.loads), first: scheduler.run.greet('Ada') }
    import.meta.hot?.accept('./scheduler.ts', (next) => { app.scheduler = next.scheduler })`,
  'scheduler.ts': `
    import { createScheduler } from 'offstage'
    import type { jobs } from './jobs.ts'
    export const make = () => createScheduler<typeof jobs>(
      () => new Worker(new URL('./jobs.ts', import.meta.url), { type: 'module' }), { workers: 1 })
    export const scheduler = make()`,
  'jobs.ts': `
    import { defineJobs } from 'offstage/worker'
    import { punctuated } from 'only-in-workers'
    import { greeting } from './greeting.ts'
    export const jobs = defineJobs({
      greet: (name: string) => punctuated(greeting + ', ' + name),
      untilNextEdit: () => new Promise((resolve) => greeting === 'Hello' || resolve(greeting)),
    })`,
  'greeting.ts': `export const greeting = 'Hello'`,
  // What a worker imports shares code with what the page imports: found later, it changes what the page has loaded.
  ...packageOf('in-page', `require('shared')`),
  ...packageOf('only-in-workers', `exports.punctuated = (text) => text + require('shared').mark`),
  ...packageOf('shared', `exports.mark = '!'`),
}

declare global {
  /** What `main.ts` leaves for the tests. */
  var app: {
    scheduler: {
      run: { greet(name: string): Promise<string>; untilNextEdit(): Promise<string> }
      once(type: string, listener: () => void): void
    }
    first: Promise<string>
    loads: number
  }
}

describe.skipIf(!isInstalled('chromium'))('offstage/vite', { timeout: 2 * startMs }, () => {
  let offstage: () => Plugin
  let browser: Browser

  beforeAll(async () => {
    if (!existsSync(join(root, 'dist/vite.js'))) throw new Error('This runs on the build: `npm run build` first.')
    offstage = (await import(join(root, 'dist/vite.js'))).default
    browser = await chromium.launch({
      executablePath: browserPath('chromium'),
      chromiumSandbox: false,
      args: ['--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'],
    })
  }, startMs)

  afterAll(() => browser?.close())

  function application(): string {
    const folder = mkdtempSync(join(tmpdir(), 'offstage-vite-'))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    const installed = join(folder, 'node_modules/offstage')
    for (const name of ['package.json', 'dist']) cpSync(join(root, name), join(installed, name), { recursive: true })
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, name)), { recursive: true })
      writeFileSync(join(folder, name), text)
    }
    return folder
  }

  async function open(plugins: Plugin[] = [offstage()]) {
    const folder = application()
    const logged: string[] = []
    const customLogger = { ...createLogger('silent'), info: (text: string) => void logged.push(text) }
    const server = await createServer({
      root: folder,
      configFile: false,
      plugins,
      customLogger,
      server: { host: '127.0.0.1', port: 0 },
    })
    onTestFinished(() => server.close())
    await server.listen()
    const page = await browser.newPage()
    onTestFinished(() => page.close())
    await page.goto(server.resolvedUrls?.local[0] as string)
    const edit = (name: keyof typeof files, from: string, to: string) =>
      writeFileSync(join(folder, name), (files[name] as string).replace(from, to))
    return { page, edit, logged, server }
  }

  const greet = (page: Page) => page.evaluate(() => app.scheduler.run.greet('Ada'))
  const loads = (page: Page) => page.evaluate(() => app.loads)

  test('the first job after a cold start is not cut off by a reload', async () => {
    const { page, logged } = await open()
    expect(await page.evaluate(() => app.first)).toBe('Hello, Ada!')
    expect(await loads(page)).toBe(1)
    expect(logged.filter((line) => /reload|new dependencies/.test(line))).toEqual([])
  })

  test.each([
    ['jobs.ts', "+ ', ' +", "+ ' and hello, ' +", 'Hello and hello, Ada!'],
    ['greeting.ts', 'Hello', 'Good day', 'Good day, Ada!'],
  ] as const)('an edit of %s gives the page new workers', async (name, from, to, greeted) => {
    const { page, edit } = await open()
    expect(await page.evaluate(() => app.first)).toBe('Hello, Ada!')
    edit(name, from, to)
    await vi.waitFor(async () => expect(await greet(page)).toBe(greeted), startMs)
    expect([await loads(page), page.workers().length]).toEqual([1, 1])
  })

  test('a job that runs is run again by the new code', async () => {
    const { page, edit } = await open()
    await page.evaluate(() => app.first)
    const started = page.evaluate(() => new Promise<void>((resolve) => app.scheduler.once('started', resolve)))
    const result = page.evaluate(() => app.scheduler.run.untilNextEdit())
    await started
    edit('greeting.ts', 'Hello', 'Good day')
    expect(await result).toBe('Good day')
  })

  test('a module that made a scheduler closes it when it is replaced', async () => {
    const { page, edit } = await open()
    await page.evaluate(() => app.first)
    for (const count of [1, 2, 3]) {
      const before = await page.evaluateHandle(() => app.scheduler)
      edit('scheduler.ts', 'workers: 1', `workers: 1, maxQueued: ${count}`)
      await vi.waitFor(
        async () => expect(await page.evaluate((old) => old !== app.scheduler, before)).toBe(true),
        startMs,
      )
      expect(await greet(page)).toBe('Hello, Ada!')
      await expect(page.evaluate((old) => old.run.greet('Ada'), before)).rejects.toThrow('closed')
    }
    expect([await loads(page), page.workers().length]).toEqual([1, 1])
  })

  test('what is built contains nothing of it, and a worker is an ES module', async () => {
    const folder = application()
    const built = await build({
      root: folder,
      configFile: false,
      plugins: [offstage()],
      logLevel: 'silent',
      build: { write: false, minify: false },
    })
    const code = (built as { output: { fileName: string; code?: string; source?: unknown }[] }).output
    const texts = code.map((file) => String(file.code ?? file.source))
    expect(texts.join()).not.toMatch(/hotModule|virtual:offstage/)
    const worker = code.find(({ fileName }) => /jobs-.*\.js$/.test(fileName))
    expect(String(worker?.code ?? worker?.source)).not.toMatch(/^\s*\(\(?function|^\s*\(\(\)/)
  })
})
