// `npm test`: what a change needs, within two minutes on two cores: types, unit tests, and the suite on this Node and in
// one browser that is there. `npm run test:all`: all that runs on this machine's Node and in its browsers.
//
//   --rest               only what `npm test` leaves out: with it, that is all
//   --install-browsers   installs the browsers that are missing, on Debian, as root
//
// Other arguments go to Vitest, and then nothing else is run: `npm test -- test/unit/transition.test.ts --project unit`.
import { browserNames, installBrowsers, isInstalled } from './browsers.mjs'
import { run, start, tsup, vitest } from './process.mjs'

const options = ['--all', '--rest', '--install-browsers']
/**
 * Each cut and each flipped bit of a journal; an end at each operation of a store; thousands of random calls; every change of the
 * clocks in seven zones; each value that an option might be given; threads that are busy, or missing, for real seconds.
 */
const longest = [
  'test/unit/journal-sweep.test.ts',
  'test/unit/blob-crashes.test.ts',
  'test/unit/extension-guests.test.ts',
  'test/unit/schedule-sweep.test.ts',
  'test/unit/model.test.ts',
  'test/unit/tabs-model.test.ts',
  'test/unit/cron.test.ts',
  'test/suite/bad-input.test.ts',
  'test/suite/bad-neighbours.test.ts',
  'test/suite/no-thread.test.ts',
]
// On all cores, though Vitest leaves one free: of two that would be half. What all of it asks of a machine is left time.
const quick = ['--maxWorkers=100%', ...longest.flatMap((file) => ['--exclude', file])]
const args = process.argv.slice(2)
const [isAll, isRest, mayInstall] = options.map((name) => args.includes(name))
const vitestArgs = args.filter((name) => !options.includes(name))

if (mayInstall) installBrowsers()
process.exitCode = (vitestArgs.length > 0 ? run('node', [vitest, 'run', ...vitestArgs]) : await test()) ? 0 : 1

async function test() {
  const browsers = browserNames.filter(isInstalled)
  const used = isAll ? browsers : browsers.slice(0, 1)
  const types = checkTypes()
  // Of the tests only those of `node` need the build.
  if (isAll) await types
  const often = ['unit', 'suite', ...inBrowsers(browsers.slice(0, 1))]
  const seldom = ['node', ...inBrowsers(browsers.slice(1))]
  let isGreen = true
  if (!isAll) isGreen = await testProjects(often, quick, '', { OFFSTAGE_TEST_QUICK: '1' })
  else if (!isRest) isGreen = await testProjects([...often, ...seldom])
  else {
    const parts = [
      await testProjects(['unit', 'suite'], longest, '-longest'),
      await testProjects(inBrowsers(browsers.slice(0, 1)), ['test/suite'], '-suite'),
      await testProjects(seldom),
    ]
    isGreen = parts.every(Boolean)
  }
  for (const line of leftOut(used)) console.log(line)
  // What comes before the end of the tests is far up by now.
  const failed = await types
  if (failed) console.error(`FAILED: ${failed}`)
  return isGreen && !failed
}

/** @param {readonly string[]} names */
function inBrowsers(names) {
  return names.map((name) => `browser (${name})`)
}

/**
 * @param {readonly string[]} projects
 * @param {readonly string[]} vitestArgs
 * @param {string} reportName  at the end of the name of CI's report
 * @param {Readonly<Record<string, string>>} more  variables of the environment
 */
function testProjects(projects, vitestArgs = [], reportName = '', more = {}) {
  const report = process.env.OFFSTAGE_TEST_REPORT
  const env = { ...more, ...(report && { OFFSTAGE_TEST_REPORT: report.replace('.json', `${reportName}.json`) }) }
  return start('node', [vitest, 'run', ...projects.flatMap((name) => ['--project', name]), ...vitestArgs], env)
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
  const inBrowser = used.length > 0 ? [`most suites in ${used[0]}`] : []
  const left = ['files and processes on Node', ...longest, ...inBrowser, 'TypeScript 5.9 and 6', ...others]
  if (!isAll) yield `Left out: ${left.join(', ')}. To run them too: npm run test:all`
  if (missing.length > 0)
    yield `!!! SKIPPED: ${missing.join(', ')}: not installed. On Debian, as root: npm run test:all -- --install-browsers`
  yield 'Left out: Node 22, 24, 26, Bun and Deno: npm run test:runtimes'
  yield 'Left out: kills, power cuts, long simulations, whole browsers that crash: .ci/run'
}
