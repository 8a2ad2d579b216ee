import { readdir, readFile, writeFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { build, transform } from 'esbuild'
import { defineConfig } from 'tsup'
import ts from 'typescript'
import { plainMembers, withPlainMembers } from './tsup.plain-members.ts'

type Target = { types: string; default: string }
type Exports = Record<string, string | { import: Target; require: Target }>

/** package.json's `exports` is the one list of entries; `./worker` is built from `src/worker.ts`. */
const exports = JSON.parse(await readFile('package.json', 'utf8')).exports as Exports
const subpaths = Object.keys(exports).filter((path) => typeof exports[path] === 'object')

/** What the limiter of a queue has no use for, and would be 800 bytes for everybody. */
const lessOfPQueue: Record<string, string> = {
  // Time limits: ours belong to attempts.
  'p-timeout': 'export default () => {}; export class TimeoutError extends Error {}',
  // Priorities: the limiter asks for one permit at a time.
  './priority-queue.js': `export default class {
    #runs = []
    get size() { return this.#runs.length }
    enqueue(run) { this.#runs.push(run) }
    dequeue() { return this.#runs.shift() }
  }`,
}

/** What the limiter calls. */
const calledOfPQueue = ['add', 'start', 'pause', 'concurrency']

/** What stands for code in a package, and the code that is known to do the same for us. */
type Known = readonly (readonly [RegExp, string])[]

/** What is known of a queue that the limiter makes: it has no interval, its tasks no signal and no time limit, and nobody listens. */
const knownOfPQueue: Known = [
  [/this\.#(isIntervalIgnored|doesIntervalAllowAnother)\b(?! =|\()/g, 'true'],
  [/this\.#(strict\b|isIntervalPausedAt\(now\))(?! =)/g, 'false'],
  [/options\.(signal|timeout)\b/g, 'undefined'],
  [/this\.#(runningTasks\.\w+\([^{}]*?\)|(setup|schedule|initialize|rollback|clear)\w+\(\));/g, ';'],
  [/this\.#runningTasks\.set\([^{}]*\{[^{}]*\}\);/g, ';'],
  [/this\.#(carryover\w+|isIntervalIgnored|intervalCap|interval|strict|queueClass) = [^;]*;/g, ''],
  [/^\s*(carryover\w+|intervalCap|interval|strict|timeout): .*,$/gm, ''],
  [/\((canInitializeInterval|eventListener)\)/g, '(false)'],
  [/const (taskSymbol|now|canInitializeInterval) = .*;/g, ''],
  [/let (eventListener|cleanupQueueAbortHandler)\b.*;/g, ''],
  [/(?<!= )cleanupQueueAbortHandler\(\);/g, ''],
  // `add` makes its own copy of the options, with an id and the default of the time limit.
  [/options = \{[^}]*this\.#idAssigner[^}]*\};/g, ''],
  [/this\.timeout = [^;]*;/g, ''],
  [/const removeQueuedTask = [\s\S]*?\n\s*\};/g, ''],
  [/this\.emit\([^()]*\);/g, ';'],
  [/if \(.*\) \{\s*throw new TypeError\(.*\);\s*\}/g, ''],
]

/** What the bus of events calls. */
const calledOfEmitter = ['on', 'once', 'off', 'removeListener', 'eventNames', 'listeners', 'listenerCount']

/** What is known of an emitter on all platforms of today, whose events are named by strings and whose listeners need no `this`. */
const knownOfEmitter: Known = [
  [/^if \(Object\.create\) \{[\s\S]*?\n\}/m, 'Events.prototype = Object.create(null)'],
  [/\bprefix \? .*? : (event|name)\b/g, '$1'],
  [/, prefix = '~'/g, ''],
  [/if \(Object\.getOwnPropertySymbols\) \{[^}]*\}/g, ''],
  [/if \(typeof fn !== 'function'\) \{[^}]*\}/g, ''],
]

/**
 * What is known of lit-html where the panel renders: nothing happens when it is imported. Its trusted type is made when it is first
 * needed, and named after us. And our templates use no more than they do: values, arrays and templates between elements; attributes,
 * properties, booleans and functions as listeners within them. What they would need for anything else is left out.
 */
const knownOfLit: Known = [
  [
    /^const t=globalThis/m,
    'let policy;const trusted=html=>{try{return(policy??=s.createPolicy("offstage-panel",{createHTML:html=>html})).createHTML(html)}catch{return html}},t=globalThis',
  ],
  [/e=s\?s\.createPolicy\([^)]*\):void 0,/, ''],
  [/if\(!u\(t\)\|\|!t\.hasOwnProperty\("raw"\)\)throw Error\("[^"]*"\);return .*?:i\}/, 'return s?trusted(i):i}'],
  [/const Z=\{[^}]*\},j=t\.litHtmlPolyfillSupport;.*?\.push\("[^"]*"\);/, ''],
  [/Z as _\$LH,|w as mathml,E as noChange,|,b as svg/g, ''],
  // All templates are HTML, and none is compiled.
  [/x=t=>(.*?)_\$litType\$:t(.*?),T=x\(1\),b=x\(2\),w=x\(3\)/, 'T=$1_$litType$:1$2'],
  [/2===i\?"<\/?svg>":3===i\?"<\/?math>":""/g, '""'],
  [/if\((this\.el=[^;]*?),2===i\|\|3===i\)\{[^}]*\}/, '$1;'],
  [/"number"==typeof s\?(this\._\$AC\(t\)):\(.*?,s\);/, '$1;'],
  // They have no comments, no names of elements, and no values within <script>, <style>, <textarea> and <title>.
  [/v=\/<.*?\/g,_=.*?,m=.*?,p=/, 'v=/<\\/?[a-zA-Z][^>\\s]*/g,p='],
  [/c===v\?"!--"===u\[1\].*?&&\(c=p\):c===p/, 'c===v?c=p:c===p'],
  [/:c===_\|\|c===m\?c=v:\(c=p,n=void 0\)/, ':c=p'],
  [/let n,l=/, 'let l='],
  [/c=n\?\?v/, 'c=v'],
  [/,y=\/\^[^/]*\/i/, ''],
  [/if\(y\.test\(r\.tagName\)\)\{.*?\}\}\}else if/, '}else if'],
  [/if\((r\.data===n)\)(d\.push\([^)]*\));else\{let t=-1;.*?\}l\+\+/, '$1&&$2;l++'],
  // They bind values between elements and in attributes, not to elements.
  [/else t\.startsWith\(o\)&&\(.*?\);/, ''],
  [/1===r\.type\?(i=new r\.ctor\([^)]*\)):6===r\.type&&\([^)]*\)\)/, '$1'],
  [/class W\{.*?\}\}/, ''],
  // There are no directives, so nobody asks for `noChange`, or whether a part is still in the page.
  [/function M\(t,i,s=t,e\)\{.*?,h,e\)\),i\}/, ''],
  [/\bt=M\(this,t,i(,0)?\),/g, ''],
  [/r=M\(this,e\[s\+n\],i,n\),r===E&&\(.*?\),/, 'r=e[s+n],'],
  [/if\(\(t=M\(this,t,i,0\)\?\?A\)===E\)return;/, ''],
  [/&&t!==E/g, ''],
  [/E=Symbol\.for\("lit-noChange"\),/, ''],
  [/get (_\$AU|startNode|endNode|tagName|parentNode)\(\)\{[^}]*\}|setConnected\(t\)\{[^}]*\}/g, ''],
  [/this\._\$AP\?\.\([^)]*\)/, ''],
  [/,this\._\$Cv=[^}]*/, ''],
  [/,this\._\$AM=\w/g, ''],
  [/this\._\$AN=void 0,/g, ''],
  [/constructor\([^)]*\)\{super\([^)]*\),this\.type=\d\}/g, ''],
  [/this\.type=\d,/g, ''],
  // Nothing is rendered with options, and values are no nodes.
  [/\(t\?\.creationScope\?\?l\)/, 'l'],
  [/s\?\.renderBefore/g, 'undefined'],
  [/,this\.options=\w/g, ''],
  [/,?this\.options\b(?!\?)/g, ''],
  [/void 0!==t\.nodeType\?this\.T\(t\):d\(t\)/, 'u(t)'],
  [/d=t=>.*?Symbol\.iterator\],/, ''],
  // A listener is always a function, and is never taken away again.
  [
    /const s=this\._\$AH,e=t===A.*?,this\._\$AH=t/,
    'this._$AH===A&&this.element.addEventListener(this.name,this),this._$AH=t',
  ],
  [/"function"==typeof this\._\$AH\?.*?handleEvent\(t\)/, 'this._$AH(t)'],
]

