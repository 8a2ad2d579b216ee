// A Vitest browser provider for WebKit. Playwright's WebKit cannot be had everywhere, but WebKitGTK is a Debian package:
// its MiniBrowser opens one URL, on a virtual display.
import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { defineBrowserProvider } from '@vitest/browser'
import type { BrowserProvider, TestProject } from 'vitest/node'
import { browserPath } from './browsers.mjs'

/** Shipped by Safari, but behind a switch in MiniBrowser. */
const features = '--features=+StorageAPI,+StorageAPIEstimate,+FileSystem,+FileSystemWritableStream,+RequestIdleCallback'

declare module 'vitest/node' {
  interface _BrowserNames {
    webkitgtk: 'webkitgtk'
  }
}

export const webkitgtk = () =>
  defineBrowserProvider({
    name: 'webkitgtk',
    options: {},
    providerFactory: (project) => new WebKitGtkProvider(project),
  })

/** It takes one or two. */
const startSeconds = 20
const startsMax = 4
/** All of these, for `browser.connectTimeout`. */
export const startMsMax = (startsMax + 1) * startSeconds * 1_000

class WebKitGtkProvider implements BrowserProvider {
  readonly name = 'webkitgtk'
  readonly supportsParallelism = false
  readonly #project: TestProject
  /** A profile of its own, so that no run sees another's storage. */
  readonly #profile = mkdtempSync(join(tmpdir(), 'offstage-webkitgtk-'))
  #xvfb: ChildProcess | undefined
  #browser: ChildProcess | undefined

  constructor(project: TestProject) {
    this.#project = project
  }

  getCommandsContext(): Record<string, unknown> {
    return {}
  }

  /** A browser that does not come up, on a machine that has much else to do, is no finding: it is started again, and said so. */
  async openPage(sessionId: string, url: string): Promise<void> {
    for (let starts = 1; starts <= startsMax; starts++) {
      const comesUp = this.#comesUp(sessionId)
      const isOpen = this.#start(url).then(() => comesUp)
      if (await Promise.race([comesUp, isOpen])) return
      console.log(`!!! WebKitGTK has not come up in ${startSeconds} s (start ${starts} of ${startsMax}).`)
    }
  }

  async #start(url: string): Promise<void> {
    for (const group of [this.#browser, this.#xvfb]) endGroup(group)
    this.#xvfb = startGroup(
      ['Xvfb', '-displayfd', '3', '-screen', '0', '1280x800x24', '-nolisten', 'tcp'],
      ['pipe', 'ignore', 'ignore', 'pipe'],
    )
    this.#browser = startGroup([browserPath('webkitgtk'), features, url], ['pipe', 'ignore', 'ignore'], {
      DISPLAY: await displayOf(this.#xvfb),
      XDG_DATA_HOME: join(this.#profile, 'data'),
      XDG_CACHE_HOME: join(this.#profile, 'cache'),
      XDG_CONFIG_HOME: join(this.#profile, 'config'),
      JSC_useSharedArrayBuffer: '1',
      // No accessibility bus: there is none in a container, and looking for it takes seconds.
      NO_AT_BRIDGE: '1',
    })
  }

  /** Whether the page is there in time: the first that it does is to open a socket. */
  #comesUp(sessionId: string): Promise<boolean> {
    const server = this.#project.browser?.vite.httpServer
    return new Promise((resolve) => {
      const end = (isConnected: boolean) => {
        clearTimeout(timer)
        server?.off('upgrade', onUpgrade)
        resolve(isConnected)
      }
      const onUpgrade = ({ url }: IncomingMessage) => url?.includes(sessionId) && end(true)
      const timer = setTimeout(end, startSeconds * 1_000, false)
      server?.on('upgrade', onUpgrade)
    })
  }

  async close(): Promise<void> {
    for (const group of [this.#browser, this.#xvfb]) {
      endGroup(group)
      if (group && group.exitCode === null && group.signalCode === null) await once(group, 'exit')
    }
    // The last process of the group may still be writing for a moment.
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 10 })
  }
}

/** Xvfb picks a free display and writes its number to the descriptor it is given. */
async function displayOf(xvfb: ChildProcess): Promise<string> {
  const output = xvfb.stdio[3] as Readable
  const displayNumber = await new Promise((resolve, reject) => {
    output.once('data', resolve).once('end', () => reject(new Error('Xvfb ended before it had a display.')))
  })
  return `:${String(displayNumber).trim()}`
}

/**
 * Starts a command in a process group that ends with us, whatever we die of: its shell waits for the end of its input,
 * which the system closes even after `kill -9`. It lets go of descriptor 3, so that we see when the command closes it.
 */
function startGroup(command: string[], stdio: StdioOptions, env: NodeJS.ProcessEnv = {}): ChildProcess {
  const script = '"$@" & exec 3>&-; read -r _; kill -s KILL 0'
  return spawn('sh', ['-c', script, 'sh', ...command], { stdio, env: { ...process.env, ...env }, detached: true })
}

function endGroup(group: ChildProcess | undefined): void {
  if (!group?.pid || group.exitCode !== null || group.signalCode !== null) return
  process.kill(-group.pid, 'SIGKILL')
}
