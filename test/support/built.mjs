// With OFFSTAGE_BUILT=1 tests run on the build: `offstage` and its subpaths are what package.json exports, and not the sources.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './process.mjs'

const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

/** @type {Record<string, string>} */
export const builtAliases = {}
if (process.env.OFFSTAGE_BUILT) {
  for (const [path, target] of Object.entries(exports).reverse())
    if (target.import) builtAliases[join('offstage', path)] = join(root, target.import.default)
}
