// `npm run test:runtimes [name…]`: the tests without a browser, under every other runtime we support.

import { spawnSync } from 'node:child_process'
import { root, run, tsup, vitest } from './process.mjs'

/**
 * @typedef {{
 *   from: string,
 *   program: string,
 *   args: string[],
 *   projects: string[],
 *   leavesOut?: string[],
 *   isBuilt?: boolean,
 * }} Runtime
 */

/**
 * The package npx gets each runtime from, how it is started, and the test projects it runs. What has no platform below it (`unit`)
 * runs on one Node, and again on another engine; what Node alone has (`node`) on its oldest and newest version. One of them
 * tests the build instead of the sources.
 *
 * @param {number} version
 * @param {string[]} projects
 */
const node = (version, projects) => ({ from: `node@${version}`, program: 'node', args: [], projects })
/** Browsers, compilers and texts: they are the same on every Node. */
const elsewhere = ['demo-web', 'devtools', 'docs', 'editor', 'package', 'plain-members', 'tabs', 'vite']
/** @type {Record<string, Runtime>} */
const runtimes = {
  node22: node(22, ['suite']),
  node24: { ...node(24, ['suite']), isBuilt: true },
  node26: { ...node(26, ['suite', 'node']), leavesOut: elsewhere.map((name) => `test/node/${name}.test.ts`) },
  bun: { from: 'bun@1', program: 'bun', args: [], projects: ['unit', 'suite'] },
  deno: { from: 'deno@2', program: 'deno', args: ['run', '--allow-all'], projects: ['suite'] },
}

const asked = process.argv.slice(2)
const unknown = asked.filter((name) => !(name in runtimes))
if (unknown.length > 0) {
  console.error(`Expected runtimes among ${Object.keys(runtimes).join(', ')}, got ${unknown.join(', ')}.`)
  process.exit(2)
}

const names = asked.length > 0 ? asked : Object.keys(runtimes)
const summary = names.map((name) => testOn(name, /** @type {Runtime} */ (runtimes[name])))
console.log(`\n${summary.join('\n')}`)

/**
 * @param {string} name
 * @param {Runtime} runtime
 */
function testOn(name, { from, program, args, projects, leavesOut = [], isBuilt = false }) {
  console.log(`\n=== ${name}`)
  const npx = ['--yes', '--package', from, program]
  const { status, stdout } = spawnSync('npx', [...npx, '--version'], { cwd: root, encoding: 'utf8' })
  if (status !== 0) return `!!! SKIPPED: ${name} could not be fetched, so nothing is tested on it`
  const version = stdout.match(/\d+\.\d+\.\d+/)?.[0]
  const reports = process.env.OFFSTAGE_TEST_REPORTS
  const env = {
    ...(reports ? { OFFSTAGE_TEST_REPORT: `${reports}/${name}.json` } : {}),
    ...(isBuilt ? { OFFSTAGE_BUILT: '1' } : {}),
  }
  const vitestArgs = [
    'run',
    ...projects.flatMap((project) => ['--project', project]),
    ...leavesOut.flatMap((file) => ['--exclude', file]),
  ]
  const isGreen =
    (!isBuilt || run(process.execPath, [tsup, '--silent'])) &&
    run('npx', [...npx, ...args, vitest, ...vitestArgs], env) &&
    (program === 'node' || programsEnd(from, program, args))
  if (!isGreen) process.exitCode = 1
  return `${isGreen ? '✓' : '✗'} ${name} (${version})`
}

/**
 * Signals, on a runtime that does not run the project `node`: the programs of these tests do.
 *
 * @param {string} from
 * @param {string} program
 * @param {string[]} args
 */
function programsEnd(from, program, args) {
  // npx would stand between a signal and the program.
  const { stdout } = spawnSync('npx', ['--yes', '--package', from, 'which', program], { cwd: root, encoding: 'utf8' })
  const env = { OFFSTAGE_TEST_PROGRAMS: [stdout.trim(), ...args].join(' ') }
  return run(process.execPath, [vitest, 'run', '--project', 'node', 'test/node/signals.test.ts'], env)
}
