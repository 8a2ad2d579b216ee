// Opens a page in a browser of the system, as the tests do.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { chromium } from 'playwright'
import { browserPath } from '../../test/support/browsers.mjs'
import { endGroup, startGroup } from '../../test/support/process-group.mjs'
import { startDisplay, webkitgtkCommand, webkitgtkEnv } from '../../test/support/webkitgtk.mjs'
import { makeFolder, removeFolder } from '../lib/disk.js'

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
  webkitgtk: openWebKitGtk,
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

/** @type {(url: string) => Promise<Close>} */
async function openWebKitGtk(url) {
  const profile = makeFolder()
  const display = await startDisplay()
  const browser = startGroup(webkitgtkCommand(url), { ...webkitgtkEnv(profile), DISPLAY: display.name })
  return async () => {
    await endGroup(browser)
    await display.end()
    removeFolder(profile)
  }
}
