// The shape of src, as docs/ARCHITECTURE.md draws it: who may import whom, and who may touch the platform.
import { readdirSync, readFileSync } from 'node:fs'
import { posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

/** From the top down: a file imports from its own layer and from those below it. */
const layers = ['program', 'entry', 'extension', 'facade', 'part', 'model', 'port'] as const
type Layer = (typeof layers)[number]

/** The files that package.json exports; they re-export, and nobody else does. */
const entries = [
  'index.ts',
  'worker.ts',
  'testing.ts',
  'idb.ts',
  'file.ts',
  'extension.ts',
  'schedules.ts',
  'dedupe.ts',
  'flows.ts',
  'topics.ts',
  'history.ts',
  'metrics.ts',
  'groups.ts',
  'conditions.ts',
  'react.ts',
  'vue.ts',
  'preact.ts',
  'solid.ts',
  'svelte.ts',
  'angular.ts',
  'vite.ts',
  'hot.ts',
  'devtools.ts',
  'diagnostics.ts',
  'otel.ts',
  'panel.ts',
]
/** What package.json names as `bin`: a program, which nobody imports and which is its own platform. */
const programs = ['bin.ts']

const folders: Record<string, Layer> = {
  cli: 'program',
  schedules: 'extension',
  dedupe: 'extension',
  flows: 'extension',
  topics: 'extension',
  history: 'extension',
  metrics: 'extension',
  devtools: 'extension',
  diagnostics: 'extension',
  otel: 'extension',
  groups: 'extension',
  conditions: 'extension',
  engine: 'part',
  queue: 'part',
  pool: 'part',
  thread: 'part',
  timers: 'part',
  remote: 'part',
  tabs: 'part',
  store: 'part',
  adapters: 'facade',
  bundlers: 'facade',
  panel: 'extension',
  job: 'model',
  events: 'model',
  platform: 'port',
  shared: 'port',
}

/**
 * Parts know each other's types only, but for these: the engine, which drives them, the two ends of one wire, and the tabs, which are
 * engines by way of `remote`.
 */
const meetings: Record<string, RegExp> = {
  engine: /./,
  thread: /^pool\/(protocol|outbox)\.ts$/,
  remote: /^engine\/(notifier|job-view|job-errors|job-list)\.ts$/,
  tabs: /^(remote\/|engine\/(engine-host|job-errors|steps)\.ts$)/,
}

/** What only ports may touch. Types are free: a signature may say `() => Worker`. */
const platformTokens: Record<string, RegExp> = {
  'the clock': /\bDate\.now\b|\bnew Date\(\)|(?<!\.)\bperformance\./,
  timers: /(?<!\.)\b(set|clear)(Timeout|Interval|Immediate)\b/,
  random: /\bMath\.random\b|(?<!\.)\bcrypto\./,
  Worker: /\bnew Worker\b|\bglobalThis\.Worker\b/,
  process: /(?<!\.)\bprocess\./,
  navigator: /(?<!\.)\bnavigator\./,
  indexedDB: /(?<!\.)\bindexedDB\b/,
}

interface Import {
  readonly from: string
  readonly isType: boolean
}

interface Source {
  readonly path: string
  readonly layer: Layer | undefined
  /** Without comments. */
  readonly code: string
  readonly imports: readonly Import[]
}

const commentOrString = /\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`/g
const importOrReExport = /\b(import|export)\s+(type\s)?([\w*{}\s,$]*?from\s+)?'([^']+)'/g
const dynamicImport = /(?<!typeof )\bimport\(\s*'([^']+)'/g
const reExport = /\bexport\s+(type\s+)?(\*|\{[^}]*\})(\s+as\s+\w+)?\s+from\s+'[^']+'/g

function parse(path: string, text: string): Source {
  const code = text.replace(commentOrString, (match) => (match.startsWith('/') ? '' : match))
  const imports = [...code.matchAll(importOrReExport)].map(([, , type, names, from]) => ({
    from: from as string,
    // `import { type A, type B }` brings in no code either.
    isType: Boolean(type) || /^\{(\s*type\s+[\w$\s]+,?)+\s*\}/.test(names ?? ''),
  }))
  const dynamic = [...code.matchAll(dynamicImport)].map(([, from]) => ({ from: from as string, isType: false }))
  return { path, layer: layerOf(path), code, imports: [...imports, ...dynamic] }
}

function layerOf(path: string): Layer | undefined {
  if (programs.includes(path)) return 'program'
  if (entries.includes(path)) return 'entry'
  return path.includes('/') ? folders[folderOf(path)] : 'facade'
}

function folderOf(path: string): string {
  return path.split('/')[0] as string
}

/** The path in src that an import leads to, if it stays in src. */
function target({ path }: Source, { from }: Import): string | undefined {
  return from.startsWith('.') ? posix.join(posix.dirname(path), from) : undefined
}

/** The code without the text of its strings, so that a message may mention what its file must not use. */
function withoutText(code: string): string {
  return code.replace(commentOrString, (text) => text.match(/\$\{[^}]*\}/g)?.join() ?? "''")
}

type Rule = (sources: readonly Source[]) => string[]

const rules: Record<string, Rule> = {
  'every file has a layer': (sources) =>
    sources
      .filter(({ layer }) => !layer)
      .map(({ path }) => `${path}: '${folderOf(path)}' is no known folder; add it to \`folders\``),

  'imports carry the extension': eachImport(({ path }, { from }) => {
    if (from.startsWith('.') && !from.endsWith('.ts')) return `${path}: '${from}' must end in '.ts'`
  }),

  'imports point downwards': eachImport((source, used) => {
    const path = target(source, used)
    const layer = path && layerOf(path)
    if (!source.layer || !layer || layers.indexOf(source.layer) <= layers.indexOf(layer)) return
    return `${source.path} (${source.layer}) imports ${path} (${layer}), which is above it`
  }),

  'parts meet at interfaces': eachImport((source, used) => {
    const path = target(source, used)
    if (!path || used.isType || source.layer !== 'part' || layerOf(path) !== 'part') return
    const [own, other] = [folderOf(source.path), folderOf(path)]
    if (own === other || meetings[own]?.test(path)) return
    return `${source.path} imports code of ${path}; between parts only \`import type\` is allowed`
  }),

  'there is no import cycle': (sources) => {
    const graph = new Map(sources.map((source) => [source.path, source.imports.map((used) => target(source, used))]))
    const done = new Set<string>()
    const cycles: string[] = []
    const visit = (path: string | undefined, trail: readonly string[]): void => {
      if (!path || done.has(path)) return
      if (trail.includes(path)) return void cycles.push([...trail.slice(trail.indexOf(path)), path].join(' → '))
      for (const next of graph.get(path) ?? []) visit(next, [...trail, path])
      done.add(path)
    }
    for (const path of graph.keys()) visit(path, [])
    return cycles
  },

  'only ports touch the platform': (sources) =>
    sources
      .filter(({ path, layer }) => layer !== 'port' && !programs.includes(path))
      .flatMap(({ path, code, imports }) => [
        ...Object.entries(platformTokens)
          .filter(([, token]) => token.test(withoutText(code)))
          .map(([name, token]) => `${path} touches ${name} (${withoutText(code).match(token)?.[0]})`),
        ...imports
          .filter(({ from, isType }) => from.startsWith('node:') && !isType)
          .map(({ from }) => `${path} imports ${from}`),
      ]),

  'entries re-export, and nothing else does': (sources) =>
    sources.flatMap(({ path, layer, code }) => {
      const logic = code.replace(reExport, '').replaceAll(';', '').trim()
      if (layer === 'entry')
        return logic ? [`${path} is an entry and holds more than re-exports: ${logic.slice(0, 80)}`] : []
      return (code.match(reExport) ?? []).map((line) => `${path} re-exports (${line}); only entries do`)
    }),
}

