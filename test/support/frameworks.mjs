// With OFFSTAGE_FRAMEWORKS, a folder in which other versions of the frameworks are installed, the tests of the adapters run on
// these. `npm run test:apps -- adapters` installs the oldest versions that docs/guide/frameworks.md names.
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { svelte } from '@sveltejs/vite-plugin-svelte'

const folder = process.env.OFFSTAGE_FRAMEWORKS
const inFolder = folder && join(folder, 'package.json')
const frameworks = /^(react|react-dom|vue|@vue|preact|solid-js|svelte|@angular)(\/|$)/

/** Finds the frameworks in that folder. @type {() => import('vite').Plugin} */
const otherFrameworks = () => ({
  name: 'other-frameworks',
  enforce: 'pre',
  resolveId(source, importer, options) {
    if (!frameworks.test(source) || importer?.startsWith(/** @type {string} */ (folder))) return undefined
    return this.resolve(source, inFolder, { ...options, skipSelf: true })
  },
})

/** Its components are compiled by the same version that they run on. @type {() => import('vite').Plugin} */
const otherSvelteCompiler = () => ({
  name: 'other-svelte-compiler',
  // Prepared for the browser, it would be there twice: what the compiler imports is not known before.
  config: () => ({ optimizeDeps: { exclude: ['svelte'] } }),
  transform(code, id) {
    if (!id.endsWith('.svelte')) return undefined
    const { compile } = createRequire(/** @type {string} */ (inFolder))('svelte/compiler')
    return compile(code, { filename: id, generate: 'client' }).js
  },
})

/** Not for all projects: with it Bun cannot load esbuild. */
export const frameworkPlugins = () =>
  folder ? [otherFrameworks(), otherSvelteCompiler()] : [svelte({ configFile: false })]
