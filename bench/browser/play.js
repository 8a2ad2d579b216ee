// Plays the cases for browsers in those that are installed.
import { browserNames, isInstalled } from '../../test/support/browsers.mjs'
import { openPage } from './open.js'
import { startServer } from './server.js'

/** @import { Result } from '../lib/case.js' */

const browserMsMax = 20 * 60_000

/** @param {boolean} isQuick @param {(result: Result) => void} report */
export async function playInBrowsers(isQuick, report) {
  for (const name of browserNames) {
    if (isInstalled(name)) await playIn(name, isQuick, report)
    else console.log(`\n11. ${name} is left out: it is not installed. \`npm test\` as root installs it.`)
  }
}

/**
 * @param {import('./open.js').BrowserName} name
 * @param {boolean} isQuick
 * @param {(result: Result) => void} report
 */
async function playIn(name, isQuick, report) {
  /** @type {(error?: string) => void} */
  let end = () => {}
  const ended = new Promise((resolve) => {
    end = resolve
  })
  const server = await startServer((what, body) => {
    if (what === 'result') report({ ...body, where: name })
    else end(body.error)
  })
  const timer = setTimeout(() => end(`Not done within ${browserMsMax} ms.`), browserMsMax)
  const close = await openPage(name, `${server.url}${isQuick ? '?quick' : ''}`)
  const error = await ended
  clearTimeout(timer)
  await close()
  server.close()
  if (error) throw new Error(`In ${name}: ${error}`)
}
