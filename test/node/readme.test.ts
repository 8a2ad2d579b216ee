// Every block of code in the README, and in the pages beside it, is type-checked and run, by Node, in a process of its own; what it prints has to be
// what its comments say. Only what belongs into a component of a page is type-checked alone, and says so.
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { build, type Plugin } from 'esbuild'
import ts from 'typescript'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))
const cache = join(root, 'node_modules/.cache')
let folder = ''

/** The folder of a page has the files that its blocks are; so each has names, and worker modules, of its own. */
const pages = { readme: 'README.md', events: 'docs/EVENTS.md' }

interface Block {
  readonly page: string
  /** Its line on the page. */
  readonly line: number
  readonly language: string
  readonly code: string
  /** Its own name, from its first line, or one made up for an excerpt; behind the folder of its page. */
  readonly file: string
  /** An excerpt goes on from a scheduler of the jobs in this file. */
  readonly jobs: string | undefined
  /** Why it is not run. */
  readonly typecheckOnly: string | undefined
}

const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const subpaths = Object.keys(exports).flatMap((path) => (/^\.\/\w+$/.test(path) ? path.slice(2) : []))
const readme = readFileSync(join(root, 'README.md'), 'utf8')
const blocks = Object.entries(pages).flatMap(([folder, page]) => {
  const text = readFileSync(join(root, page), 'utf8')
  return Array.from(text.matchAll(/^```(\S*)(.*)\n([\s\S]*?)^```$/gm), (match) => toBlock(match, text, folder))
})
const code = blocks.filter(({ language }) => language !== 'sh')

function toBlock(match: RegExpMatchArray, text: string, page: string): Block {
  const { 1: language = '', 2: info = '', 3: code = '', index } = match
  const line = text.slice(0, index).split('\n').length
  const jobs = info.match(/\bjobs=(\S+)/)?.[1]
  const name = jobs ? `line-${line}.ts` : code.match(/^\/\/ (\S+\.ts)\n/)?.[1]
  const file = name ? `${page}/${name}` : ''
  return { page, line, language, code, file, jobs, typecheckOnly: info.match(/typecheck-only: (.+)/)?.[1] }
}

const isWorker = ({ code }: Block) => code.includes('defineJobs(')
const programs = code.filter((block) => !isWorker(block) && !block.typecheckOnly)

/** An excerpt with the scheduler that it goes on from. */
const wholeOf = ({ code, jobs }: Block) =>
  jobs === undefined
    ? code
    : `import { createScheduler as makeScheduler } from 'offstage'
import type { jobs as table } from './${jobs}'
const scheduler = makeScheduler<typeof table>(
  () => new Worker(new URL('./${jobs}', import.meta.url), { type: 'module' }),
)
${code}
await scheduler.close({ mode: 'now' })
export {}
`

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

const run: (file: string, args: string[], options: object) => Promise<Outcome> = promisify(execFile)

interface Outcome {
  readonly code?: number
  readonly stdout: string
  readonly stderr: string
}

/** What the comments say is printed: behind each `console.log`, or on lines of their own behind the code. */
const printedBy = (code: string) =>
  Array.from(code.matchAll(/^(?:.*console\.log\(.*\S +)?\/\/ (.+)$/gm), ([, text]) => text).join('\n')

beforeAll(async () => {
  mkdirSync(cache, { recursive: true })
  folder = mkdtempSync(join(cache, 'offstage-readme-'))
  for (const page of Object.keys(pages)) mkdirSync(join(folder, page))
  for (const block of code)
    writeFileSync(join(folder, block.file || `${block.page}/line-${block.line}.ts`), wholeOf(block))
  await build({
    absWorkingDir: folder,
    entryPoints: code.filter(({ typecheckOnly }) => !typecheckOnly).map(({ file }) => file),
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
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('every block of code has a name or goes on from one that has, and is covered', () => {
  expect(code.length).toBeGreaterThan(10)
  const workers = new Set(code.filter(isWorker).map(({ file }) => file))
  for (const { page, line, language, file, jobs } of code) {
    const where = `the block in line ${line} of ${page}`
    expect(language, `the language of ${where}`).toBe('ts')
    expect(file, `a name for ${where}`).not.toBe('')
    if (jobs) expect(workers, `the jobs of ${where}`).toContain(`${page}/${jobs}`)
  }
  expect(new Set(code.map(({ file }) => file)).size).toBe(code.length)
  // Each worker module is loaded by one of the programs.
  const isLoaded = (worker: string) => (block: Block) =>
    worker.startsWith(`${block.page}/`) && wholeOf(block).includes(`.${worker.slice(block.page.length)}'`)
  for (const worker of workers) expect(programs.some(isLoaded(worker)), worker).toBe(true)
  const skipped = code.flatMap(({ typecheckOnly }) => typecheckOnly ?? [])
  for (const reason of skipped) expect(reason).toMatch(/^a component runs in a page$/)
})

test('all of it is right by its types', () => {
  const program = ts.createProgram(
    code.map(({ file }) => join(folder, file)),
    {
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
    },
  )
  const problems = ts.getPreEmitDiagnostics(program).filter(({ file }) => file?.fileName.startsWith(folder))
  const shown = ts.formatDiagnostics(problems, {
    getCurrentDirectory: () => folder,
    getCanonicalFileName: (name) => name,
    getNewLine: () => '\n',
  })
  expect(shown).toBe('')
}, 60_000)

describe('runs, prints what it says, and ends by itself:', () => {
  test.each(programs.map((block) => [`${block.file} (line ${block.line})`, block] as const))(
    '%s',
    async (_, block) => {
      const script = join(folder, block.file.replace(/\.ts$/, '.js'))
      const { stdout, stderr } = await run(process.execPath, [script], { timeout: 30_000, cwd: folder })
      expect(stderr).toBe('')
      expect(stdout.trimEnd()).toBe(printedBy(block.code.replace(/^\/\/ \S+\.ts\n/, '')))
    },
    40_000,
  )
})

test('the commands are scripts of this package', () => {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: object }
  const commands = Array.from(readme.matchAll(/npm (?:run )?(test|demo:?\w*)/g), ([, name]) => name)
  expect(new Set(commands)).toEqual(new Set(['demo', 'test', 'demo:web']))
  for (const name of commands) expect(scripts).toHaveProperty([name as string])
})
