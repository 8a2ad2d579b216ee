// Plays the cases for browsers in those that are installed.
import { browserNames, isInstalled } from '../../test/support/browsers.mjs'
import { openPage } from './open.js'
import { startServer } from './server.js'

/** @import { Result } from '../lib/case.js' */

const browserMsMax = 20 * 60_000

/** The cases that run in browsers. */
export const browserCases = ['browser', 'copies', 'durable-idb']

/**
 * @param {readonly string[]} cases
 * @param {readonly string[]} only these browsers; all of them when there are none
 * @param {boolean} isQuick
 * @param {(result: Result) => void} report
 */
export async function playInBrowsers(cases, only, isQuick, report) {
  const unknown = only.find((name) => !browserNames.includes(/** @type {never} */ (name)))
  if (unknown) throw new Error(`There is no browser \`${unknown}\`. The browsers: ${browserNames.join(', ')}.`)
  for (const name of browserNames.filter((name) => only.length === 0 || only.includes(name))) {
    if (isInstalled(name)) await playIn(name, cases, isQuick, report)
    else
      console.log(`\n${cases.join(', ')}: ${name} is left out: it is not installed. \`npm test\` as root installs it.`)
  }
}

/**
 * @param {import('./open.js').BrowserName} name
 * @param {readonly string[]} cases
 * @param {boolean} isQuick
 * @param {(result: Result) => void} report
 */
async function playIn(name, cases, isQuick, report) {
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
  const query = [...cases.map((name) => `case=${name}`), ...(isQuick ? ['quick'] : [])].join('&')
  const close = await openPage(name, `${server.url}?${query}`)
  const error = await ended
  clearTimeout(timer)
  await close()
  server.close()
  if (error) throw new Error(`In ${name}: ${error}`)
}
