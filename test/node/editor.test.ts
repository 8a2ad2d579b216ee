// What an editor makes of the types: asked through the same service that editors use.
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { describe, expect, test } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))

const jobs = `
import { defineJobs } from 'offstage/worker'

export const jobs = defineJobs({
  /** Counts the primes up to a number. */
  *countPrimes({ upTo }: { upTo: number }) {
    yield 0.5
    return upTo
  },
  async resize(image: ImageBitmap) {
    return image.width
  },
})
`

const main = `
import { createScheduler } from 'offstage'
import type { jobs } from './jobs.ts'

const scheduler = createScheduler<typeof jobs>(() => new Worker('./jobs.js'))
scheduler.run.countPrimes({ upTo: 1 })
scheduler.add.countPrimes({ upTo: 1 })
scheduler.run.resize
`

const wrong = `
import { defineJobs } from 'offstage/worker'

defineJobs({
  fine: (value: number) => value,
  apply: (change: (value: number) => number) => change(1),
  query: ({ where }: { where: { test(value: number): boolean } }) => where.test(1),
  later: async () => ({ undo: () => {} }),
})
`

const folder = join(root, 'test/node')
const files: Record<string, string> = {
  [join(folder, 'jobs.ts')]: jobs,
  [join(folder, 'main.ts')]: main,
  [join(folder, 'wrong.ts')]: wrong,
}
const service = ts.createLanguageService({
  getCompilationSettings: () => ({
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    lib: ['lib.es2022.d.ts', 'lib.esnext.disposable.d.ts', 'lib.dom.d.ts'],
    types: ['node'],
    paths: { offstage: [join(root, 'src/index.ts')], 'offstage/*': [join(root, 'src/*.ts')] },
    strict: true,
    allowImportingTsExtensions: true,
    noEmit: true,
    skipLibCheck: true,
  }),
  getScriptFileNames: () => Object.keys(files),
  getScriptVersion: () => '1',
  getScriptSnapshot: (file) => {
    const text = files[file] ?? ts.sys.readFile(file)
    return text === undefined ? undefined : ts.ScriptSnapshot.fromString(text)
  },
  getCurrentDirectory: () => root,
  getDefaultLibFileName: ts.getDefaultLibFilePath,
  fileExists: (file) => file in files || ts.sys.fileExists(file),
  readFile: (file) => files[file] ?? ts.sys.readFile(file),
  directoryExists: ts.sys.directoryExists,
  getDirectories: ts.sys.getDirectories,
})

/** Where the cursor is when it stands in the first `word` behind `call`. */
const cursor = (call: string, word: string) => main.indexOf(word, main.indexOf(call)) + 1

describe('from the call to the handler', () => {
  test.each(['scheduler.run', 'scheduler.add'])('%s.countPrimes leads to its definition', (call) => {
    const at = cursor(`${call}.countPrimes`, 'countPrimes')
    const definitions = service.getDefinitionAtPosition(join(folder, 'main.ts'), at) ?? []
    expect(definitions).toHaveLength(1)
    const [{ fileName, textSpan }] = definitions as [ts.DefinitionInfo]
    expect(fileName).toBe(join(folder, 'jobs.ts'))
    expect(jobs.slice(textSpan.start, textSpan.start + textSpan.length)).toBe('countPrimes')
  })

  test('the documentation of the handler shows at the call', () => {
    const at = cursor('scheduler.run.countPrimes', 'countPrimes')
    const info = service.getQuickInfoAtPosition(join(folder, 'main.ts'), at)
    expect(ts.displayPartsToString(info?.documentation)).toBe('Counts the primes up to a number.')
    expect(ts.displayPartsToString(info?.displayParts)).toContain('Promise<number>')
  })

  test('renaming the handler renames the calls', () => {
    const places = service.findRenameLocations(join(folder, 'jobs.ts'), jobs.indexOf('countPrimes'), false, false, {})
    expect(places?.map(({ fileName }) => fileName).sort()).toEqual(
      ['jobs.ts', 'main.ts', 'main.ts'].map((file) => join(folder, file)),
    )
  })

  test('job types are offered behind the dot, and nothing else', () => {
    const at = main.indexOf('run.resize') + 'run.'.length
    const { entries = [] } = service.getCompletionsAtPosition(join(folder, 'main.ts'), at, {}) ?? {}
    expect(entries.map(({ name }) => name).sort()).toEqual(['countPrimes', 'resize'])
  })
})

describe('what cannot cross the thread', () => {
  const problems = service.getSemanticDiagnostics(join(folder, 'wrong.ts'))
  const messageOn = (name: string) => {
    const problem = problems.find(({ start = 0 }) => wrong.slice(start).startsWith(name))
    return ts.flattenDiagnosticMessageText(problem?.messageText, '\n')
  }

  test.each([
    ['apply', 'It cannot be copied to another thread: input is a function.'],
    ['query', 'It cannot be copied to another thread: input.where.test is a function.'],
    ['later', 'It cannot be copied to another thread: result.undo is a function.'],
  ])('is refused at `%s`: %s', (name, message) => expect(messageOn(name)).toContain(`"${message}"`))

  test('and the rest is left alone', () => expect(problems).toHaveLength(3))
})
