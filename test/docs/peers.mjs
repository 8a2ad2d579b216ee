// The code of other libraries, on the pages for those who come from them: type-checked, and run where it needs neither a page nor a
// server. They are installed in docs/.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import ts from 'typescript'
import { blocksOf, pagesIn, printedBy } from '../support/pages.mjs'
import { root } from '../support/process.mjs'

const folder = join(root, 'docs/node_modules/.cache/offstage-peers')
const blocks = pagesIn(root, 'docs')
  .flatMap((page) => blocksOf(root, page))
  .filter(({ marks }) => marks.peer)

/** Where their code runs. */
const needs = /** @type {Readonly<Record<string, string>>} */ ({ comlink: 'a page', bullmq: 'Redis' })

export async function checkPeers() {
  rmSync(folder, { recursive: true, force: true })
  const paths = blocks.map(({ name = '', marks: { peer = '' }, code }) => {
    const path = join(folder, peer, name)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, code)
    return path
  })
  assert.equal(new Set(paths).size, blocks.length)
  checkTypes(paths)
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  for (const path of paths) writeFileSync(path.replace(/ts$/, 'js'), toJs(path))
  for (const block of blocks) {
    const { name, marks } = block
    if (name !== 'main.ts' || !marks.peer || marks.peer in needs) continue
    const output = execFileSync(process.execPath, [join(folder, marks.peer, 'main.js')], {
      encoding: 'utf8',
      timeout: 30_000,
    })
    assert.equal(output.trimEnd(), printedBy(block), `what the program with ${marks.peer} prints`)
  }
}

/** @param {string} path */
function toJs(path) {
  const code = ts.sys.readFile(path) ?? ''
  return ts.transpileModule(code, { compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 } })
    .outputText
}

/** @param {readonly string[]} paths */
function checkTypes(paths) {
  const program = ts.createProgram([...paths], {
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    lib: ['lib.es2022.d.ts', 'lib.dom.d.ts', 'lib.dom.iterable.d.ts'],
    types: ['node'],
    typeRoots: [join(root, 'node_modules/@types')],
    strict: true,
    allowImportingTsExtensions: true,
    noEmit: true,
    skipLibCheck: true,
  })
  const problems = ts.getPreEmitDiagnostics(program)
  const host = {
    getCurrentDirectory: () => folder,
    getCanonicalFileName: (/** @type {string} */ name) => name,
    getNewLine: () => '\n',
  }
  assert.equal(ts.formatDiagnostics(problems, host), '')
}
