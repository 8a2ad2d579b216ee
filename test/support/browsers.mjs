// The browsers the suite runs in: where Debian puts them, and how to get those that are missing.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'

/** @typedef {'chromium' | 'firefox' | 'webkitgtk'} BrowserName */

const xvfb = '/usr/bin/Xvfb'

/** The name of each browser, its program (looked for anew: it may just have been installed), and the packages it comes from. */
const browsers = /** @type {const} */ ({
  chromium: { path: () => '/usr/bin/chromium', packages: ['chromium'] },
  firefox: { path: () => '/usr/bin/firefox-esr', packages: ['firefox-esr'] },
  // The only WebKit to be had on Linux: GTK's own browser, on a virtual display.
  webkitgtk: { path: miniBrowser, packages: ['webkit2gtk-driver', 'xvfb', 'xauth'] },
})

export const browserNames = /** @type {BrowserName[]} */ (Object.keys(browsers))

/** @param {BrowserName} name */
export function browserPath(name) {
  return browsers[name].path()
}

/** @param {BrowserName} name */
export function isInstalled(name) {
  return existsSync(browserPath(name)) && (name !== 'webkitgtk' || existsSync(xvfb))
}

/** Installs what is missing, where and if this user may. */
export function installBrowsers() {
  const missing = browserNames.filter((name) => !isInstalled(name))
  if (missing.length === 0) return
  const packages = missing.flatMap((name) => [...browsers[name].packages])
  const command = `apt-get install -y --no-install-recommends ${packages.join(' ')}`
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get'))
    return console.warn(`!!! Browsers can be installed by root on Debian only: ${command}`)
  console.log(`Installing ${packages.join(', ')} (about a minute and a half)`)
  if (apt('update')) apt('install', '-y', '--no-install-recommends', ...packages)
}

/** @param {string[]} args */
function apt(...args) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const { status } = spawnSync('apt-get', ['-q', ...args], { stdio: ['ignore', 'inherit', 'inherit'], env })
  return status === 0
}

/** MiniBrowser lies in a folder named after the architecture and the version. */
function miniBrowser() {
  const folders = existsSync('/usr/lib') ? readdirSync('/usr/lib') : []
  const paths = folders.map((arch) => `/usr/lib/${arch}/webkit2gtk-4.1/MiniBrowser`)
  return paths.find((path) => existsSync(path)) ?? '/usr/lib/webkit2gtk-4.1/MiniBrowser'
}
