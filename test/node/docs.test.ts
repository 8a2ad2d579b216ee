// Every block of code in the README and in the pages of docs/ is type-checked, and run by Node in a process of its own: what it
// prints has to be what its comments say. `npm run test:docs` also runs those of the playground, in Chromium, some of which need a
// page; and the code of other libraries, which are installed for it. Components of frameworks are built and used by `npm run test:apps`.
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { build, type Plugin } from 'esbuild'
import ts from 'typescript'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { eventTypes } from '../../src/events/event-map.ts'
import { states } from '../../src/job/record.ts'
import { blocksOf, isCode, type MarkedBlock, pagesOf, printedBy } from '../support/pages.mjs'

const root = fileURLToPath(new URL('../..', import.meta.url))
const cache = join(root, 'node_modules/.cache')
let folder = ''

interface Block extends MarkedBlock {
  /** What it is written to. A page has a folder, with the files that its blocks are; so each has names of its own. */
  readonly file: string
}

const { exports, scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const subpaths = Object.keys(exports).flatMap((path) => (/^\.\/\w+$/.test(path) ? path.slice(2) : []))
const pages = pagesOf(root)
const blocks = pages.flatMap((page) => blocksOf(root, page))
/** What is type-checked here. */
const code = blocks.filter((block) => isCode(block) && !block.marks.peer).map(withFile)
const parts = new Map(code.flatMap(({ marks, code }) => (marks.part ? [[marks.part, code] as const] : [])))

/** Examples all over the pages go on from these. */
const shared = code.find(({ page, name }) => page === 'docs/start.md' && name === 'jobs.ts')

function withFile(block: MarkedBlock): Block {
  const { page, line, name, marks } = block
  const own = marks.jobs || !name ? `line-${line}.ts` : name
  return { ...block, file: join(folderOf(page), marks.playground ?? '', own) }
}

function folderOf(page: string) {
  return page.replace(/\.md$/, '').replaceAll('/', '-')
}

const isProgram = ({ code }: Block) => code.includes('createScheduler')
const isWorker = (block: Block) => block.code.includes('defineJobs(') && !isProgram(block)
const runsHere = ({ marks }: Block) => !marks['typecheck-only'] && !marks.part
const programs = code.filter((block) => runsHere(block) && !isWorker(block))

/** A block as a module of its own: an excerpt with the scheduler that it goes on from, a recipe with the part that it uses. */
function wholeOf({ code, marks: { jobs, with: part } }: Block) {
  if (part) return `${parts.get(part)}\n${code}`
  if (!jobs) return code
  return `import { createScheduler as makeScheduler } from 'offstage'
import type { jobs as table } from './${jobs}'
const scheduler = makeScheduler<typeof table>(
  () => new Worker(new URL('./${jobs}', import.meta.url), { type: 'module' }),
)
${code}
await scheduler.close({ mode: 'now' })
export {}
`
}

/** The files that are written: all blocks, and the shared jobs in the folder of each page that has none, but goes on from them. */
function filesOf(): Map<string, string> {
  const files = new Map(code.map((block) => [block.file, wholeOf(block)]))
  for (const block of code) {
    const jobs = join(dirname(block.file), 'jobs.ts')
    if (wholeOf(block).includes("'./jobs.ts'") && !files.has(jobs)) files.set(jobs, shared?.code ?? '')
  }
  return files
}

/** What bundlers that know the worker line do with it; esbuild leaves it alone. */
const workerLine: Plugin = {
  name: 'worker-line',
  setup: ({ onLoad }) =>
    onLoad({ filter: /\.ts$/ }, ({ path }) => {
      if (!path.startsWith(folder)) return undefined
      const contents = readFileSync(path, 'utf8').replace(/(new URL\('\.\/[\w-]+)\.ts'/g, "$1.js'")
      return { contents, loader: 'ts' }
    }),
}

/** What `webpack/module` says, as far as a page uses it; webpack is not installed here. */
const webpackTypes = `interface ImportMeta {
  readonly webpackHot?: { accept(module: string, onUpdate: () => void): void; dispose(onDispose: () => void): void }
}
`

const run: (file: string, args: string[], options: object) => Promise<Outcome> = promisify(execFile)

interface Outcome {
  readonly code?: number
  readonly stdout: string
  readonly stderr: string
}

/** Handlers of a recipe print between the lines of its program, so only what is printed counts, and not in which order. */
const inOrder = (text: string, { marks }: Block) => (marks.recipe ? text.split('\n').sort().join('\n') : text)

beforeAll(async () => {
  mkdirSync(cache, { recursive: true })
  folder = mkdtempSync(join(cache, 'offstage-docs-'))
  const files = filesOf()
  for (const [file, text] of files) {
    mkdirSync(join(folder, dirname(file)), { recursive: true })
    writeFileSync(join(folder, file), text)
  }
  writeFileSync(join(folder, 'webpack.d.ts'), webpackTypes)
  const areChecked = new Set(code.filter((block) => !runsHere(block)).map(({ file }) => file))
  await build({
    absWorkingDir: folder,
    entryPoints: [...files.keys()].filter((file) => !areChecked.has(file)),
    outdir: folder,
    outbase: folder,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'es2022',
    alias: {
      offstage: join(root, 'src/index.ts'),
      ...Object.fromEntries(subpaths.map((name) => [`offstage/${name}`, join(root, `src/${name}.ts`)])),
    },
    plugins: [workerLine],
    logLevel: 'warning',
  })
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
}, 60_000)
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('every block of code has a name or goes on from one that has, and is covered', () => {
  expect(pages.length).toBeGreaterThan(30)
  expect(code.length).toBeGreaterThan(100)
  const files = filesOf()
  for (const block of code) {
    const { page, line, name, marks } = block
    const where = `the block in line ${line} of ${page}`
    expect(name ?? marks.jobs ?? marks.recipe ?? marks.part, `a name for ${where}`).toBeTruthy()
    if (marks.jobs) expect([...files.keys()], `the jobs of ${where}`).toContain(join(folderOf(page), marks.jobs))
    // What says nothing proves nothing.
    if (marks.recipe) expect(printedBy(block), `what ${where} prints`).not.toBe('')
  }
  expect(new Set(code.map(({ file }) => file)).size).toBe(code.length)
  // Each worker module is loaded by one of the programs.
  for (const worker of code.filter((block) => isWorker(block) && runsHere(block))) {
    const names = [`'./${worker.name}'`, `'./${worker.name?.replace(/ts$/, 'js')}'`]
    const loads = (block: Block) => block.page === worker.page && names.some((name) => wholeOf(block).includes(name))
    expect(programs.some(loads), `${worker.file} is used`).toBe(true)
  }
})

test('what is not run says why', () => {
  const reasons = new Set(code.flatMap(({ marks }) => marks['typecheck-only'] ?? []))
  expect([...reasons].sort()).toEqual(
    ['a component runs in a page', 'it needs a page', 'it is a module of a server'].sort(),
  )
  const languages = new Set(blocks.filter((block) => !isCode(block)).map(({ language }) => language))
  expect([...languages].sort()).toEqual(['css', 'sh', 'svelte', 'tsx', 'vue'])
  const ofApps = blocks.filter(({ language }) => ['tsx', 'vue', 'svelte'].includes(language))
  expect(new Set(ofApps.map(({ page }) => page))).toEqual(new Set(['docs/guide/frameworks.md']))
})

test('all of it is right by its types', () => {
  const program = ts.createProgram([...code.map(({ file }) => join(folder, file)), join(folder, 'webpack.d.ts')], {
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    lib: ['lib.es2022.d.ts', 'lib.esnext.disposable.d.ts', 'lib.dom.d.ts', 'lib.dom.iterable.d.ts'],
    types: ['node'],
    typeRoots: [join(root, 'node_modules/@types')],
    paths: { offstage: [join(root, 'src/index.ts')], 'offstage/*': [join(root, 'src/*.ts')] },
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    allowImportingTsExtensions: true,
    noEmit: true,
    skipLibCheck: true,
  })
  const problems = ts.getPreEmitDiagnostics(program).filter(({ file }) => file?.fileName.startsWith(folder))
  const shown = ts.formatDiagnostics(problems, {
    getCurrentDirectory: () => folder,
    getCanonicalFileName: (name) => name,
    getNewLine: () => '\n',
  })
  expect(shown).toBe('')
}, 60_000)

describe('runs, prints what it says, and ends by itself:', () => {
  test.each(programs.map((block) => [`${block.page}, line ${block.line}`, block] as const))(
    '%s',
    async (_, block) => {
      const script = join(folder, block.file.replace(/\.ts$/, '.js'))
      const { stdout, stderr } = await run(process.execPath, [script], { timeout: 30_000, cwd: dirname(script) })
      expect(stderr).toBe('')
      const said = printedBy(block)
      expect(inOrder(stdout.trimEnd(), block)).toBe(inOrder(said, block))
    },
    40_000,
  )
})

/** What a page has as code, in its text and its tables. */
const codeIn = (page: string) => {
  const text = readFileSync(join(root, page), 'utf8').replaceAll(/^```[\s\S]*?^```$/gm, '')
  return new Set(Array.from(text.matchAll(/`([^`]+)`/g), ([, code = '']) => code.split(/\s+/)).flat())
}

test('no code of an error, event or state is left out', () => {
  const errors = readFileSync(join(root, 'src/shared/errors.ts'), 'utf8')
  const codes = Array.from(errors.matchAll(/^ {2}\| '(\w+)'$/gm), ([, code]) => code)
  expect(codes).toContain('JOB_TIMEOUT')
  expect([...codeIn('docs/guide/errors.md')]).toEqual(expect.arrayContaining(codes))
  expect([...codeIn('docs/reference.md')]).toEqual(expect.arrayContaining([...eventTypes, ...states]))
})

test('the commands are scripts of this package', () => {
  const commands = pages.flatMap((page) =>
    Array.from(
      readFileSync(join(root, page), 'utf8').matchAll(/npm (?:run )?(test\b|(?<=run )[\w:]+)/g),
      ([, name]) => name,
    ),
  )
  for (const name of commands) expect(scripts).toHaveProperty([name as string])
  const readme = readFileSync(join(root, 'README.md'), 'utf8')
  for (const command of ['npm ci && npm run demo', 'npm ci && npm test']) expect(readme).toContain(command)
})

test('the README is short', () => {
  expect(readFileSync(join(root, 'README.md'), 'utf8').split('\n').length).toBeLessThan(200)
})
