// What must hold in every app, seen in Chromium.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { chromium } from 'playwright'
import { browserPath } from '../support/browsers.mjs'

/** A dev server compiles the page when it is asked for. */
const openMsMax = 120_000
/** Long enough for a reload of a dev server that has found something new in the worker. */
const workMs = 2_000

/**
 * Opens the page and lets it run its jobs. Rejects with what went wrong.
 *
 * @param {string} url
 * @param {string} [extension] the folder of the extension that the page is in
 */
export async function checkPage(url, extension) {
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
    await watch(page, () => within(openMsMax, checkJobs(page, url)))
  } finally {
    await context.close()
  }
}

/**
 * Does what it is given, during which the page must be loaded twice, and report no error.
 *
 * @param {import('playwright').Page} page
 * @param {() => Promise<void>} check
 */
async function watch(page, check) {
  /** @type {string[]} */
  const seen = []
  page.on('load', () => seen.push('loaded'))
  page.on('pageerror', (error) => seen.push(String(error.stack)))
  page.on('console', (message) => {
    if (message.type() === 'error') seen.push(message.text())
  })
  try {
    await check()
    assert.deepEqual(seen, ['loaded', 'loaded'])
  } catch (error) {
    throw new Error([String(error), 'What the page has done until then:', ...seen].join('\n'), { cause: error })
  }
}

/**
 * @param {import('playwright').Page} page
 * @param {string} url
 */
async function checkJobs(page, url) {
  await page.goto(url)
  await opened(page)
  const { seen, result } = await page.evaluate((ms) => jobPage.progress(ms), workMs)
  assert.equal(result, 'done')
  assert.ok(seen.length > 5, `Progress was reported ${seen.length} times.`)
  assert.deepEqual(
    seen,
    [...seen].sort((a, b) => a - b),
  )
  assert.deepEqual(await page.evaluate(() => jobPage.error()), { isRangeError: true, text: 'RangeError: too far' })
  assert.equal(await page.evaluate(() => jobPage.cancel()), 'JOB_CANCELLED')

  await page.evaluate(() => jobPage.addDurable('the middle'))
  await page.reload()
  await opened(page)
  assert.equal(await page.evaluate(() => jobPage.durableResult()), 'went on from the middle')
}

/** @param {import('playwright').Page} page */
const opened = (page) => page.waitForFunction(() => 'jobPage' in globalThis)

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
