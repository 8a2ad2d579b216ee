// `npm run test:docs`, on the build: builds the site of docs/, and uses it as a visitor does. Every program of the playground is run in
// Chromium and has to print what its comments say; so has the code of other libraries on the pages for those who come from them.
//
//   --built   takes the site as it was built before
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { inChromium } from '../apps/browser.mjs'
import { serveFolder } from '../apps/servers.mjs'
import { pagesIn } from '../support/pages.mjs'
import { root, run } from '../support/process.mjs'
import { checkAccess } from './access.mjs'
import { checkPeers } from './peers.mjs'
import { checkMistakes, checkPrograms } from './playground.mjs'

const docs = join(root, 'docs')
const site = join(docs, '.vitepress/dist')

if (!process.argv.includes('--built')) {
  const commands = [
    ...(process.env.CI || !existsSync(join(docs, 'node_modules'))
      ? [['npm', 'ci', '--prefix', 'docs', '--ignore-scripts']]
      : []),
    ['npm', 'run', '--prefix', 'docs', 'types'],
    // A dead link fails it.
    ['npm', 'run', '--silent', '--prefix', 'docs', 'build'],
  ]
  for (const [command = '', ...args] of commands) if (!run(command, args)) process.exit(1)
}

const checks = {
  'each page is in the sidebar, and there as text': checkTexts,
  'the code of other libraries does what it says': checkPeers,
  'the playground runs its programs': onSite(checkPrograms, 'no errors'),
  'the playground says what is wrong': onSite(checkMistakes, 'anything'),
  'pages are accessible': onSite(checkAccess, 'no errors'),
}
for (const [title, check] of Object.entries(checks)) {
  const begin = Date.now()
  try {
    await check()
    console.log(`✓ ${title} (${Math.round((Date.now() - begin) / 1000)} s)`)
  } catch (error) {
    console.error(`✗ ${title}:`, error)
    process.exitCode = 1
  }
}

/**
 * @param {(page: import('playwright').Page, origin: string) => Promise<void>} check
 * @param {'no errors' | 'anything'} expected of what the page reports
 */
function onSite(check, expected) {
  return async () => {
    const server = await serveFolder(site, async (request) => {
      // As hosts of static sites do.
      const { pathname } = new URL(request.url ?? '/', 'http://localhost')
      if (existsSync(join(site, `${pathname}.html`))) request.url = `${pathname}.html`
      return false
    })
    try {
      await inChromium((page) => check(page, server.origin), { expected })
    } finally {
      await server.close()
    }
  }
}

async function checkTexts() {
  const index = readFileSync(join(site, 'llms.txt'), 'utf8')
  const contents = readFileSync(join(site, 'start.html'), 'utf8')
  for (const page of pagesIn(root, 'docs').map((path) => path.slice('docs/'.length))) {
    if (page === 'index.md') continue
    assert.ok(existsSync(join(site, page)), `${page} is there as Markdown`)
    assert.ok(index.includes(`/${page}`), `llms.txt names ${page}`)
    assert.ok(contents.includes(`href="/${page.replace(/\.md$/, '')}"`), `${page} is in the sidebar`)
  }
}