/**
 * What only servers need: files of their own, in whose place bundles for browsers get these modules. `browser` in package.json
 * says so.
 */
const inBrowsers: Record<string, string> = {
  'process-signals': 'export const handleSignals = () => () => {}',
  'node-port': `export function nodePort() {
    throw new TypeError('A bundle for browsers has no threads of Node: make a Worker.')
  }`,
}

/** By the name of the file in `dist`. */
const entries: Record<string, string> = Object.fromEntries(
  subpaths.map((path) => (path === '.' ? 'index' : path.slice(2))).map((name) => [name, `src/${name}.ts`]),
)

export default defineConfig({
  entry: {
    bin: 'src/bin.ts',
    ...Object.fromEntries(Object.keys(inBrowsers).map((name) => [name, `src/platform/${name}.ts`])),
    ...entries,
  },
  format: ['esm', 'cjs'],
  target: 'es2022',
  platform: 'neutral',
  dts: { entry: entries },
  sourcemap: true,
  clean: true,
  // tsup would write `fs` for `node:fs`, which Deno does not resolve.
  removeNodeProtocol: false,
  external: [/^node:/],
  // Minifiers write this as `1/0`, and the longer name as it is. (So `src` says `-Number.POSITIVE_INFINITY`.)
  define: { 'Number.POSITIVE_INFINITY': 'Infinity' },
  // Jest cannot `require` ESM-only packages, and eventemitter3's ESM entry breaks plain Rollup.
  noExternal: ['p-queue', 'p-timeout', 'eventemitter3', 'idb-keyval', 'croner', 'lit-html'],
  esbuildPlugins: [
    {
      name: 'minify-thread-code',
      setup({ onLoad }) {
        onLoad({ filter: /[\\/]platform[\\/](io-thread|folder-owner)\.ts$/ }, async ({ path }) => ({
          contents: await minifiedStrings(path),
        }))
      },
    },
    {
      name: 'less-of-p-queue',
      setup({ onResolve, onLoad }) {
        onResolve({ filter: /^(p-timeout|\.\/priority-queue\.js)$/ }, ({ path, importer }) =>
          /[\\/]p-queue[\\/]/.test(importer) ? { path, namespace: 'less' } : undefined,
        )
        onLoad({ filter: /[\\/]p-queue[\\/]dist[\\/]index\.js$/ }, async ({ path }) => {
          const known = await without(await readFile(path, 'utf8'), knownOfPQueue)
          return { contents: withPlainMembers(path, lessOfClass(known, calledOfPQueue)), loader: 'ts' }
        })
        onLoad({ filter: /[\\/]eventemitter3[\\/]index\.js$/ }, async ({ path }) => ({
          contents: await without(lessOfPrototype(await readFile(path, 'utf8'), calledOfEmitter), knownOfEmitter),
        }))
        onLoad({ filter: /[\\/]croner[\\/]dist[\\/]croner\.js$/ }, async ({ path }) => ({
          contents: withPlainMembers(path, await readFile(path, 'utf8')),
          loader: 'ts',
        }))
        // Its build for Node is the one that may be imported on a server; it renders in pages as the other does.
        onResolve({ filter: /^lit-html$/ }, () => ({ path: `${process.cwd()}/node_modules/lit-html/node/lit-html.js` }))
        onLoad({ filter: /[\\/]lit-html[\\/]node[\\/]lit-html\.js$/ }, async ({ path }) => ({
          contents: await without(await readFile(path, 'utf8'), knownOfLit),
        }))
        onLoad({ filter: /./, namespace: 'less' }, ({ path }) => ({
          contents: withPlainMembers(path, lessOfPQueue[path] as string),
          loader: 'ts',
        }))
      },
    },
    {
      name: 'server-apart',
      setup({ onResolve }) {
        const names = Object.keys(inBrowsers).join('|')
        onResolve({ filter: new RegExp(`^\\./(.*/)?(${names})\\.ts$`) }, ({ path, kind }) =>
          kind === 'entry-point' ? undefined : { path: `./${basename(path, '.ts')}.js`, external: true },
        )
      },
    },
    plainMembers,
  ],
  async onSuccess() {
    // Before all are translated to CommonJS.
    for (const [name, module] of Object.entries(inBrowsers)) await writeFile(`dist/no-${name}.js`, `${module}\n`)
    await writeCommonJs()
    await writeLicences()
  },
})

