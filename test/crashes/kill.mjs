// `node test/crashes/kill.mjs [--cycles 200] [--seed N]`: a program that adds, runs, cancels and removes jobs in a file
// store is killed with SIGKILL at a moment that the seed decides, again and again; each next life finds in the store what
// was acknowledged to the lives before it, or this fails.
//
// What is killed when follows from the seed; what the program has done by then does not.
import { EventEmitter } from 'node:events'
import { watch } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { chanceOf, pick } from './app/values.mjs'
import { install, Life, sleep, Tail } from './life.mjs'
import { Witness } from './witness.mjs'

const moments = /** @type {const} */ (['work', 'work', 'work', 'open', 'open', 'compaction', 'compaction', 'close'])
/** @typedef {typeof moments[number]} Moment */

const openMsMax = 1_000
/** A moment that does not come is not waited for. */
const waitMsMax = 2_000

/**
 * @param {{ cycles: number, seed: string, print?: (line: string) => void }} options
 */
export async function killAgainAndAgain({ cycles, seed, print = () => {} }) {
  const { folder, program, uninstall } = install()
  const [store, trace] = [join(folder, 'store'), join(folder, 'trace')]
  await mkdir(store)
  const witness = new Witness()
  const tail = new Tail(trace)
  const random = chanceOf(seed)
  /** @type {Record<Moment, number>} */
  const kills = { work: 0, open: 0, compaction: 0, close: 0 }
  /** @type {number[]} */
  const openMs = []
  const startedAt = performance.now()
  let compactions = 0
  let next = new Life(program)
  const drafts = new EventEmitter()
  const watcher = watch(store, (_type, name) => {
    if (name?.startsWith('journal.next')) drafts.emit('draft', name)
  })

  /** @param {number} number @param {'work' | 'drain' | 'look'} task */
  const begin = async (number, task) => {
    const life = next
    if (!(await life.says('ready'))) throw new Error(`The program does not start: ${life.errors}`)
    next = new Life(program)
    witness.begin(number)
    const toldAt = performance.now()
    life.go({ life: number, seed, folder: store, trace, durability: 'strict', task }, (line) => {
      witness.hear(line)
      if (line[0] === 'opened') openMs.push(performance.now() - toldAt)
    })
    return life
  }
  /** @param {Life} life */
  const end = async (life) => {
    await life.ended
    for (const line of tail.read()) witness.trace(line)
    if (life.errors) witness.violations.push(`stderr: ${life.errors}`)
  }

  try {
    for (let cycle = 1; cycle <= cycles; cycle++) {
      const moment = pick(random, moments)
      const share = random()
      const life = await begin(cycle, 'work')
      if (moment === 'open') await sleep(share * 40)
      else if (await life.says('looked')) {
        if (moment === 'work') {
          await Promise.race([life.saysMore(1 + Math.floor(share ** 2 * 600)), sleep(waitMsMax)])
          await sleep(random() * 4)
        }
        if (moment === 'compaction') {
          const isSeen = await Promise.race([new Promise((resolve) => drafts.once('draft', resolve)), sleep(waitMsMax)])
          if (isSeen) compactions++
          await sleep(share * 8)
        }
        if (moment === 'close') {
          await Promise.race([life.saysMore(1 + Math.floor(share * 200)), sleep(waitMsMax)])
          life.close()
          await life.says('closing')
          await sleep(random() * 25)
        }
      }
      life.kill()
      await end(life)
      kills[moment]++
      if (cycle % 50 === 0 && cycle < cycles) print(`  ${cycle} kills, ${witness.figures.added} jobs acknowledged`)
      if (witness.violations.length > 0) break
    }
    const cyclesMs = performance.now() - startedAt
    for (const [index, task] of /** @type {const} */ (['drain', 'look']).entries()) {
      await end(await begin(cycles + 1 + index, task))
    }
    witness.assertAllEnded()
    return { ...witness.figures, violations: witness.violations, kills, compactions, openMs, cyclesMs }
  } finally {
    watcher.close()
    next.kill()
    await next.ended
    uninstall()
  }
}

async function main() {
  const { values } = parseArgs({ options: { cycles: { type: 'string' }, seed: { type: 'string' } } })
  const cycles = Number(values.cycles ?? 200)
  const seed = values.seed ?? String(Math.floor(Math.random() * 2 ** 32))
  console.log(`kill -9: ${cycles} cycles, --seed ${seed}`)
  const { violations, kills, compactions, openMs, cyclesMs, ...figures } = await killAgainAndAgain({
    cycles,
    seed,
    print: console.log,
  })
  const all = Object.values(kills).reduce((sum, count) => sum + count)
  const slow = openMs.filter((ms) => ms > openMsMax).length
  const sorted = openMs.sort((a, b) => a - b)
  const part = (/** @type {number} */ share) => Math.round(sorted[Math.floor((sorted.length - 1) * share)] ?? 0)
  console.log(
    `${all} kills (${kills.work} at work, ${kills.open} while opening, ${kills.compaction} while compacting, of which ` +
      `${compactions} with a draft on the disk, ${kills.close} while closing), ${(all / (cyclesMs / 1_000)).toFixed(1)} a second`,
  )
  console.log(
    `${figures.added} jobs, ${figures.completed} completions, ${figures.failed} failures, ${figures.cancelled} cancellations, ` +
      `${figures.removed} removals and ${figures.checkpoints} checkpoints acknowledged; ${figures.runs} runs`,
  )
  console.log(
    `open again after p50 ${part(0.5)} ms, p99 ${part(0.99)} ms, at most ${part(1)} ms; at the first try each time`,
  )
  console.log(`${figures.lost} lost, ${violations.length} violations`)
  for (const violation of violations.slice(0, 20)) console.log(`!!! ${violation}`)
  if (slow * 100 > openMs.length) console.log(`!!! ${slow} openings took more than a second`)
  if (violations.length > 0 || slow * 100 > openMs.length) process.exitCode = 1
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main()
