// Parcel and older resolvers ignore `exports`: for them each subpath is also a folder with a package.json. The folders are there
// only while the package is packed, because tools that run in this folder would take `react/` for the package of that name.
// `write` makes them, `remove` takes them away.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'

const exports = JSON.parse(readFileSync('package.json', 'utf8')).exports
const subpaths = Object.keys(exports).filter((path) => path !== '.' && typeof exports[path] === 'object')

/** @param {string} file */
const up = (file) => file.replace('./', '../')

for (const path of subpaths) {
  rmSync(path, { recursive: true, force: true })
  if (process.argv[2] === 'remove') continue
  const { import: esm, require: cjs } = exports[path]
  mkdirSync(path)
  const stub = { main: up(cjs.default), module: up(esm.default), types: up(esm.types), sideEffects: false }
  writeFileSync(`${path}/package.json`, `${JSON.stringify(stub, null, 2)}\n`)
}
