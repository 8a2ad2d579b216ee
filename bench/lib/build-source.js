import { writeFileSync } from 'node:fs'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** What the public API does not show: the parts of a file store. */
const parts = `
export { FileMedium } from './src/store/file-medium.ts'
export { Journal, valueBytesMaxDefault } from './src/store/journal.ts'
export { nodeDisk } from './src/platform/node-disk.ts'
`

/**
 * Builds the library from its sources, with an entry more: `parts.js`.
 *
 * @param {string} folder
 * @returns {Promise<string>} the folder's address, to be used as `dist`
 */
export async function buildSource(folder) {
  const entries = { index: './src/index.ts', worker: './src/worker.ts' }
  await build({
    absWorkingDir: root,
    entryPoints: { ...entries, parts: 'offstage-parts' },
    outdir: folder,
    bundle: true,
    splitting: true,
    format: 'esm',
    target: 'es2022',
    platform: 'neutral',
    mainFields: ['module', 'main'],
    external: ['node:*'],
    logLevel: 'error',
    plugins: [
      {
        name: 'parts',
        setup({ onResolve, onLoad }) {
          onResolve({ filter: /^offstage-parts$/ }, ({ path }) => ({ path, namespace: 'parts' }))
          onLoad({ filter: /./, namespace: 'parts' }, () => ({ contents: parts, resolveDir: root, loader: 'ts' }))
        },
      },
    ],
  })
  writeFileSync(`${folder}/package.json`, '{ "type": "module" }')
  return `${pathToFileURL(folder).href}/`
}
