// What must hold of the job page in every app, seen in Chromium.
import assert from 'node:assert/strict'
import { inChromium } from './browser.mjs'

/** Long enough for a reload of a dev server that has found something new in the worker. */
const workMs = 2_000

/**
 * Opens the page and lets it run its jobs. Rejects with what went wrong.
 *
 * @param {string} url
 * @param {object} [options]
 * @param {string} [options.extension] the folder of the extension that the page is in
 * @param {() => void} [options.edit] edits the handlers; the open page must run the new ones
 */
export const checkPage = (url, { extension, edit } = {}) =>
  inChromium((page) => checkJobs(page, url, edit), {
    expected: ['loaded', 'loaded'],
    ...(extension !== undefined && { extension }),
  })

/**
 * @param {import('playwright').Page} page
 * @param {string} url
 * @param {() => void} [edit]
 */
async function checkJobs(page, url, edit) {
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

  if (!edit) return
  edit()
  // Within the time that all of this may take.
  await page.waitForFunction(async () => (await jobPage.progress(0)).result === 'edited')
}

/** @param {import('playwright').Page} page */
const opened = (page) => page.waitForFunction(() => 'jobPage' in globalThis)
