// Checks test/types against the built declarations with each version of TypeScript we support. `--quick`: with the one that
// takes a second instead of seven.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root, run } from './process.mjs'

const quick = { 'TypeScript 7': 'typescript-7' }
const compilers = process.argv.includes('--quick')
  ? quick
  : { 'TypeScript 5.9': 'typescript-5.9', 'TypeScript 6': 'typescript', ...quick }
const dist = join(root, 'dist')

if (!existsSync(join(dist, 'index.d.ts'))) {
  console.error('There is no dist/index.d.ts: `npm run build` first.')
  process.exit(1)
}

/** What users do not have must not be in our declarations; here it is installed, so no compiler would notice. */
const foreign = readdirSync(dist)
  .filter((file) => file.endsWith('.d.ts'))
  .flatMap((file) => {
    // But examples may.
    const code = readFileSync(join(dist, file), 'utf8').replace(/\/\*.*?\*\//gs, '')
    const imports = code.matchAll(/(?:from|import)\s*\(?'([^.'][^']*)'/g)
    return Array.from(imports, ([, name]) => `dist/${file} needs the types of '${name}', which users do not have.`)
  })
for (const line of foreign) console.error(line)
if (foreign.length > 0) process.exitCode = 1

for (const [name, folder] of Object.entries(compilers)) {
  const isRight = ['test/types', 'test/types/es2022'].every((project) =>
    run('node', [`node_modules/${folder}/bin/tsc`, '--noEmit', '-p', project]),
  )
  console.log(`${isRight ? '✓' : '✗'} types hold on ${name}`)
  if (!isRight) process.exitCode = 1
}
