// Checks test/types against the built declarations with each version of TypeScript we support. `--quick`: with the one that
// takes a second instead of seven.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { faultsOfDeclarations } from './declared.mjs'
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

const { peerDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

/** The frameworks, which only those entries need that are made for them: `dist/vue.d.ts` needs `vue`. */
const frameworks = Object.keys(peerDependencies)

/** Of an entry that is not named after it. @type {Record<string, string>} */
const peers = { otel: '@opentelemetry/api' }

/** What users do not have must not be in our declarations; here it is installed, so no compiler would notice. */
const foreign = readdirSync(dist)
  .filter((file) => file.endsWith('.d.ts'))
  .flatMap((file) => {
    // But examples may.
    const code = readFileSync(join(dist, file), 'utf8').replace(/\/\*.*?\*\//gs, '')
    const imports = Array.from(code.matchAll(/(?:from|import)\s*\(?'([^.'][^']*)'/g), ([, name = '']) => name)
    return imports
      .filter((name) => {
        const entry = file.slice(0, -'.d.ts'.length)
        return name !== peers[entry] && !(frameworks.includes(name) && name.includes(entry))
      })
      .map((name) => `dist/${file} needs the types of '${name}', which users do not have.`)
  })
const faults = [...foreign, ...faultsOfDeclarations(dist)]
for (const line of faults) console.error(line)
if (faults.length > 0) process.exitCode = 1

/** In test/types/messages each error is announced in the line above it, in the words that a user is to read. */
const messages = 'test/types/messages'
const announced = readdirSync(join(root, messages))
  .filter((file) => file.endsWith('.ts'))
  .flatMap((file) => {
    const lines = readFileSync(join(root, messages, file), 'utf8').split('\n')
    return lines.flatMap((line, at) => {
      const [, text] = /^\s*\/\/ error: (.*)$/.exec(line) ?? []
      return text ? { place: `${messages}/${file}:${at + 2}`, text } : []
    })
  })

/** @param {string} tsc */
function saysSo(tsc) {
  const { stdout } = spawnSync('node', [tsc, '--noEmit', '--pretty', 'false', '-p', messages], {
    cwd: root,
    encoding: 'utf8',
  })
  const said = Array.from(stdout.matchAll(/^(\S+)\((\d+),\d+\): error TS\d+: (.*)$/gm), ([, file, line, text]) => ({
    place: `${file}:${line}`,
    text: text ?? '',
  }))
  const missing = announced.filter(
    (one) => !said.some(({ place, text }) => place === one.place && text.includes(one.text)),
  )
  const surplus = said.filter(({ place }) => !announced.some((one) => one.place === place))
  for (const { place, text } of missing) console.error(`${place}: no compiler error says: ${text}`)
  for (const { place, text } of surplus) console.error(`${place}: ${text}`)
  return missing.length + surplus.length === 0
}

for (const [name, folder] of Object.entries(compilers)) {
  const tsc = `node_modules/${folder}/bin/tsc`
  const isRight =
    ['test/types', 'test/types/es2022', 'test/types/no-dom'].every((project) =>
      run('node', [tsc, '--noEmit', '-p', project]),
    ) && saysSo(tsc)
  console.log(`${isRight ? '✓' : '✗'} types hold on ${name}`)
  if (!isRight) process.exitCode = 1
}
