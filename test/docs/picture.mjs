// `node test/docs/picture.mjs [--rounds 5]`, on the build: measures the picture of the README, docs/public/frames.svg. A page in Chromium
// draws as often as it can while primes are counted, once in the page itself and once by offstage in workers. Of several rounds the
// calmest counts, for both: other programs of the machine take frames, too.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { inChromium } from '../apps/browser.mjs'
import { serveFolder } from '../apps/servers.mjs'
import { root } from '../support/process.mjs'

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '5' } } })
const rounds = Number(values.rounds)
if (!Number.isInteger(rounds) || rounds < 1) {
  console.error(`Expected \`--rounds\` to be a number from 1, got \`${values.rounds}\`.`)
  process.exit(2)
}

/** How long a measurement is, in milliseconds; the work begins after the first tenth. */
const spanMs = 3_000

/** What is counted, the same in the page and in workers. */
const work = `
export function countPrimes(upTo) {
  let count = 0
  for (let n = 2; n <= upTo; n++) if (isPrime(n)) count++
  return count
}
function isPrime(n) {
  for (let d = 2; d * d <= n; d++) if (n % d === 0) return false
  return true
}`

const files = /** @type {Record<string, string>} */ ({
  '/': `<!doctype html><title>Frames</title><link rel="icon" href="data:,"><div id="box" style="width: 40px; height: 40px; background: #2f5fd0"></div>
<script type="module" src="/page.js"></script>`,
  '/work.js': work,
  '/jobs.js': `import { defineJobs } from '/lib/worker.js'
import { countPrimes } from './work.js'
export const jobs = defineJobs({ countPrimes })`,
  '/page.js': `import { createScheduler } from '/lib/index.js'
import { countPrimes } from './work.js'
const scheduler = createScheduler(() => new Worker(new URL('./jobs.js', import.meta.url), { type: 'module' }))
const box = document.querySelector('#box')
const upTo = 2_000_000
const results = { page: [], workers: [] }
/** The times of all frames, in milliseconds since the beginning. */
globalThis.measure = (where) => new Promise((resolve) => {
  const frames = []
  const begin = performance.now()
  let hasBegun = false
  const draw = () => {
    const at = performance.now() - begin
    frames.push(at)
    box.style.transform = 'translateX(' + at % 400 + 'px)'
    if (!hasBegun && at > ${spanMs / 10}) {
      hasBegun = true
      if (where === 'page') setTimeout(() => [1, 2, 3].map(() => results.page.push(countPrimes(upTo))))
      else for (let n = 0; n < 3; n++) scheduler.run.countPrimes(upTo).then((count) => results.workers.push(count))
    }
    if (at < ${spanMs} || results[where].length % 3 !== 0) requestAnimationFrame(draw)
    else resolve({ frames, count: results[where].at(-1) })
  }
  requestAnimationFrame(draw)
})
await scheduler.run.countPrimes(1_000)
document.title = 'ready'`,
})

/** @typedef {{ frames: number[], count: number }} Measured */

const server = await serveFolder(root, async ({ url = '/' }, response) => {
  const content =
    files[url] ??
    (url.startsWith('/lib/') ? readFileSync(join(root, 'dist', url.slice('/lib/'.length)), 'utf8') : undefined)
  if (content === undefined) return false
  response.writeHead(200, { 'Content-Type': url === '/' ? 'text/html' : 'text/javascript' }).end(content)
  return true
})
/** @type {Record<'page' | 'workers', Measured[]>} */
const measured = { page: [], workers: [] }
try {
  await inChromium(
    async (page) => {
      await page.goto(server.origin)
      await page.waitForFunction(() => document.title === 'ready')
      for (let round = 0; round < rounds; round++)
        for (const where of /** @type {const} */ (['page', 'workers'])) {
          // @ts-expect-error `measure` is a global of the page.
          const result = /** @type {Measured} */ (await page.evaluate((where) => globalThis.measure(where), where))
          measured[where].push(result)
          console.log(`${where}: ${result.frames.length} frames, the longest gap ${Math.round(longestGap(result))} ms`)
        }
    },
    { expected: 'no errors' },
  )
} finally {
  await server.close()
}
const [inPage, inWorkers] = [calmest(measured.page), calmest(measured.workers)]
if (inPage.count !== inWorkers.count) throw new Error('Both have to count the same.')
writeFileSync(join(root, 'docs/public/frames.svg'), picture(inPage, inWorkers))

