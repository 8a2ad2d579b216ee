// Opens a page in a browser of the system, as the tests do.
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { chromium } from 'playwright'
import { browserPath } from '../../test/support/browsers.mjs'
import { makeFolder, removeFolder } from '../lib/disk.js'
import { endGroup, startGroup } from '../lib/process-group.js'

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
  chromium(url) {
    const executablePath = browserPath('chromium')
    const options = { executablePath, chromiumSandbox: false, args: chromiumArgs }
    return openInProfile(url, (profile) => chromium.launchPersistentContext(profile, options))
  },
  firefox: openFirefox,
  webkitgtk: openMiniBrowser,
}

/** @param {BrowserName} name @param {string} url @returns {Promise<Close>} */
export const openPage = (name, url) => openers[name](url)

/**
 * A profile of its own on the disk. In the contexts that Playwright makes otherwise nothing is kept, and Chromium has
 * IndexedDB in memory: no database would ever be synced.
 *
 * @param {string} url
 * @param {(profile: string) => Promise<import('playwright').BrowserContext>} launch
 * @returns {Promise<Close>}
 */
async function openInProfile(url, launch) {
  const profile = makeFolder()
  const context = await launch(profile)
  await (await context.newPage()).goto(url)
  return async () => {
    await context.close()
    removeFolder(profile)
  }
}

/** What Firefox would do at its first start while we measure. */
const firefoxPreferences = {
  'app.normandy.enabled': false,
  'browser.aboutwelcome.enabled': false,
  'browser.shell.checkDefaultBrowser': false,
  'datareporting.policy.dataSubmissionEnabled': false,
  'extensions.update.enabled': false,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
}

/**
 * Not through Playwright: in a page that is driven, Firefox notes of each promise where it was made, which takes six times as
 * long as to make it. @type {(url: string) => Promise<Close>}
 */
async function openFirefox(url) {
  const profile = makeFolder()
  const lines = Object.entries(firefoxPreferences).map(
    ([name, value]) => `user_pref(${JSON.stringify(name)}, ${value});`,
  )
  writeFileSync(join(profile, 'user.js'), lines.join('\n'))
  const browser = startGroup([browserPath('firefox'), '--headless', '--no-remote', '--profile', profile, url])
  return async () => {
    await endGroup(browser)
    removeFolder(profile)
  }
}

/** WebKitGTK's own browser, on a virtual display. @type {(url: string) => Promise<Close>} */
async function openMiniBrowser(url) {
  const profile = makeFolder()
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
    for (const group of [browser, display]) await endGroup(group)
    removeFolder(profile)
  }
}
