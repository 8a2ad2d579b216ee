// Rules of accessibility that a program can check, by axe, light and dark, wide and narrow.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../support/process.mjs'

const axe = readFileSync(join(root, 'node_modules/axe-core/axe.min.js'), 'utf8')
const pages = ['/', '/start', '/guide/results', '/compared', '/api/offstage/groups', '/playground']

/**
 * @param {import('playwright').Page} page
 * @param {string} origin
 */
export async function checkAccess(page, origin) {
  /** @type {string[]} */
  const found = []
  for (const [colorScheme, width] of /** @type {const} */ ([
    ['light', 1280],
    ['dark', 400],
  ])) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
    await page.setViewportSize({ width, height: 900 })
    for (const path of pages) {
      await page.goto(origin + path)
      await page.locator('h1').first().waitFor()
      await page.evaluate(axe)
      const violations = await page.evaluate(async () => {
        // @ts-expect-error axe is put into the page above.
        const { violations } = await globalThis.axe.run(document, {
          // VitePress' search button shows its keys beside its name.
          rules: { 'label-content-name-mismatch': { enabled: false } },
        })
        return violations.map(
          (/** @type {{ id: string, help: string, nodes: { html: string }[] }} */ { id, help, nodes }) =>
            `${id}: ${help}: ${nodes.map(({ html }) => html.slice(0, 160)).join('\n    ')}`,
        )
      })
      found.push(
        ...violations.map((/** @type {string} */ violation) => `${path}, ${colorScheme}, ${width} px: ${violation}`),
      )
    }
  }
  assert.deepEqual(found, [])
}