function eachImport(check: (source: Source, used: Import) => string | undefined): Rule {
  return (sources) => sources.flatMap((source) => source.imports.flatMap((used) => check(source, used) ?? []))
}

function readSources(): Source[] {
  const src = fileURLToPath(new URL('../../src', import.meta.url))
  return readdirSync(src, { recursive: true, encoding: 'utf8' })
    .map((path) => path.replaceAll('\\', '/'))
    .filter((path) => path.endsWith('.ts'))
    .map((path) => parse(path, readFileSync(`${src}/${path}`, 'utf8')))
}

describe('in src', () => {
  const sources = readSources()
  test.each(Object.entries(rules))('%s', (_name, rule) => {
    expect(rule(sources)).toEqual([])
  })
})

describe('the rules notice', () => {
  const cases: [rule: string, files: Record<string, string>, problems: number][] = [
    ['every file has a layer', { 'utils/thing.ts': '' }, 1],
    ['imports carry the extension', { 'job/a.ts': "import './b'\nimport './c.js'\nimport './d.ts'" }, 2],
    ['imports point downwards', { 'job/a.ts': "import { q } from '../queue/q.ts'\nimport { x } from 'x'" }, 1],
    ['imports point downwards', { 'queue/a.ts': "import type { S } from '../scheduler.ts'" }, 1],
    ['imports point downwards', { 'shared/a.ts': "const b = await import('../index.ts')" }, 1],
    ['parts meet at interfaces', { 'queue/a.ts': "import {\n  type A,\n  b,\n} from '../pool/b.ts'" }, 1],
    ['parts meet at interfaces', { 'queue/a.ts': "import { type A, type B } from '../pool/b.ts'" }, 0],
    ['parts meet at interfaces', { 'engine/a.ts': "import { b } from '../pool/b.ts'" }, 0],
    [
      'there is no import cycle',
      { 'job/a.ts': "import './b.ts'", 'job/b.ts': "import type { C } from './c.ts'", 'job/c.ts': "import './a.ts'" },
      1,
    ],
    ['only ports touch the platform', { 'job/a.ts': 'const at = Date.now()\nsetTimeout(go, 1)' }, 2],
    ['only ports touch the platform', { 'pool/a.ts': "import { open } from 'node:fs'\nprocess.exit()" }, 2],
    ['only ports touch the platform', { 'pool/a.ts': '// Date.now()\nthrow Error(`use new Worker(…)`)' }, 0],
    ['only ports touch the platform', { 'platform/a.ts': 'Math.random()' }, 0],
    ['entries re-export, and nothing else does', { 'job/a.ts': "export { b } from './b.ts'" }, 1],
    ['entries re-export, and nothing else does', { 'index.ts': "export type { B } from './b.ts'\nconst c = 1" }, 1],
    ['entries re-export, and nothing else does', { 'index.ts': "/** Why. */\nexport {\n  b,\n} from './b.ts'\n" }, 0],
  ]
  test.each(cases)('%s: %j', (rule, files, problems) => {
    const sources = Object.entries(files).map(([path, text]) => parse(path, text))
    expect((rules[rule] as Rule)(sources)).toHaveLength(problems)
  })
})
