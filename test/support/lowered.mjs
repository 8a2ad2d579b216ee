// `node test/support/lowered.mjs`, on the build: how fast it is when a bundler lowers it to ES2020, as Vite 5 and 6 do by
// default. Lowered code may be a little slower than modern code, but not several times.
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { build } from 'esbuild'
import { root } from './process.mjs'

const ratioMin = 0.7
const rounds = 9
const folder = join(root, 'node_modules/.cache/offstage-lowered')

/** What one round does: small jobs, all at once. */
const program = `
  import { createScheduler } from ${JSON.stringify(join(root, 'dist/index.js'))}
  const scheduler = createScheduler(new URL('./jobs.mjs', import.meta.url), { workers: 1 })
  export async function msOfBurst() {
    const begin = performance.now()
    await Promise.all(Array.from({ length: 10_000 }, (_, n) => scheduler.run.double(n)))
    return performance.now() - begin
  }
  export const close = () => scheduler.close()
`
const jobs = `
  import { defineJobs } from ${JSON.stringify(join(root, 'dist/worker.js'))}
  export const jobs = defineJobs({ double: (n) => 2 * n })
`

/** @param {string} name @param {string} target */
async function programFor(name, target) {
  const outdir = join(folder, name)
  await mkdir(outdir, { recursive: true })
  for (const [file, contents] of Object.entries({ program, jobs }))
    await build({
      stdin: { contents, resolveDir: root },
      outfile: join(outdir, `${file}.mjs`),
      bundle: true,
      minify: true,
      format: 'esm',
      platform: 'node',
      target,
      logLevel: 'error',
    })
  return import(pathToFileURL(join(outdir, 'program.mjs')).href)
}

/** @param {readonly number[]} figures */
const median = (figures) => /** @type {number} */ ([...figures].sort((a, b) => a - b)[figures.length >> 1])

const modern = await programFor('modern', 'es2022')
const lowered = await programFor('lowered', 'es2020')
/** @type {number[]} */
const ratios = []
// The first round is for the engine to compile the code.
for (let round = -1; round < rounds; round++) {
  const [modernMs, loweredMs] = [await modern.msOfBurst(), await lowered.msOfBurst()]
  if (round >= 0) ratios.push(modernMs / loweredMs)
}
await Promise.all([modern.close(), lowered.close()])
await rm(folder, { recursive: true })

const ratio = median(ratios)
const isFine = ratio >= ratioMin
console.log(`${isFine ? '✓' : '✗'} lowered code: ${ratio.toFixed(2)} of the rate of modern code, at least ${ratioMin}`)
process.exitCode = isFine ? 0 : 1
