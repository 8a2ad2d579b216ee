// The examples of docs/guide/frameworks.md and hmr.md as files of an application, one for each framework, and what must hold of each in Chromium.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { blocksOf } from '../support/pages.mjs'
import { root } from '../support/process.mjs'
import { inChromium } from './browser.mjs'
import { serveFolder } from './servers.mjs'

export const frameworks = ['react', 'preact', 'vue', 'svelte', 'solid', 'angular']

const ofEach = (/** @type {string} */ file) => frameworks.map((name) => `${name}/${file}`)

/**
 * Where each block belongs, by what only it contains.
 *
 * @type {Record<string, string[]>}
 */
const places = {
  '// scheduler.ts\n': ofEach('scheduler.ts'),
  '// vite.config.ts\n': ['vite.config.ts'],
  'useJobs(': ['react/List.tsx', 'preact/List.tsx'],
  "'offstage/react'": ['react/Primes.tsx', 'preact/Primes.tsx'],
  "'offstage/vue'": ['vue/Primes.vue'],
  "'offstage/svelte'": ['svelte/Primes.svelte'],
  "'offstage/solid'": ['solid/Primes.tsx'],
  "'offstage/angular'": ['angular/primes.ts'],
  'import.meta.webpackHot': ['react/webpack.ts'],
}

/**
 * Writes the blocks into the folder of an application that has everything else.
 *
 * @param {string} folder
 */
export function writeExamples(folder) {
  const write = (/** @type {string} */ file, /** @type {string} */ code) => writeFileSync(join(folder, file), code)
  for (const code of ['docs/guide/frameworks.md', 'docs/guide/hmr.md'].flatMap(codeOf)) {
    const files = Object.entries(places).find(([mark]) => code.includes(mark))?.[1]
    if (!files) throw new Error(`This example has no place in test/apps/examples.mjs:\n${code}`)
    for (const file of files) write(file, wholeOf(file, code))
  }
  // The worker module that all of them have.
  const jobs = codeOf('docs/start.md').find((code) => code.startsWith('// jobs.ts\n'))
  for (const file of ofEach('jobs.ts')) write(file, String(jobs))
}

/** @param {string} page */
const codeOf = (page) => blocksOf(root, page).map(({ code }) => code)

/**
 * An example as it is in its application. What that says once, in its tsconfig.json, is said in the file.
 *
 * @param {string} file
 * @param {string} code
 */
function wholeOf(file, code) {
  switch (file) {
    case 'preact/Primes.tsx':
    case 'preact/List.tsx':
      return `/** @jsxImportSource preact */\n${code.replace('offstage/react', 'offstage/preact')}`
    case 'solid/Primes.tsx':
      return `/** @jsxImportSource solid-js */\n${code}`
    case 'react/webpack.ts':
      return `import { scheduler } from './scheduler.ts'\n${code}`
    default:
      return code
  }
}

/**
 * Serves the built examples and uses each of them: it must cancel, and go on over a reload.
 *
 * @param {string} folder
 */
export async function checkExamples(folder) {
  for (const framework of frameworks) {
    const server = await serveFolder(join(folder, framework, 'dist'))
    try {
      await inChromium((page) => checkPrimes(page, server.origin), { expected: ['loaded', 'loaded'] })
    } catch (error) {
      throw new Error(`The example for ${framework}: ${error}`, { cause: error })
    } finally {
      await server.close()
    }
  }
}

/**
 * @param {import('playwright').Page} page
 * @param {string} url
 */
async function checkPrimes(page, url) {
  const button = (/** @type {string} */ name) => page.getByRole('button', { name })
  const isUnderWay = () => page.waitForFunction(() => (document.querySelector('progress')?.position ?? 0) > 0)
  await page.goto(url)
  await button('Count').click()
  await isUnderWay()
  await button('Cancel').click()
  await button('Count').waitFor()
  assert.equal(await page.getByText('Error').count(), 0, 'a job that was cancelled has no error to show')
  await button('Count').click()
  await isUnderWay()
  await page.reload()
  await isUnderWay()
  await page.getByText('348513').waitFor()
  assert.equal(await page.getByText('Error').count(), 0)
}
