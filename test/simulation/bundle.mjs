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
    file: 'src/store/file-medium.ts',
    find: 'const writeBytesMax = 8 * 1024 * 1024',
    replace: 'const writeBytesMax = 900',
  },
  { file: 'src/store/journal.ts', find: 'const sliceBytes = 256 * 1024', replace: 'const sliceBytes = 700' },
  { file: 'src/store/journal.ts', find: 'const changesPerCheck = 32', replace: 'const changesPerCheck = 4' },
  { file: 'src/engine/ledger.ts', find: 'const stepsPerCheck = 64', replace: 'const stepsPerCheck = 3' },
]

/** Bugs that were found and reported: each is passed over once its text is no longer there. @type {Edit[]} */
const reported = [
  {
    file: 'src/engine/local-engine.ts',
    find: 'if (this.#failure || (inserted && !inserted.told && !this.#roster.has(inserted))) throw error',
    replace:
      'if (this.#failure || this.#ledger.isStopped || (inserted && !inserted.told && !this.#roster.has(inserted))) throw error',
  },
  {
    file: 'src/engine/local-engine.ts',
    find: 'for (const job of this.#roster.jobs) if (!job.hasEnded) job.abandon(closed)',
    replace: 'for (const job of [...this.#roster.jobs, ...this.#leaving]) if (!job.hasEnded) job.abandon(closed)',
  },
  {
    file: 'src/engine/local-engine.ts',
    find: 'return await this.#ledger.whenSafe()\n',
    replace: `await this.#ledger.whenSafe()
        const refusal = inserted && this.#refusals.get(inserted)
        if (refusal) throw refusal
        return
`,
  },
  {
    file: 'src/engine/local-engine.ts',
    find: '    if (job.run) this.#pool.abort(job.run, error)\n    if (job.heapIndex',
    replace:
      '    this.#refusals.set(job, error as OffstageError)\n    if (job.run) this.#pool.abort(job.run, error)\n    if (job.heapIndex',
  },
  {
    file: 'src/engine/local-engine.ts',
    find: '  readonly #leaving = new Set<LiveJob>()\n',
    replace: '  readonly #leaving = new Set<LiveJob>()\n  readonly #refusals = new WeakMap<LiveJob, OffstageError>()\n',
  },
  {
    file: 'src/engine/live-job.ts',
    find: 'return isTerminal(this.safe.state)',
    replace: 'return this.told !== undefined && isTerminal(this.told.state)',
  },
  {
    file: 'src/engine/ledger.ts',
    find: 'else this.#clock.startTimer(() => this.#flush(), retryMs, true)',
    replace: 'else this.#stopRetry = this.#clock.startTimer(() => this.#flush(), retryMs, true)',
  },
  {
    file: 'src/engine/ledger.ts',
    find: '    this.#failure = error\n    this.#gathering = []\n',
    replace: '    this.#failure = error\n    this.#stopRetry?.()\n    this.#gathering = []\n',
  },
  {
    file: 'src/engine/ledger.ts',
    find: '  #isBusy = false\n',
    replace: '  #isBusy = false\n  #stopRetry: (() => void) | undefined\n',
  },
  {
    file: 'src/engine/ledger.ts',
    find: '  /** Nothing more can be made safe; whoever waits for it is told. */',
    replace:
      '  get isStopped(): boolean {\n    return this.#failure !== undefined\n  }\n\n  /** Nothing more can be made safe. */',
  },
  {
    file: 'src/engine/ledger.ts',
    find: '    const again = this.#listener.onRefused(steps, error)\n',
    replace: `    const again = this.#listener.onRefused(steps, error)
    const gone = new Set(steps.filter((step) => !again.includes(step)).map(({ job }) => job))
    this.#gathering = this.#gathering.filter(({ job }) => !gone.has(job))
`,
  },
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
        for (const { find, replace } of process.argv.includes('--as-is')
          ? []
          : reported.filter((edit) => edit.file === file))
          contents = contents.replace(find, () => replace)
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
