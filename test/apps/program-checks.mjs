// What must hold of the programs in demo/programs: each is used in Chromium as its user uses it.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { inChromium } from './browser.mjs'
import { serveFolder } from './servers.mjs'

/** @typedef {import('playwright').Page} Page */

/**
 * Serves the built programs and checks them all. Rejects with what went wrong.
 *
 * @param {string} folder
 */
export async function checkPrograms(folder) {
  for (const framework of frameworks) {
    const uploads = uploadServer()
    const server = await serveFolder(folder, uploads.receive)
    try {
      await checkAll(`${server.origin}/${framework}`, (page) => checkUploads(page, uploads))
    } finally {
      await server.close()
    }
  }
}

/**
 * Checks the programs from the dev server, which takes all uploads.
 *
 * @param {string} origin
 */
export async function checkProgramsInDev(origin) {
  for (const framework of frameworks) await checkAll(`${origin}/${framework}`, checkUpload)
}

const frameworks = ['plain', 'react', 'vue']

/**
 * @param {string} url
 * @param {(page: Page) => Promise<void>} checkUploads
 */
async function checkAll(url, checkUploads) {
  await check(`${url}/primes.html`, checkPrimes, ['loaded'])
  await check(`${url}/thumbnails.html`, checkThumbnails, ['loaded'])
  await check(`${url}/uploads.html`, checkUploads, ['loaded', 'loaded'])
}

/**
 * @param {string} url
 * @param {(page: Page) => Promise<void>} use
 * @param {readonly string[]} expected
 */
async function check(url, use, expected) {
  try {
    await inChromium(
      async (page) => {
        await page.goto(url)
        await use(page)
      },
      { expected },
    )
  } catch (error) {
    throw new Error(`${url}: ${error}`, { cause: error })
  }
}

/** @param {Page} page */
async function checkPrimes(page) {
  const count = async (/** @type {number} */ upTo) => {
    await page.getByRole('spinbutton').fill(String(upTo))
    await button(page, 'Count').click()
  }
  await count(2_000_000)
  await isUnderWay(page)
  await page.getByText('148933 primes').waitFor()
  await count(1e9)
  await isUnderWay(page)
  await button(page, 'Cancel').click()
  await page.getByText('Cancelled').waitFor()
  await count(100)
  await page.getByText('25 primes').waitFor()
}

/** @param {Page} page */
const isUnderWay = (page) =>
  page.waitForFunction(() => {
    const { position } = /** @type {HTMLProgressElement} */ (document.querySelector('progress'))
    return position > 0 && position < 1
  })

const pictures = 29
/** One more than these, with a name like theirs, is no picture. */
const files = pictures + 1

/** @param {Page} page */
async function checkThumbnails(page) {
  await page.evaluate(dropPictures, files)
  await page.getByText(`${files} of ${files}`).waitFor()
  await areShown(page, pictures)
  const broken = page.locator('figure', { hasText: 'broken.png' })
  assert.match(String(await broken.textContent()), /InvalidStateError/)
  const seen = new Set(await page.evaluate(() => numbersShown))
  assert.ok(seen.size > 2, `Thumbnails appeared at ${seen.size} times.`)

  await page.locator('input').setInputFiles({ name: 'one more.gif', mimeType: 'image/gif', buffer: dot })
  await page.getByText(`${files + 1} of ${files + 1}`).waitFor()
  await areShown(page, pictures + 1)
}

const dot = Buffer.from('R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7', 'base64')

/**
 * Runs in the page: drops large pictures, and among them a file that is none.
 *
 * @param {number} files
 */
async function dropPictures(files) {
  const dataTransfer = new DataTransfer()
  const canvas = new OffscreenCanvas(1_600, 800)
  const context = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext('2d'))
  for (let at = 1; at < files; at++) {
    context.fillStyle = `hsl(${at * 12} 80% 50%)`
    context.fillRect(0, 0, canvas.width, canvas.height)
    dataTransfer.items.add(new File([await canvas.convertToBlob()], `${at}.png`, { type: 'image/png' }))
    if (at === 10) dataTransfer.items.add(new File(['no picture'], 'broken.png', { type: 'image/png' }))
  }
  globalThis.numbersShown = []
  new MutationObserver(() => numbersShown.push(document.images.length)).observe(document.body, {
    childList: true,
    subtree: true,
  })
  document.querySelector('p')?.dispatchEvent(new DragEvent('drop', { dataTransfer, bubbles: true, cancelable: true }))
}