/** Code in which what is known stands in the place of what asks for it, without what never runs then. */
async function without(text: string, known: Known): Promise<string> {
  for (const [what, is] of known) if (!text.match(what)) throw new Error(`nothing is \`${what}\`, which is \`${is}\``)
  const asKnown = known.reduce((rest, [what, is]) => rest.replace(what, is), text)
  return (await transform(asKnown, { minifySyntax: true, target: 'es2022' })).code
}

/** A CommonJS module that is one function with methods, as an ES module without the methods that nobody calls. */
function lessOfPrototype(text: string, called: readonly string[]): string {
  const { statements } = ts.createSourceFile('module.js', text, ts.ScriptTarget.Latest, true)
  const [, name] = /module\.exports = (\w+)/.exec(text) as unknown as [string, string]
  const methodOf = (statement: ts.Statement) =>
    new RegExp(`^${name}\\.(?:prototype\\.)?(\\w+) = `).exec(statement.getText())?.[1]
  for (const method of called)
    if (!statements.some((statement) => methodOf(statement) === method)) throw new Error(`no \`${method}\``)
  const kept = statements.filter((statement) => {
    const method = methodOf(statement)
    return !statement.getText().includes('module.exports') && (!method || called.includes(method))
  })
  return `${kept.map((statement) => statement.getText()).join('\n')}\nexport default ${name}`
}

