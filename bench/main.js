// `npm run bench [-- cases] [--in browser] [--quick] [--json file] [--dist folder] [--baseline folder] [--against name]`:
// see README.md.
import { writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { install } from './lib/install.js'

/** @import { Case, Field, Result } from './lib/case.js' */
/** @typedef {{ cases: string[], browsers: string[], against: string[], isQuick: boolean, json: string | undefined }} Choice */

const roundMsMax = 120_000
/** Above this, others are at work on the machine. */
const calmLoadMax = 0.5

/** @returns {Choice} */
function readArguments() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      in: { type: 'string', multiple: true, default: [] },
      quick: { type: 'boolean', default: false },
      json: { type: 'string' },
      dist: { type: 'string' },
      baseline: { type: 'string' },
      against: { type: 'string', multiple: true, default: [] },
    },
  })
  // npm runs scripts in the package's folder; what the user typed was meant from where they are.
  const from = process.env.INIT_CWD ?? '.'
  const address = (/** @type {string} */ folder) => `${pathToFileURL(resolve(from, folder)).href}/`
  if (values.dist) process.env.OFFSTAGE_BENCH_DIST = address(values.dist)
  if (values.baseline) process.env.OFFSTAGE_BENCH_BASELINE = address(values.baseline)
  return {
    cases: positionals,
    browsers: values.in,
    against: values.against,
    isQuick: values.quick,
    json: values.json && resolve(from, values.json),
  }
}

/**
 * @param {readonly Case[]} cases
 * @param {readonly string[]} browserCases
 * @param {readonly string[]} chosen
 */
function choose(cases, browserCases, chosen) {
  const names = [...cases.map(({ name }) => name), ...browserCases]
  const unknown = chosen.find((name) => !names.includes(name))
  if (unknown) throw new Error(`There is no case \`${unknown}\`. The cases: ${names.join(', ')}.`)
  const isChosen = (/** @type {string} */ name) => chosen.length === 0 || chosen.includes(name)
  return { cases: cases.filter(({ name }) => isChosen(name)), inBrowsers: browserCases.filter(isChosen) }
}

/**
 * @param {Case} benchCase
 * @param {Field} field
 * @param {readonly string[]} against  all, if there are none
 * @param {boolean} isQuick
 * @param {(result: Result) => void} report
 */
async function playCase(benchCase, field, against, isQuick, report) {
  const { runCase } = await import('./lib/run-case.js')
  const { collectGarbage } = await import('./lib/memory.js')
  const settle = async () => {
    collectGarbage()
    await sleep(1)
  }
  const { name, number, title, shows, measures } = benchCase
  for (const variant of benchCase.variants(isQuick)) {
    // Of two, which take little time, there can be more: neighbours on the machine move single rounds by a third.
    const more = against.length > 0 ? 5 : 1
    const rounds = more * (variant.rounds ?? (isQuick ? 2 : benchCase.rounds))
    const contestants = (await benchCase.contestants(field, variant)).filter(
      ({ name }) => against.length === 0 || name.startsWith('offstage') || against.includes(name),
    )
    const rows = await runCase(benchCase, variant, contestants, { rounds, roundMsMax, settle })
    report({ case: name, number, title, shows, variant: variant.label, where: 'node', measures, rows })
  }
}

async function main() {
  const { cases: chosen, browsers, against, isQuick, json } = readArguments()
  install()
  const { nodeCases } = await import('./cases/index.js')
  const { nodeField } = await import('./pools/index.js')
  const { load, machine, peerVersions, revision } = await import('./lib/machine.js')
  const { printResult } = await import('./lib/table.js')
  const { browserCases, playInBrowsers } = await import('./browser/play.js')
  const { describeDisk } = await import('./lib/disk.js')

  const { cases, inBrowsers } = choose(await nodeCases(), browserCases, chosen)
  const about = {
    ...machine(),
    disk: describeDisk(),
    revision: revision(),
    isQuick,
    at: new Date().toISOString(),
    loadBefore: load(),
  }
  console.log(
    `offstage ${about.revision} on ${about.cpu}, ${about.cores} cores, ${about.memoryGb} GB, Node ${about.node}`,
  )
  console.log(`Stores are in ${about.disk}`)
  if (about.loadBefore > calmLoadMax)
    console.log(
      `!!! The machine is not quiet (load ${about.loadBefore.toFixed(1)}): trust ratios only, and those little.`,
    )

  /** @type {Result[]} */
  const results = []
  const report = (/** @type {Result} */ result) => {
    results.push(result)
    printResult(result)
  }
  const field = await nodeField()
  for (const benchCase of cases) await playCase(benchCase, field, against, isQuick, report)
  if (inBrowsers.length > 0) await playInBrowsers(inBrowsers, browsers, isQuick, report)
  if (json) writeFileSync(json, `${JSON.stringify({ format: 1, about, peers: peerVersions(), results }, null, 1)}\n`)
  // A peer that fails is in the tables; it is no fault of ours.
  const hasFailed = results.some(({ rows }) => rows.some((row) => row.failed && row.contestant.startsWith('offstage')))
  // Not all pools let go of the process when they are closed.
  process.exit(hasFailed ? 1 : 0)
}

// Through `exit`, where stores are removed; what else we started ends with us.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => process.exit(1))

await main().catch((error) => {
  console.error(error)
  process.exit(1)
})
