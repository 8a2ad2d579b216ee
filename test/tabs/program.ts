/** `node test/tabs/main.mjs`: jobs in real browsers whose processes are killed. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { seededRandom } from '../../src/shared/seeded-random.ts'
import { type BrowserName, browserNames, isInstalled } from '../support/browsers.mjs'
import { Browser } from './browser.ts'
import { cases, type Stage } from './cases.ts'
import { Evidence, type Figures } from './evidence.ts'
import type { Plant } from './protocol.ts'
import { Site } from './site.ts'

export interface EngineOptions {
  readonly engine: BrowserName
  readonly seed: number
  /** How often in each case that kills. */
  readonly kills: number
  /** Names of cases; all of them by default. */
  readonly cases?: readonly string[] | undefined
  readonly plant?: Plant | undefined
  readonly log?: (line: string) => void
}

export interface Outcome extends Figures {
  readonly engine: BrowserName
  readonly violations: readonly string[]
  readonly ms: number
}

const violationsShown = 10

/** Runs the cases in one engine. Never rejects: whatever goes wrong is a violation. */
export async function runEngine(options: EngineOptions): Promise<Outcome> {
  const { engine, seed, kills, plant, log = console.log } = options
  const startedAt = performance.now()
  const folder = mkdtempSync(join(tmpdir(), `offstage-tabs-${engine}-`))
  const evidence = new Evidence()
  const site = await Site.start((heard) => evidence.hear(heard))
  const browser = new Browser(engine, join(folder, 'profile'), site)
  const names = Object.keys(cases).filter((name) => options.cases?.includes(name) ?? true)
  try {
    for (const name of names) {
      const random = seededRandom(seed + Object.keys(cases).indexOf(name))
      await runCase(name, { browser, site, evidence, random, kills, plant, note: () => {} }, log)
    }
  } finally {
    await browser.end()
    site.close()
    // The last process may still be writing for a moment.
    rmSync(folder, { recursive: true, force: true, maxRetries: 10 })
  }
  return { engine, ...evidence.figures, violations: evidence.violations, ms: performance.now() - startedAt }
}

async function runCase(name: string, given: Stage, log: (line: string) => void): Promise<void> {
  const { evidence, browser } = given
  const startedAt = performance.now()
  const before = { ...evidence.figures, violations: evidence.violations.length }
  const notes: string[] = []
  const stage = { ...given, note: (text: string) => void notes.push(text) }
  evidence.forget()
  evidence.expected = undefined
  try {
    await browser.start()
    await cases[name]?.(stage)
  } catch (error) {
    evidence.violate(`${name}: ${(error as Error).message}`)
  }
  await browser.kill()
  const { acknowledged, completed, runs, lost, twice, kills } = evidence.figures
  const figures = [
    `${kills - before.kills} kills`,
    `${acknowledged - before.acknowledged} acknowledged`,
    `${completed - before.completed} completed in ${runs - before.runs} runs`,
    `${lost - before.lost} lost`,
    `${twice - before.twice} twice`,
    ...notes,
    `${((performance.now() - startedAt) / 1000).toFixed(1)} s`,
  ]
  const violations = evidence.violations.slice(before.violations)
  log(`${violations.length === 0 ? 'ok  ' : 'FAIL'} ${browser.name}: ${name}: ${figures.join(', ')}`)
  for (const violation of violations.slice(0, violationsShown)) log(`       ${violation}`)
  if (violations.length > violationsShown) log(`       and ${violations.length - violationsShown} more`)
}

export async function main(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      engine: { type: 'string', multiple: true },
      kills: { type: 'string', default: '10' },
      seed: { type: 'string', default: String(Date.now() % 1_000_000) },
      case: { type: 'string', multiple: true },
      plant: { type: 'string' },
    },
  })
  const seed = Number(values.seed)
  console.log(`seed ${seed}`)
  const engines = ((values.engine as BrowserName[] | undefined) ?? browserNames).filter((engine) => {
    if (!isInstalled(engine)) console.warn(`\n!!! SKIPPED: ${engine} is not installed, so no tab of it was killed.\n`)
    return isInstalled(engine)
  })
  // All at once: most of the time browsers start and end, and another can work meanwhile.
  const outcomes = await Promise.all(
    engines.map((engine) =>
      runEngine({ engine, seed, kills: Number(values.kills), cases: values.case, plant: values.plant as Plant }),
    ),
  )
  console.log('')
  for (const { engine, kills, acknowledged, lost, twice, violations, ms } of outcomes) {
    console.log(
      `${engine}: ${kills} kills, ${acknowledged} jobs acknowledged, ${lost} lost, ${twice} twice, ${violations.length} violations, ${Math.round(ms / 1000)} s`,
    )
  }
  return outcomes.every(({ violations }) => violations.length === 0) ? 0 : 1
}