/** @param {Measured} measured */
function longestGap({ frames }) {
  return Math.max(...frames.slice(1).map((at, index) => at - (frames[index] ?? 0)))
}

/** @param {Measured[]} all */
function calmest(all) {
  return /** @type {Measured} */ ([...all].sort((a, b) => longestGap(a) - longestGap(b))[0])
}

/**
 * @param {Measured} inPage
 * @param {Measured} inWorkers
 */
function picture(inPage, inWorkers) {
  const width = 760
  const [left, right] = [24, width - 24]
  const xOf = (/** @type {number} */ at) => (left + (Math.min(at, spanMs) / spanMs) * (right - left)).toFixed(1)
  const lostMs = 50 // three frames, which one sees
  const row = (/** @type {number} */ y, /** @type {string} */ title, /** @type {Measured} */ measured) => {
    const frames = measured.frames.filter((at) => at <= spanMs)
    const lines = frames.map((at) => `M${xOf(at)} ${y}v36`).join('')
    const gaps = [...frames, spanMs].flatMap((at, index) => {
      const before = frames[index - 1] ?? 0
      return at - before > lostMs
        ? [
            `<rect class="gap" x="${xOf(before)}" y="${y}" width="${(Number(xOf(at)) - Number(xOf(before))).toFixed(1)}" height="36" rx="3"/>`,
          ]
        : []
    })
    const verdict = `longest gap ${Math.round(longestGap(measured)).toLocaleString('en')} ms`
    return `<text x="${left}" y="${y - 10}">${title}</text><text x="${right}" y="${y - 10}" text-anchor="end">${verdict}</text>
  <path class="frame" d="${lines}"/>${gaps.join('')}`
  }
  const seconds = Array.from({ length: spanMs / 1_000 + 1 }, (_, second) => {
    const anchor = second === 0 ? 'start' : second * 1_000 === spanMs ? 'end' : 'middle'
    return `<text class="quiet" x="${xOf(second * 1_000)}" y="208" text-anchor="${anchor}">${second} s</text>`
  })
  const words = `The same work twice, and the frames of the page meanwhile. In the page: the longest time without a frame is ${Math.round(longestGap(inPage))} ms. In workers: ${Math.round(longestGap(inWorkers))} ms.`
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} 224" role="img" aria-label="${words}">
  <style>
    text { font: 14px system-ui, sans-serif; fill: #1c1b18 }
    .quiet { font-size: 12px; fill: #6a665d }
    .card { fill: #fffefb; stroke: #e1ddd2 }
    .frame { stroke: #2f5fd0; stroke-width: 1.5; fill: none }
    .gap { fill: #d13b2a }
    @media (prefers-color-scheme: dark) {
      text { fill: #ecebe6 }
      .quiet { fill: #9c9a93 }
      .card { fill: #191b1e; stroke: #2c2f34 }
      .frame { stroke: #86a9ff }
      .gap { fill: #ff6a55 }
    }
  </style>
  <rect class="card" x="0.5" y="0.5" width="${width - 1}" height="223" rx="10"/>
  ${row(48, 'Counting primes in the page <tspan class="quiet" dx="6">each line is a frame that it has drawn</tspan>', inPage)}
  ${row(134, 'Counting the same primes with offstage', inWorkers)}
  ${seconds.join('')}
</svg>
`
}
