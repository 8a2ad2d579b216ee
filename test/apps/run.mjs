// `npm run test:apps [-- name…]`: builds the same job page with every bundler and framework, from the packed library, and runs
// its jobs in Chromium, from the production build and from the dev server, whose cache is cold. Runs the test runners and
// compilers that our users have as well, and uses the programs of demo/programs and the examples of docs/guide/frameworks.md.
//
//   --fast         the apps that differ most
//   --write-docs   writes what works into docs/guide/bundlers.md
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { apps } from './apps.mjs'
import { extensionUrl } from './browser.mjs'
import { writeDocs } from './docs.mjs'
import { checkPage } from './page-checks.mjs'
import { exec, pack, prepare } from './project.mjs'
import { serveFolder, startServer } from './servers.mjs'

const options = ['--fast', '--write-docs']
const args = process.argv.slice(2)
const [isFast, writesDocs] = options.map((option) => args.includes(option))
const asked = args.filter((arg) => !options.includes(arg))
const unknown = asked.filter((name) => !(name in apps))
if (unknown.length > 0) {
  console.error(`Expected apps among ${Object.keys(apps).join(', ')}, got ${unknown.join(', ')}.`)
  process.exit(2)
}

/** @typedef {Record<string, Record<string, boolean>>} Results by app and run */
/** @type {Results} */
const results = {}

pack()
for (const [name, app] of Object.entries(apps)) {
  if (asked.length > 0 ? asked.includes(name) : !isFast || app.isFast) results[name] = await tryApp(name, app)
}
if (writesDocs) writeDocs(results)
const failed = Object.entries(results).flatMap(([name, runs]) =>
  Object.keys(runs)
    .filter((run) => !runs[run])
    .map((run) => `${name}: ${run}`),
)
for (const each of failed) console.error(`FAILED: ${each}`)
process.exitCode = failed.length > 0 ? 1 : 0

/**
 * @param {string} name
 * @param {import('./apps.mjs').App} app
 */
async function tryApp(name, app) {
  /** @type {Record<string, boolean>} */
  const runs = {}
  for (const [title, run] of Object.entries(app.runs)) {
    const start = Date.now()
    const tried = () => tryRun(name, app, run).catch((error) => error)
    let error = await tried()
    // As with other tests in browsers, CI has a second try, and says so.
    if (error && process.env.CI) {
      console.log(`!!! NOT AT THE FIRST TRY: ${app.title}: ${title}: ${error}`)
      error = await tried()
    }
    runs[title] = !error
    console.log(`${error ? '✗' : '✓'} ${app.title}: ${title} (${Math.round((Date.now() - start) / 1000)} s)`)
    if (error) console.error(error)
  }
  return runs
}

/**
 * @param {string} name
 * @param {import('./apps.mjs').App} app
 * @param {import('./apps.mjs').Run} run
 */
async function tryRun(name, app, run) {
  const folder = prepare(name, app)
  const { pageFolder = '.' } = app
  if (run.command) exec(run.command, folder)
  const extension = run.extension && join(folder, run.extension)
  if (extension) return checkPage(extensionUrl(extension), { extension })
  if (run.checkFolder) return run.checkFolder(join(folder, run.folder ?? '.'))
  const server = run.server
    ? await startServer(run.server, folder)
    : run.folder && (await serveFolder(join(folder, run.folder)))
  if (!server) return
  try {
    if (run.checkServer) await run.checkServer(server.origin)
    else await checkPage(server.origin, run.isHot ? { edit: () => editHandlers(join(folder, pageFolder)) } : {})
    if (run.route) await checkRoute(`${server.origin}${run.route}`, run.isHot ? 'edited' : 'done')
  } finally {
    await server.close()
  }
}

/** @param {string} folder */
function editHandlers(folder) {
  const file = join(folder, 'handlers.js')
  writeFileSync(file, readFileSync(file, 'utf8').replace("return 'done'", "return 'edited'"))
}

/**
 * @param {string} url
 * @param {string} expected
 */
async function checkRoute(url, expected) {
  const response = await fetch(url)
  const text = await response.text()
  if (text !== expected) throw new Error(`${url} responded with ${response.status}: ${text.slice(0, 1_000)}`)
}
