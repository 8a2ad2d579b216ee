// Real browsers, each a process, whose tabs are killed in the middle of their work. `node test/tabs/main.mjs` does it more
// often, and more to them.
import { describe, expect, test } from 'vitest'
import { browserNames, isInstalled } from '../support/browsers.mjs'
import { runEngine } from '../tabs/program.ts'

const cases = ['tab kills', 'browser kills', 'take-overs']
const seed = Date.now() % 1_000_000
/** Browsers take their time to start on a machine with other work to do. */
const timeout = 180_000
const isLinux = process.platform === 'linux'

if (!isLinux) console.warn('\n!!! SKIPPED: no tab is killed: processes are found by /proc, which only Linux has.\n')
for (const name of browserNames.filter((name) => isLinux && !isInstalled(name)))
  console.warn(`\n!!! SKIPPED: no tab of ${name} is killed: it is not installed.\n`)

const engines = browserNames.filter((name) => isLinux && isInstalled(name))

async function run(options: Partial<Parameters<typeof runEngine>[0]>) {
  const lines: string[] = []
  const outcome = await runEngine({
    engine: 'chromium',
    seed,
    kills: 1,
    log: (line) => void lines.push(line),
    ...options,
  })
  return { ...outcome, report: [`seed ${seed}`, ...lines].join('\n') }
}

/** A kill may come in a moment in which nothing is wrong; ten will not. */
async function runUntil(
  isOver: (outcome: Awaited<ReturnType<typeof run>>) => boolean,
  options: Parameters<typeof run>[0],
) {
  let outcome = await run(options)
  for (let kills = 1; kills < 10 && !isOver(outcome); kills++) outcome = await run({ ...options, seed: seed + kills })
  return outcome
}

describe.concurrent('killed in the middle of their work', { timeout }, () => {
  test.each(engines)('%s: nothing that was acknowledged is lost, nothing is done twice', async (engine) => {
    const { kills, acknowledged, violations, report } = await run({ engine, cases })
    expect(violations, report).toEqual([])
    expect(kills, report).toBe(cases.length)
    expect(acknowledged, report).toBeGreaterThan(30)
  })

  test.skipIf(!engines.includes('chromium'))('chromium: its own files are torn, or damaged', async () => {
    const { violations, report } = await run({ cases: ['torn log', 'files damaged'] })
    expect(violations, report).toEqual([])
  })

  test.skipIf(!engines.includes('chromium'))('a page that acknowledges too early is found out', async () => {
    const { lost, report } = await runUntil(({ lost }) => lost > 0, { cases: ['tab kills'], plant: 'ack-early' })
    expect(lost, report).toBeGreaterThan(0)
  })

  test.skipIf(!engines.includes('chromium'))('a page that does things again is found out', async () => {
    const { twice, report } = await runUntil(({ twice }) => twice > 0, { cases: ['tab kills'], plant: 'run-again' })
    expect(twice, report).toBeGreaterThan(0)
  })
})
