/**
 * A browser as a process. All engines are driven the same way: a page of ours, the keeper, opens the others with
 * `window.open`, and the process of a page is the one that is busy when the page is asked to be.
 */
import type { ChildProcess } from 'node:child_process'
import { appendFileSync, mkdirSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { type BrowserName, browserPath } from '../support/browsers.mjs'
import { startGroup } from '../support/process-group.mjs'
import { type Display, startDisplay, webkitgtkCommand, webkitgtkEnv } from '../support/webkitgtk.mjs'
import { killGroup, type Process, processesOf } from './processes.ts'
import { type Site, type Tab, within } from './site.ts'

const openMs = 60_000
const startsMax = 3
const spinMs = 200

interface Engine {
  /** The process of a page is among those whose command fits. */
  readonly renderer: RegExp
  command(profile: string, url: string): string[]
  /** Makes a profile ready, a new one or one whose browser was killed. */
  prepare(profile: string): void
  env(profile: string): NodeJS.ProcessEnv
}

const engines: Record<BrowserName, Engine> = {
  chromium: {
    renderer: /--type=renderer/,
    command: (profile, url) => [
      browserPath('chromium'),
      '--headless=new',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--no-default-browser-check',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--disable-breakpad',
      '--disable-popup-blocking',
      // Pages that no window shows are slowed down, and headless windows lie upon each other.
      '--disable-background-timer-throttling',
      '--disable-backgrounding-occluded-windows',
      '--disable-renderer-backgrounding',
      '--remote-debugging-pipe',
      `--user-data-dir=${profile}`,
      url,
    ],
    prepare(profile) {
      // They name the process that has the profile open, and it was killed.
      for (const name of readdirSync(profile)) {
        if (name.startsWith('Singleton')) rmSync(join(profile, name))
      }
    },
    env: () => ({}),
  },
  firefox: {
    renderer: /-contentproc .*\btab\s*$/,
    command: (profile, url) => [browserPath('firefox'), '--headless', '--no-remote', '--profile', profile, url],
    prepare: (profile) => writeFileSync(join(profile, 'user.js'), firefoxPrefs()),
    env: () => ({ MOZ_CRASHREPORTER_DISABLE: '1', MOZ_DISABLE_CONTENT_SANDBOX: '1' }),
  },
  webkitgtk: {
    renderer: /WebKitWebProcess/,
    command: (_profile, url) => webkitgtkCommand(url, ['--javascript-can-open-windows-automatically=true']),
    prepare: () => {},
    env: webkitgtkEnv,
  },
}

function firefoxPrefs(): string {
  const prefs = {
    'dom.disable_open_during_load': false,
    'dom.allow_scripts_to_close_windows': true,
    // Each page its own process.
    'dom.ipc.processCount.webCOOP+COEP': 50,
    'dom.ipc.processCount.webIsolated': 50,
    'dom.ipc.processPrelaunch.enabled': false,
    // It is killed all the time, and starts with our page nevertheless.
    'toolkit.startup.max_resumed_crashes': -1,
    'browser.sessionstore.resume_from_crash': false,
    'browser.startup.page': 0,
    'browser.startup.homepage_override.mstone': 'ignore',
    'browser.aboutwelcome.enabled': false,
    'browser.shell.checkDefaultBrowser': false,
    'browser.tabs.unloadOnLowMemory': false,
    'datareporting.policy.dataSubmissionEnabled': false,
    'datareporting.policy.dataSubmissionPolicyBypassNotification': true,
    'toolkit.telemetry.reportingpolicy.firstRun': false,
    'termsofuse.bypassNotification': true,
    // It has nobody to talk to.
    'app.normandy.enabled': false,
    'app.update.disabledForTesting': true,
    'browser.safebrowsing.update.enabled': false,
    'browser.newtabpage.enabled': false,
    'extensions.update.enabled': false,
    'network.captive-portal-service.enabled': false,
    'network.connectivity-service.enabled': false,
    'services.settings.server': 'data:,none',
  }
  return Object.entries(prefs)
    .map(([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`)
    .join('')
}

// https://github.com/google/leveldb/blob/main/doc/log_format.md
const logBlockBytes = 32 * 1024
/** A checksum of four bytes, a length of two, the type `FULL`, and the first of its bytes. */
const tornRecord = Uint8Array.of(1, 2, 3, 4, 9, 0, 1, 0)

export class Browser {
  readonly name: BrowserName
  readonly #engine: Engine
  readonly #site: Site
  readonly #profile: string
  readonly #pids = new Map<Tab, number>()
  #group: ChildProcess | undefined
  #keeper: Tab | undefined
  #display: Display | undefined

  constructor(name: BrowserName, profile: string, site: Site) {
    this.name = name
    this.#engine = engines[name]
    this.#site = site
    this.#profile = profile
  }

  /** A browser that does not come up, on a machine that has much else to do, is no finding: it is started again, and said so. */
  async start(): Promise<void> {
    for (let left = startsMax - 1; ; left--) {
      try {
        return await this.#start()
      } catch (error) {
        await this.kill()
        if (left === 0) throw error
        console.log(`!!! ${(error as Error).message}; it is started again.`)
      }
    }
  }

  async #start(): Promise<void> {
    mkdirSync(this.#profile, { recursive: true })
    this.#engine.prepare(this.#profile)
    if (this.name === 'webkitgtk') this.#display ??= await startDisplay()
    // For browsers that is another site, so no page of the tests shares its process.
    const keeper = this.#site.newTab(false, this.#site.origin.replace('127.0.0.1', 'localhost'))
    const env = { ...this.#engine.env(this.#profile), ...(this.#display && { DISPLAY: this.#display.name }) }
    this.#group = startGroup(this.#engine.command(this.#profile, keeper.url), env)
    // Nobody reads them after the end.
    for (const stream of this.#group.stdio) stream?.on('error', () => {})
    await keeper.until(() => keeper.isPolling, `${this.name} has not started`, openMs)
    this.#keeper = keeper
    await this.#find(keeper)
  }

  /** Resolves when the page is there and its process is known. */
  async openTab(isIsolated = true, site = this.#site): Promise<Tab> {
    const tab = site.newTab(isIsolated)
    await this.#keeper?.ask('open', tab.url)
    await tab.until(() => tab.isPolling, 'the page has not opened', openMs)
    await this.#find(tab)
    return tab
  }

  /** Ends the process of a page, at once. */
  async killTab(tab: Tab): Promise<void> {
    const pid = this.#pidOf(tab)
    process.kill(pid, 'SIGKILL')
    while (this.#renderers().some((each) => each.pid === pid)) await sleep(1)
    this.#pids.delete(tab)
    tab.gone()
  }

  /** As a user does it. */
  async closeTab(tab: Tab): Promise<void> {
    await tab.ask('leave', undefined)
    await tab.until(() => !tab.isPolling, 'the page has not closed')
    this.#pids.delete(tab)
  }

  /** Ends all its processes, at once. */
  async kill(): Promise<void> {
    this.#pids.clear()
    if (this.#group) await killGroup(this.#group)
    this.#group = undefined
  }

  /** Chromium, while it does not run: what it has of IndexedDB can no longer be read. */
  damageDatabases(): void {
    for (const folder of this.#databases()) truncateSync(join(folder, 'CURRENT'))
  }

  /** Chromium, while it does not run: as if it had been killed in the middle of a record of LevelDB's log. */
  tearLogs(): void {
    for (const folder of this.#databases()) {
      const logs = readdirSync(folder).filter((name) => name.endsWith('.log'))
      const newest = join(folder, logs.sort().pop() ?? 'no log')
      const leftInBlock = logBlockBytes - (statSync(newest).size % logBlockBytes)
      appendFileSync(newest, leftInBlock < 10 ? new Uint8Array(leftInBlock) : tornRecord)
    }
  }

  #databases(): string[] {
    const folder = join(this.#profile, 'Default', 'IndexedDB')
    const databases = readdirSync(folder).filter((name) => name.endsWith('.leveldb'))
    if (databases.length === 0) throw new Error(`There is no database in ${folder}.`)
    return databases.map((name) => join(folder, name))
  }

  /** The end, of whatever there is. */
  async end(): Promise<void> {
    await this.kill()
    await this.#display?.end()
    this.#display = undefined
  }

  #pidOf(tab: Tab): number {
    const pid = this.#pids.get(tab)
    if (!pid) throw new Error(`The process of ${tab.id} is not known.`)
    return pid
  }

  #renderers(): Process[] {
    return processesOf(this.#group?.pid ?? 0).filter(({ command }) => this.#engine.renderer.test(command))
  }

  /** Engines start processes for pages to come, too; so the page has to show which is its own. */
  async #find(tab: Tab): Promise<void> {
    const until = Date.now() + openMs
    let last: number | undefined
    while (Date.now() < until) {
      const before = new Map(this.#renderers().map(({ pid, ticks }) => [pid, ticks]))
      await tab.ask('spin', spinMs)
      const known = [...this.#pids.values()]
      const worked = this.#renderers()
        .filter(({ pid }) => !known.includes(pid))
        .map(({ pid, ticks }) => ({ pid, ticks: ticks - (before.get(pid) ?? ticks) }))
        .sort((a, b) => b.ticks - a.ticks)
      const [first, second] = worked
      const isClear = first && first.ticks >= 5 && first.ticks > 3 * (second?.ticks ?? 0)
      // Twice the same: another process may have been starting at the very moment.
      if (isClear && first.pid === last) {
        this.#pids.set(tab, first.pid)
        return
      }
      last = isClear ? first.pid : undefined
    }
    throw new Error(`${this.name}: the process of ${tab.id} cannot be told from others.`)
  }

  /** Chromium: what the site of this origin may store. Answers how to end that. */
  async limitQuota(origin: string, quotaSize: number): Promise<() => Promise<void>> {
    const pipe = new DevTools(this.#group?.stdio[3] as Writable, this.#group?.stdio[4] as Readable)
    const { targetInfos } = await pipe.send('Target.getTargets', {})
    const { targetId } = targetInfos.find(({ url }: { url: string }) => url.startsWith(origin))
    const { sessionId } = await pipe.send('Target.attachToTarget', { targetId, flatten: true })
    await pipe.send('Storage.overrideQuotaForOrigin', { origin, quotaSize }, sessionId)
    return async () => {
      await pipe.send('Storage.overrideQuotaForOrigin', { origin }, sessionId)
      await pipe.send('Target.detachFromTarget', { sessionId })
      pipe.close()
    }
  }
}

/** Chromium's own protocol, over a pipe. */
class DevTools {
  readonly #input: Writable
  readonly #output: Readable
  #lastId = 0
  #text = ''
  readonly #pending = new Map<number, (message: { result?: unknown; error?: { message: string } }) => void>()

  constructor(input: Writable, output: Readable) {
    this.#input = input
    this.#output = output
    output.setEncoding('utf8').on('data', this.#read)
  }

  // biome-ignore lint/suspicious/noExplicitAny: what comes back differs from method to method.
  async send(method: string, params: object, sessionId?: string): Promise<any> {
    const id = ++this.#lastId
    const answered = new Promise<{ result?: unknown; error?: { message: string } }>((resolve) =>
      this.#pending.set(id, resolve),
    )
    this.#input.write(`${JSON.stringify({ id, method, params, sessionId })}\0`)
    const { result, error } = await within(10_000, answered, `Chromium has not answered '${method}'`)
    if (error) throw new Error(`${method}: ${error.message}`)
    return result
  }

  close(): void {
    this.#output.off('data', this.#read)
  }

  readonly #read = (piece: string) => {
    this.#text += piece
    const messages = this.#text.split('\0')
    this.#text = messages.pop() ?? ''
    for (const message of messages) {
      const { id, ...answer } = JSON.parse(message)
      this.#pending.get(id)?.(answer)
      this.#pending.delete(id)
    }
  }
}