/** A module with one class, without the members that neither its constructor nor those that are called make use of. */
function lessOfClass(text: string, called: readonly string[]): string {
  const module = ts.createSourceFile('module.js', text, ts.ScriptTarget.Latest, true)
  const members = module.statements.find(ts.isClassDeclaration)?.members ?? []
  const nameOf = (member: ts.ClassElement): string => member.name?.getText() ?? 'constructor'
  for (const name of called) if (!members.some((member) => nameOf(member) === name)) throw new Error(`no \`${name}\``)
  const used = new Set(['constructor', ...called])
  for (const name of used) {
    for (const member of members.filter((member) => nameOf(member) === name))
      for (const [, other] of member.getText().matchAll(/\bthis\.(#?\w+)/g)) used.add(other as string)
  }
  const unused = members.filter((member) => !used.has(nameOf(member)))
  return unused.reduceRight((rest, member) => rest.slice(0, member.pos) + rest.slice(member.end), text)
}

/** The code of a thread, which a module exports as a string: no minifier of our users looks into it, comments and all. */
async function minifiedStrings(path: string): Promise<string> {
  const { code: module } = await transform(await readFile(path, 'utf8'), { loader: 'ts' })
  const exported: Record<string, string> = await import(`data:text/javascript,${encodeURIComponent(module)}`)
  const lines = Object.entries(exported).map(async ([name, code]) => {
    // All strings are one script, so its top-level names stay.
    const minified = await transform(code, { minify: true, target: 'es2022' })
    return `export const ${name} = ${JSON.stringify(minified.code)}`
  })
  return (await Promise.all(lines)).join('\n')
}

/**
 * Replaces tsup's CommonJS code (its `.d.cts` files stay) by the ESM build, translated file by file, so that the entries
 * share one copy of every class there too and `instanceof` holds across them. tsup itself either repeats the shared code
 * in each entry or, with `splitting`, sends it through sucrase, which makes every `?.` and `??` a slow function call.
 */
async function writeCommonJs(): Promise<void> {
  await build({
    entryPoints: (await readdir('dist')).filter((file) => file.endsWith('.js')).map((file) => `dist/${file}`),
    outdir: 'dist',
    outExtension: { '.js': '.cjs' },
    format: 'cjs',
    target: 'es2022',
    platform: 'node',
    sourcemap: true,
    bundle: true,
    // What is left of them by now are the frameworks of the adapters.
    packages: 'external',
    plugins: [
      {
        name: 'keep-chunks',
        setup({ onResolve }) {
          onResolve({ filter: /^\.\// }, ({ path, kind }) =>
            kind === 'entry-point' ? undefined : { path: path.replace(/\.js$/, '.cjs'), external: true },
          )
        },
      },
    ],
  })
}

/** Of all that is bundled: its authors ask for no more than that. What it is, the source maps say. */
async function writeLicences(): Promise<void> {
  const maps = (await readdir('dist')).filter((file) => file.endsWith('.map'))
  const sources = await Promise.all(maps.map(async (map) => JSON.parse(await readFile(`dist/${map}`, 'utf8')).sources))
  const names = sources.flat().flatMap((path: string) => /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? [])
  const texts = await Promise.all([...new Set(names)].sort().map(licenceOf))
  await writeFile('dist/THIRD-PARTY-LICENSES.txt', `This package contains code of these:\n\n${texts.join('\n\n')}`)
}

async function licenceOf(name: string): Promise<string> {
  const folder = `node_modules/${name}`
  const { version, license, homepage } = JSON.parse(await readFile(`${folder}/package.json`, 'utf8'))
  const file = (await readdir(folder)).find((file) => /^licen[cs]e/i.test(file))
  if (!file) throw new Error(`${name} is bundled, and has no licence that could be passed on`)
  const text = await readFile(`${folder}/${file}`, 'utf8')
  const where = homepage ? `, ${homepage}` : ''
  return `--- ${name} ${version} (${license}${where})\n\n${text.trim()}\n`
}