/**
 * @param {Page} page
 * @param {number} count
 */
const areShown = (page, count) =>
  page.waitForFunction((count) => {
    const images = Array.from(document.images)
    return images.length === count && images.every(({ naturalWidth }) => naturalWidth > 0 && naturalWidth <= 160)
  }, count)

/** @param {Page} page */
async function checkUpload(page) {
  const completed = page.locator('li', { hasText: 'one.bin' }).filter({ hasText: 'completed' })
  await page.locator('input').setInputFiles({ name: 'one.bin', mimeType: 'x/y', buffer: randomBytes(2 * partBytes) })
  await completed.waitFor()
  await page.reload()
  await completed.waitFor()
}

const partBytes = 256 * 1024

/**
 * @param {Page} page
 * @param {ReturnType<typeof uploadServer>} uploads
 */
async function checkUploads(page, uploads) {
  const chosen = ['smooth.bin', 'refused.bin', 'held.bin'].map((name, at) => ({
    name,
    mimeType: 'application/octet-stream',
    buffer: randomBytes(3 * partBytes + at),
  }))
  const row = (/** @type {string} */ name, /** @type {string} */ text) =>
    page.locator('li', { hasText: name }).filter({ hasText: text })
  const areThere = async () => {
    await row('smooth.bin', 'completed').waitFor()
    await row('refused.bin', 'The server responded with 503').waitFor()
  }

  await page.locator('input').setInputFiles(chosen)
  await areThere()
  await row('held.bin', 'running').waitFor()
  await uploads.held
  await isPosition(page, 'held.bin', 1 / 3)

  await page.reload()
  await areThere()
  await row('held.bin', 'completed').waitFor()
  const heldFrom = [0, partBytes, partBytes, 2 * partBytes, 3 * partBytes]
  assert.deepEqual(uploads.startsOf('held.bin'), heldFrom, 'It goes on where it was.')

  await button(page.locator('li', { hasText: 'refused.bin' }), 'Retry').click()
  await row('refused.bin', 'completed').waitFor()
  await isPosition(page, 'refused.bin', 1)
  for (const { name, buffer } of chosen)
    assert.ok(uploads.contentOf(name).equals(buffer), `${name} is not what it was.`)
}

/**
 * @param {Page} page
 * @param {string} name
 * @param {number} position
 */
const isPosition = (page, name, position) =>
  page.waitForFunction(
    ({ name, position }) => {
      const row = Array.from(document.querySelectorAll('li')).find((row) => row.textContent.includes(name))
      return Math.abs((row?.querySelector('progress')?.position ?? -1) - position) < 0.01
    },
    { name, position },
  )

/**
 * Takes uploads in parts. The first part of `refused.bin` is refused once; the second one of `held.bin` gets no response the
 * first time.
 */
function uploadServer() {
  /** @type {Map<string, Buffer>} */
  const contents = new Map()
  /** @type {Map<string, number[]>} */
  const starts = new Map()
  let hold = () => {}
  const held = /** @type {Promise<void>} */ (
    new Promise((resolve) => {
      hold = resolve
    })
  )
  const startsOf = (/** @type {string} */ name) => starts.get(name) ?? []
  const contentOf = (/** @type {string} */ name) => contents.get(name) ?? Buffer.alloc(0)

  /** @type {import('./servers.mjs').Handler} */
  const receive = async (request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost')
    if (!pathname.startsWith('/api/uploads/')) return false
    const name = searchParams.get('name') ?? ''
    const from = Number(searchParams.get('from'))
    const part = Buffer.concat(await request.toArray())
    const isAgain = startsOf(name).includes(from)
    starts.set(name, [...startsOf(name), from])
    if (name === 'refused.bin' && from === 0 && !isAgain) response.writeHead(503).end()
    else if (name === 'held.bin' && from === partBytes && !isAgain) hold()
    else {
      contents.set(name, Buffer.concat([contentOf(name).subarray(0, from), part]))
      response.writeHead(204).end()
    }
    return true
  }
  return { receive, held, startsOf, contentOf }
}

/**
 * @param {Pick<Page, 'getByRole'>} place
 * @param {string} name
 */
const button = (place, name) => place.getByRole('button', { name })
