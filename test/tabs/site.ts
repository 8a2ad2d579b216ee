/** The site that the browsers visit: serves the page, hands it what it is asked to do, and hears what it tells. */
import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { build, type Plugin } from 'esbuild'
import type { PageCalls, Report, ReportOf } from './protocol.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** Without them there is no SharedArrayBuffer. */
const isolation = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' }

const callMs = 30_000

export interface Heard {
  readonly tab: string
  readonly life: string
  readonly report: Report
  readonly at: number
}

interface Call {
  readonly call: number
  readonly name: string
  readonly args: readonly unknown[]
  isSent: boolean
}

interface Body {
  readonly tab: string
  readonly life: string
  readonly reports: readonly Report[]
}

export class Site {
  readonly #server: Server
  readonly #files: ReadonlyMap<string, string>
  readonly #tabs = new Map<string, Tab>()
  readonly #listener: (heard: Heard) => void
  #lastTab = 0

  static async start(listener: (heard: Heard) => void, host = '127.0.0.1'): Promise<Site> {
    const site = new Site(await buildPage(), listener)
    await new Promise<void>((resolve, reject) => site.#server.once('error', reject).listen(0, host, resolve))
    return site
  }

  private constructor(files: ReadonlyMap<string, string>, listener: (heard: Heard) => void) {
    this.#files = files
    this.#listener = listener
    this.#server = createServer((request, response) => void this.#answer(request, response))
  }

  get origin(): string {
    const { address, port } = this.#server.address() as AddressInfo
    return `http://${address}:${port}`
  }

  /** A tab that is still to be opened. */
  newTab(isIsolated = true, origin = this.origin): Tab {
    const id = `t${++this.#lastTab}`
    const tab = new Tab(id, `${origin}/${isIsolated ? 'isolated' : 'plain'}/page.html?tab=${id}`)
    this.#tabs.set(id, tab)
    return tab
  }

  close(): void {
    this.#server.close()
    this.#server.closeAllConnections()
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? '', this.origin)
    if (pathname === '/commands') {
      const [tab = '', life = '', heard] = ['tab', 'life', 'heard'].map((name) => searchParams.get(name) ?? '')
      return this.#tabs.get(tab)?.poll(life, Number(heard), response)
    }
    if (pathname === '/reports') return this.#hear(await textOf(request), response)
    const [, part, name = ''] = pathname.split('/')
    const file = this.#files.get(name)
    if (file === undefined) return void response.writeHead(404).end()
    response.writeHead(200, {
      'Content-Type': name.endsWith('.js') ? 'text/javascript' : 'text/html',
      ...(part === 'isolated' && isolation),
    })
    response.end(file)
  }

  #hear(body: string, response: ServerResponse): void {
    const at = Date.now()
    try {
      const { tab, life, reports } = JSON.parse(body) as Body
      for (const report of reports) {
        this.#listener({ tab, life, report, at })
        this.#tabs.get(tab)?.hear(report)
      }
    } catch {
      // Half a request: its process was killed.
    }
    response.end()
  }
}

/** A page, as the harness sees it. */
export class Tab {
  readonly id: string
  readonly url: string
  readonly reports: Report[] = []
  /** It said so, and was not loaded again since. */
  leads = false
  /** Of its newest report. */
  heardAt = 0
  #poll: ServerResponse | undefined
  /** Not known to be heard. What was sent to a page that is loaded anew is over. */
  #calls: Call[] = []
  #life = ''
  readonly #pending = new Map<number, (reply: ReportOf<'reply'>) => void>()
  readonly #listeners = new Set<() => void>()
  #lastCall = 0

  constructor(id: string, url: string) {
    this.id = id
    this.url = url
  }

  /** Whether its request for something to do is open: while it lives, it nearly always is. */
  get isPolling(): boolean {
    return this.#poll !== undefined
  }

