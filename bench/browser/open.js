// Opens a page in a browser of the system, as the tests do.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chromium, firefox } from 'playwright'
import { browserPath } from '../../test/support/browsers.mjs'

/** @typedef {import('../../test/support/browsers.mjs').BrowserName} BrowserName */
/** @typedef {() => Promise<unknown>} Close */

const chromiumArgs = [
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** @type {Record<BrowserName, (url: string) => Promise<Close>>} */
const openers = {
  async chromium(url) {
    const executablePath = browserPath('chromium')
    const browser = await chromium.launch({ executablePath, chromiumSandbox: false, args: chromiumArgs })
    await (await browser.newPage()).goto(url)
    return () => browser.close()
  },
  async firefox(url) {
    const browser = await firefox.launch({ channel: 'moz-firefox', executablePath: browserPath('firefox') })
    await (await browser.newPage()).goto(url)
    return () => browser.close()
  },
  webkitgtk: openMiniBrowser,
}

/** @param {BrowserName} name @param {string} url @returns {Promise<Close>} */
export const openPage = (name, url) => openers[name](url)

/** WebKitGTK's own browser, on a virtual display. @type {(url: string) => Promise<Close>} */
async function openMiniBrowser(url) {
  const profile = mkdtempSync(join(tmpdir(), 'offstage-bench-'))
  const display = startGroup(['Xvfb', '-displayfd', '3', '-screen', '0', '1280x800x24', '-nolisten', 'tcp'])
  const [displayNumber] = await once(/** @type {import('node:stream').Readable} */ (display.stdio[3]), 'data')
  const browser = startGroup([browserPath('webkitgtk'), url], {
    DISPLAY: `:${String(displayNumber).trim()}`,
    XDG_DATA_HOME: join(profile, 'data'),
    XDG_CACHE_HOME: join(profile, 'cache'),
    XDG_CONFIG_HOME: join(profile, 'config'),
    JSC_useSharedArrayBuffer: '1',
    NO_AT_BRIDGE: '1', // There is no accessibility bus in a container, and to look for it takes seconds.
  })
  return async () => {
    for (const group of [browser, display]) {
      if (group.pid && group.exitCode === null && group.signalCode === null) {
        process.kill(-group.pid, 'SIGKILL')
        await once(group, 'exit')
      }
    }
    rmSync(profile, { recursive: true, force: true, maxRetries: 10 })
  }
}

/**
 * A process group that ends with us, whatever we die of: its shell waits for the end of its input.
 *
 * @param {string[]} command
 * @param {NodeJS.ProcessEnv} [env]
 */
function startGroup(command, env = {}) {
  const script = '"$@" & exec 3>&-; read -r _; kill -s KILL 0'
  return spawn('sh', ['-c', script, 'sh', ...command], {
    stdio: ['pipe', 'ignore', 'ignore', 'pipe'],
    env: { ...process.env, ...env },
    detached: true,
  })
}
