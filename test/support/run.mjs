// `npm test`: what a change needs, within two minutes on two cores: types, unit tests, and the suite on this Node and in
// one browser that is there. `npm run test:all`: all that runs on this machine's Node and in its browsers.
//
//   --install-browsers   installs the browsers that are missing, on Debian, as root
//
// Other arguments go to Vitest, and then nothing else is run: `npm test -- test/unit/transition.test.ts --project unit`.
import { browserNames, installBrowsers, isInstalled } from './browsers.mjs'
import { run, start, tsup, vitest } from './process.mjs'

const options = ['--all', '--install-browsers']
/**
 * Each cut and each flipped bit of a journal; thousands of random calls; every change of the clocks in seven zones; jobs that
 * keep threads busy for real seconds.
 */
const longest = [
  'test/unit/journal-sweep.test.ts',
  'test/unit/model.test.ts',
  'test/unit/cron.test.ts',
  'test/suite/bad-neighbours.test.ts',
]
const quick = ['--maxWorkers=100%', ...longest.flatMap((file) => ['--exclude', file])]
const args = process.argv.slice(2)
const [isAll, mayInstall] = options.map((name) => args.includes(name))
const vitestArgs = args.filter((name) => !options.includes(name))

if (mayInstall) installBrowsers()
process.exitCode = (vitestArgs.length > 0 ? run('node', [vitest, 'run', ...vitestArgs]) : await test()) ? 0 : 1

async function test() {
  const browsers = browserNames.filter(isInstalled)
  const used = isAll ? browsers : browsers.slice(0, 1)
  const projects = ['unit', 'suite', ...(isAll ? ['node'] : []), ...used.map((name) => `browser (${name})`)]
  const types = checkTypes()
  // Of the tests only those of `node` need the build.
  if (isAll) await types
  const chosen = projects.flatMap((project) => ['--project', project])
  // On all cores, though Vitest leaves one free: of two that would be half. What all of it asks of a machine is left time.
  const isGreen = await start('node', [vitest, 'run', ...chosen, ...(isAll ? [] : quick)])
  for (const line of leftOut(used)) console.log(line)
  // What comes before the end of the tests is far up by now.
  const failed = await types
  if (failed) console.error(`FAILED: ${failed}`)
  return isGreen && !failed
}

/** Builds, and checks the types that this gives. Resolves with the command that has failed, if one has. */
async function checkTypes() {
  if (!(await start('node', [tsup, '--silent']))) return 'npm run build'
  const isRight = await start('node', ['test/support/types.mjs', ...(isAll ? [] : ['--quick'])])
  return isRight ? undefined : 'node test/support/types.mjs'
}

/** @param {readonly string[]} used */
function* leftOut(used) {
  const missing = browserNames.filter((name) => !isInstalled(name))
  const others = browserNames.filter((name) => isInstalled(name) && !used.includes(name))
  const left = ['files and processes on Node', ...longest, 'TypeScript 5.9 and 6', ...others]
  if (!isAll) yield `Left out: ${left.join(', ')}. To run them too: npm run test:all`
  if (missing.length > 0)
    yield `!!! SKIPPED: ${missing.join(', ')}: not installed. On Debian, as root: npm run test:all -- --install-browsers`
  yield 'Left out: Node 22, 24, 26, Bun and Deno: npm run test:runtimes'
  yield 'Left out: kills, power cuts, long simulations, whole browsers that crash: .ci/run'
}