  poll(life: string, heard: number, response: ServerResponse): void {
    const isNew = life !== this.#life
    this.#life = life
    this.#calls = this.#calls.filter(({ call, isSent }) => call > heard && !(isNew && isSent))
    this.#poll?.writeHead(204).end()
    this.#poll = response
    response.once('close', () => {
      if (this.#poll !== response) return
      this.#poll = undefined
      this.#tell()
    })
    this.#serve()
    this.#tell()
  }

  /** Its process is gone. Firefox would keep its request, one of six that it makes at a time. */
  gone(): void {
    this.#poll?.writeHead(204).end()
    this.#poll = undefined
  }

  hear(report: Report): void {
    this.reports.push(report)
    this.heardAt = Date.now()
    if (report.type === 'leader') this.leads = report.isLeader
    if (report.type === 'hello' && !report.isPersisted) this.leads = false
    if (report.type === 'reply') {
      this.#pending.get(report.call)?.(report)
      this.#pending.delete(report.call)
    }
    this.#tell()
  }

  /** Calls a function of the page. */
  async ask<Name extends keyof PageCalls>(
    name: Name,
    ...args: Parameters<PageCalls[Name]>
  ): Promise<Awaited<ReturnType<PageCalls[Name]>>> {
    const call = ++this.#lastCall
    const replied = new Promise<ReportOf<'reply'>>((resolve) => this.#pending.set(call, resolve))
    this.#calls.push({ call, name, args, isSent: false })
    this.#serve()
    const { value, error } = await within(callMs, replied, `${this.id} has not answered '${name}'`)
    if (error !== undefined) throw new Error(`${this.id}: ${name}: ${error}`)
    return value as never
  }

  /** Resolves when something is so that depends on what the page tells. */
  async until(condition: () => boolean, what: string, ms = callMs): Promise<void> {
    let check = () => {}
    const met = new Promise<void>((resolve) => {
      check = () => condition() && resolve()
      this.#listeners.add(check)
      check()
    })
    await within(ms, met, `${this.id}: ${what}`).finally(() => this.#listeners.delete(check))
  }

  count(type: Report['type']): number {
    return this.reports.filter((report) => report.type === type).length
  }

  /** The newest of its kind. */
  last<Type extends Report['type']>(type: Type): ReportOf<Type> | undefined {
    return [...this.reports].reverse().find((report) => report.type === type) as ReportOf<Type> | undefined
  }

  #serve(): void {
    const [call] = this.#calls
    if (!this.#poll || !call) return
    const response = this.#poll
    this.#poll = undefined
    call.isSent = true
    response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(call))
  }

  #tell(): void {
    for (const listener of [...this.#listeners]) listener()
  }
}

export async function within<T>(ms: number, promise: Promise<T>, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} within ${ms / 1000} s`)), ms)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = ''
  request.setEncoding('utf8')
  try {
    for await (const piece of request) text += piece
  } catch {
    return ''
  }
  return text
}

async function buildPage(): Promise<Map<string, string>> {
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: ['test/tabs/page/page.ts', 'test/tabs/page/jobs.ts'],
    outdir: 'never-written',
    write: false,
    bundle: true,
    format: 'esm',
    target: 'es2022',
    sourcemap: 'inline',
    logLevel: 'warning',
    plugins: [oftenCompacted],
  })
  const files = outputFiles.map(({ path, text }) => [path.slice(path.lastIndexOf('/') + 1), text] as const)
  const html = '<!doctype html><title>tabs</title><script type="module" src="page.js"></script>'
  return new Map([...files, ['page.html', html]])
}

/** Journals so small are compacted that kills meet with it. */
const oftenCompacted: Plugin = {
  name: 'often compacted',
  setup({ onLoad }) {
    onLoad({ filter: /[\\/]src[\\/]store[\\/]journal\.ts$/ }, ({ path }) => {
      const [before, after, ...more] = readFileSync(path, 'utf8').split('const compactBytesMinDefault = 1024 * 1024\n')
      if (after === undefined || more.length > 0) throw new Error(`${path} says otherwise from which size it compacts.`)
      return { contents: `${before}const compactBytesMinDefault = 30_000\n${after}`, loader: 'ts' }
    })
  },
}
