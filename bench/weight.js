/**
 * What a page pays, and for what: bundles entries of the build as a page would, and says how much smaller the gzipped bundle
 * were without the code of each area. The areas share words, so together they are less than the whole.
 *
 *   npm run build && node bench/weight.js index          # offstage
 *   node bench/weight.js index,idb                       # with a store
 *   node bench/weight.js index,idb --beyond index        # only what the store adds
 *   node bench/weight.js worker --files                  # by file of src
 */
import { SourceMap } from 'node:module'
import { parseArgs } from 'node:util'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'

/**
 * The first pattern that matches the path within src, or within a package, says where code belongs.
 *
 * @type {[area: string, pattern: RegExp][]}
 */
const areas = [
  ['p-queue, limits and lines of queues', /^queue\/|^engine\/lines|p-queue|priority-queue/],
  ['eventemitter3, events and streams', /^events\/|eventemitter3/],
  [
    'values and errors: copied, checked, carried over',
    /^shared\/(clone|outgoing|rebuild|kind|refusal|dom-exc|error-wire)|structured-clone/,
  ],
  [
    'options: checked, with their messages',
    /^shared\/(check|show|errors|standard)|options\.ts$|-(filter|update)\.ts$|job-errors/,
  ],
  ['IndexedDB: the medium', /idb|^platform\/database/],
  [
    'files: the medium, the disk, the lock',
    /^store\/(file|folder|append)|^platform\/(folder|io-|node-disk)|shared\/disk/,
  ],
  ['journal and codec', /^store\//],
  ['remote client and session', /^remote\//],
  ['tabs: who leads, and the change', /^tabs\/|^platform\/tabs/],
  ['threads: starting them, their channels', /^platform\//],
  ['pool: which worker takes what, and blame', /^pool\/|^shared\/(cost|claims)/],
  ['worker side: running handlers', /^thread\//],
  ['what is seen: lists, figures, `whyWaiting`', /^engine\/(job-list|dashboard|meter|waiting)/],
  ['state machine, retries, steps', /^job\//],
  ['timers and the heap', /^timers\/|indexed-heap/],
  ['engine: taking in, starting, committing, closing', /^engine\//],
  ['scheduler, handles, callbacks', /./],
]

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { beyond: { type: 'string' }, files: { type: 'boolean' } },
})
const entries = positionals[0] ?? 'index'
const bundle = await bundled(entries)
const whole = gzipped(bundle)
const beyond = values.beyond ? await bundled(values.beyond) : []
const known = new Set(beyond.map(({ source }) => source))

console.log(`${entries}: ${whole} bytes, minified and gzipped`)
if (values.beyond) console.log(`beyond ${values.beyond}: ${whole - gzipped(beyond)} bytes`)
/** @type {Map<string, string[]>} */
const places = new Map()
for (const source of new Set(bundle.map(({ source }) => source))) {
  const place = values.files ? source : areaOf(source)
  if (!known.has(source)) places.set(place, [...(places.get(place) ?? []), source])
}
const rows = [...places].map(([place, sources]) => {
  const rest = bundle.filter(({ source }) => !sources.includes(source))
  return { place, bytes: whole - gzipped(rest) }
})
for (const { place, bytes } of rows.sort((a, b) => b.bytes - a.bytes)) console.log(`| ${place} | ${bytes} |`)

/**
 * Bundles these entries for a page. Returns the code in pieces, each with the file that it comes from.
 *
 * @param {string} entries
 * @returns {Promise<{ source: string, text: string }[]>}
 */
async function bundled(entries) {
  const { outputFiles } = await build({
    stdin: {
      contents: entries
        .split(',')
        .map((entry) => `export * as ${entry} from './dist/${entry}.js'`)
        .join('\n'),
      resolveDir: '.',
    },
    bundle: true,
    minify: true,
    format: 'esm',
    sourcemap: 'external',
    outdir: '.',
    write: false,
    external: ['node:*'],
    logLevel: 'error',
  })
  const [mapFile, codeFile] = outputFiles
  const map = new SourceMap(JSON.parse(mapFile.text))
  /** @type {{ source: string, text: string }[]} */
  const pieces = []
  for (const [line, text] of codeFile.text.split('\n').entries()) {
    for (let column = 0; column < text.length; column++) {
      const { originalSource } = /** @type {import('node:module').SourceMapping} */ (map.findEntry(line, column))
      const source = originalSource?.replace(/^.*(src|node_modules)\//, '') ?? 'none'
      const last = pieces.at(-1)
      if (last?.source === source) last.text += text[column]
      else pieces.push({ source, text: text[column] })
    }
  }
  return pieces
}

/** @param {string} source */
function areaOf(source) {
  return areas.find(([, pattern]) => pattern.test(source))?.[0] ?? source
}

/** @param {{ text: string }[]} pieces */
function gzipped(pieces) {
  return gzipSync(pieces.map(({ text }) => text).join(''), { level: 9 }).length
}
