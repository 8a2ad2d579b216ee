// The tables of docs/guide/bundlers.md: a row for each app, written when the app was tried.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../support/process.mjs'
import { apps } from './apps.mjs'

const page = join(root, 'docs/guide/bundlers.md')
const none = ''

/**
 * Writes the rows of the apps that were tried, in the order of the table of apps, and leaves the others as they are.
 *
 * @param {import('./run.mjs').Results} results
 */
export function writeDocs(results) {
  const text = readFileSync(page, 'utf8')
  const tables = /(<!-- (apps|tests) -->\n(?:.*\n){2})((?:.*\n)*?)(?=<!-- end -->)/g
  writeFileSync(
    page,
    text.replace(tables, (_all, head, table, rows) => head + rowsOf(table === 'tests', rows, results).join('')),
  )
}

/**
 * @param {boolean} areTests
 * @param {string} before the rows as they are
 * @param {import('./run.mjs').Results} results
 */
function rowsOf(areTests, before, results) {
  const old = before.split(/(?<=\n)/)
  return Object.entries(apps)
    .filter(([_name, { hasNoPage = false, isOurs }]) => !isOurs && hasNoPage === areTests)
    .map(([name, app]) => {
      const runs = results[name]
      if (!runs) return old.find((row) => row.startsWith(`| ${app.title} |`)) ?? none
      const [version = none] = Object.values(app.dependencies)
      const works = areTests ? [listed(runs)] : [mark(runs.production), mark(runs.dev)]
      return `| ${[app.title, version, ...works, app.needs ?? none].join(' | ')} |\n`
    })
}

/** @param {boolean | undefined} isGood */
const mark = (isGood) => (isGood === undefined ? none : isGood ? '✓' : '✗')

/** @param {Record<string, boolean>} runs */
const listed = (runs) =>
  Object.entries(runs)
    .map(([title, isGood]) => `${mark(isGood)} ${title}`)
    .join(', ')
