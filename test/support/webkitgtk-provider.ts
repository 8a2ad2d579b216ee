// A Vitest browser provider for WebKit. Playwright's WebKit cannot be had everywhere, but WebKitGTK is a Debian package:
// its MiniBrowser opens one URL, on a virtual display.
import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { defineBrowserProvider } from '@vitest/browser'
import type { BrowserProvider } from 'vitest/node'
import { browserPath } from './browsers.mjs'

/** Shipped by Safari, but behind a switch in MiniBrowser. */
const features = '--features=+StorageAPI,+StorageAPIEstimate,+FileSystem,+FileSystemWritableStream,+RequestIdleCallback'

declare module 'vitest/node' {
  interface _BrowserNames {
    webkitgtk: 'webkitgtk'
  }
}

export const webkitgtk = () =>
  defineBrowserProvider({ name: 'webkitgtk', options: {}, providerFactory: () => new WebKitGtkProvider() })

class WebKitGtkProvider implements BrowserProvider {
  readonly name = 'webkitgtk'
  readonly supportsParallelism = false
  /** A profile of its own, so that no run sees another's storage. */
  readonly #profile = mkdtempSync(join(tmpdir(), 'offstage-webkitgtk-'))
  #xvfb: ChildProcess | undefined
  #display: Promise<string> | undefined
  #browser: ChildProcess | undefined

  getCommandsContext(): Record<string, unknown> {
    return {}
  }

  async openPage(_sessionId: string, url: string): Promise<void> {
    endGroup(this.#browser)
    this.#display ??= this.#startDisplay()
    this.#browser = startGroup([browserPath('webkitgtk'), features, url], ['pipe', 'ignore', 'ignore'], {
      DISPLAY: await this.#display,
      XDG_DATA_HOME: join(this.#profile, 'data'),
      XDG_CACHE_HOME: join(this.#profile, 'cache'),
      XDG_CONFIG_HOME: join(this.#profile, 'config'),
      JSC_useSharedArrayBuffer: '1',
      // No accessibility bus: there is none in a container, and looking for it takes seconds.
      NO_AT_BRIDGE: '1',
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

  /** Xvfb picks a free display and writes its number to the descriptor it is given. */
  async #startDisplay(): Promise<string> {
    this.#xvfb = startGroup(
      ['Xvfb', '-displayfd', '3', '-screen', '0', '1280x800x24', '-nolisten', 'tcp'],
      ['pipe', 'ignore', 'ignore', 'pipe'],
    )
    const output = this.#xvfb.stdio[3] as Readable
    const displayNumber = await new Promise((resolve, reject) => {
      output.once('data', resolve).once('end', () => reject(new Error('Xvfb ended before it had a display.')))
    })
    return `:${String(displayNumber).trim()}`
  }
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
