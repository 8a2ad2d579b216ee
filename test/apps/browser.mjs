// Opens pages in Chromium, and watches them.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { chromium } from 'playwright'
import { browserPath } from '../support/browsers.mjs'

/** A dev server compiles the page when it is asked for. */
const openMsMax = 120_000

/**
 * Opens a page with nothing stored and does with it what it is given. Rejects with what went wrong, also if the page reports
 * something else than expected.
 *
 * @param {(page: import('playwright').Page) => Promise<void>} check
 * @param {{ expected?: readonly string[] | 'no errors' | 'anything', extension?: string | undefined }} [options] `expected`: what the page
 *   reports, with `loaded` for each time that it is loaded. `extension`: the folder of an extension
 */
export async function inChromium(check, { expected = ['loaded'], extension } = {}) {
  const context = await chromium.launchPersistentContext('', {
    executablePath: browserPath('chromium'),
    // Debian's Chromium refuses its sandbox to root, and containers mostly have no other user.
    chromiumSandbox: false,
    ignoreDefaultArgs: ['--disable-extensions'],
    args: ['--disable-gpu', '--disable-quic', ...(extension ? [`--load-extension=${extension}`] : [])],
  })
  try {
    const page = await context.newPage()
    page.setDefaultTimeout(openMsMax)
    await watch(page, () => within(openMsMax, check(page)), expected)
  } finally {
    await context.close()
  }
}

/**
 * @param {import('playwright').Page} page
 * @param {() => Promise<void>} check
 * @param {readonly string[] | 'no errors' | 'anything'} expected
 */
async function watch(page, check, expected) {
  /** @type {string[]} */
  const seen = []
  page.on('load', () => seen.push('loaded'))
  page.on('pageerror', (error) => seen.push(String(error.stack)))
  page.on('console', (message) => {
    if (message.type() === 'error') seen.push(message.text())
  })
  try {
    await check()
    if (expected === 'no errors') assert.deepEqual(new Set(seen), new Set(['loaded']))
    else if (expected !== 'anything') assert.deepEqual(seen, expected)
  } catch (error) {
    throw new Error([String(error), 'What the page has done until then:', ...seen].join('\n'), { cause: error })
  }
}

/**
 * @param {number} ms
 * @param {Promise<unknown>} work
 */
async function within(ms, work) {
  /** @type {NodeJS.Timeout | undefined} */
  let timer
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`The page did not finish within ${ms} ms.`)), ms)
  })
  await Promise.race([work, late]).finally(() => clearTimeout(timer))
}

/**
 * The address of a page in an unpacked extension: Chromium makes it of the folder.
 *
 * @param {string} folder
 */
export function extensionUrl(folder) {
  const digits = createHash('sha256').update(folder).digest('hex').slice(0, 32)
  const id = Array.from(digits, (digit) => String.fromCharCode(97 + Number.parseInt(digit, 16))).join('')
  return `chrome-extension://${id}/index.html`
}
