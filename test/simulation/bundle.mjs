// Bundles the simulation with the real sources. What touches the machine is replaced, a few sizes are made so small that
// they matter, and for a planted bug one more piece of text is another: each must be there exactly once.
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const here = fileURLToPath(new URL('.', import.meta.url))
const root = fileURLToPath(new URL('../..', import.meta.url))

const replaced = ['hop.ts', 'host.ts', 'spawn.ts', 'wake.ts']

/** @typedef {{ file: string, find: string, replace: string }} Edit */

/** @type {Edit[]} */
const tuning = [
  { file: 'src/store/file-medium.ts', find: 'const pieceBytes = 1024 * 1024', replace: 'const pieceBytes = 1501' },
  {
    file: 'src/store/file-writes.ts',
    find: 'const writeBytesMax = 8 * 1024 * 1024',
    replace: 'const writeBytesMax = 900',
  },
  {
    file: 'src/store/file-attachments.ts',
    find: 'const pieceBytes = 1024 * 1024',
    replace: 'const pieceBytes = 700',
  },
  { file: 'src/store/long-values.ts', find: 'const longBytes = 64 * 1024', replace: 'const longBytes = 300' },
  {
    file: 'src/store/value-writer.ts',
    find: 'const pieceBytesMax = 16 * 1024',
    replace: 'const pieceBytesMax = 100',
  },
  { file: 'src/store/value-writer.ts', find: 'const pieceItemsMax = 32', replace: 'const pieceItemsMax = 2' },
  { file: 'src/store/bytes.ts', find: 'const gapBytesMin = 4 * 1024', replace: 'const gapBytesMin = 50' },
  { file: 'src/store/bytes.ts', find: 'const gapUnitsMin = 32 * 1024', replace: 'const gapUnitsMin = 150' },
  { file: 'src/store/frame.ts', find: 'const sliceBytes = 512 * 1024', replace: 'const sliceBytes = 400' },
  { file: 'src/store/compaction.ts', find: 'const sliceBytes = 256 * 1024', replace: 'const sliceBytes = 700' },
  { file: 'src/store/append-batch.ts', find: 'const changesPerCheck = 32', replace: 'const changesPerCheck = 4' },
  { file: 'src/platform/in-slices.ts', find: 'const atOnceMax = 1_000', replace: 'const atOnceMax = 2' },
  { file: 'src/engine/group-commit.ts', find: 'const stepsPerCheck = 64', replace: 'const stepsPerCheck = 3' },
]

/** @param {string} text @param {Edit} edit */
function apply(text, { file, find, replace }) {
  const count = text.split(find).length - 1
  if (count !== 1) throw new Error(`${file} has ${count} times: ${find}`)
  return text.replace(find, () => replace)
}

/**
 * @param {string} outfile
 * @param {Edit[]} [edits]
 * @param {string} [entry]
 */
export async function bundle(outfile, edits = [], entry = 'main.ts') {
  const unused = new Set([...tuning, ...edits])
  /** @type {import('esbuild').Plugin} */
  const plugin = {
    name: 'simulation',
    setup({ onLoad }) {
      onLoad({ filter: /[\\/]src[\\/].*\.ts$/ }, ({ path }) => {
        const file = path.slice(root.length).replaceAll('\\', '/')
        const name = file.slice('src/platform/'.length)
        if (file.startsWith('src/platform/') && replaced.includes(name)) {
          return {
            contents: `export * from ${JSON.stringify(`${here}platform/${name}`)}`,
            loader: 'ts',
            resolveDir: here,
          }
        }
        let contents = readFileSync(path, 'utf8')
        for (const edit of [...unused]) {
          if (edit.file !== file) continue
          contents = apply(contents, edit)
          unused.delete(edit)
        }
        return { contents, loader: 'ts' }
      })
    },
  }
  await build({
    entryPoints: [here + entry],
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    sourcemap: 'inline',
    logLevel: 'warning',
    plugins: [plugin],
  })
  const [left] = unused
  if (left && !tuning.includes(left)) throw new Error(`${left.file} is not part of the simulation`)
}
