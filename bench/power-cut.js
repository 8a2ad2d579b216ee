// `node bench/power-cut.js [queues] [--cuts 10] [--seed 1] [--quick] [--json file]`: what each queue loses of what it has
// acknowledged when the power fails. See README.md.
import { execFileSync, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { install } from './lib/install.js'
import { seeded } from './lib/random.js'
import { runChild } from './lib/run-child.js'
import { median } from './lib/stats.js'
import { format, printTable } from './lib/table.js'

/** @import { Contestant } from './lib/case.js' */
/** @typedef {{ afterMs: number, acknowledged: number, lost: number, failed?: string }} Cut */

const life = new URL('./lib/power-cut-life.js', import.meta.url)
/** In memory: what the file system never wrote to it is not in its copy. */
const memory = '/dev/shm'
const imageSize = '128M'
/** It writes by itself only so many seconds later, and at a sync. */
const commitS = 600
const [afterMsMin, afterMsMax] = [200, 1_200]
const readyMsMax = 30_000

/** @param {string} command @param {readonly string[]} args */
const run = (command, ...args) => execFileSync(command, args, { stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8' })

/** What is mounted now, and goes with us. @type {Set<string>} */
const mounted = new Set()

/** @param {string} image @param {string} at */
function mount(image, at) {
  mkdirSync(at, { recursive: true })
  run('mount', '-o', `loop,commit=${commitS}`, image, at)
  mounted.add(at)
}

/** Whoever was killed may need a moment to be gone. @param {string} at */
async function unmount(at) {
  for (let again = 0; ; again++) {
    try {
      run('umount', at)
      break
    } catch (error) {
      if (again === 100) throw error
      await sleep(20)
    }
  }
  mounted.delete(at)
}

/** @param {string} folder */
function cleanUp(folder) {
  for (const at of mounted) {
    try {
      run('umount', '--lazy', at)
    } catch (error) {
      console.error(`!!! ${at} is still mounted: ${error}`)
    }
  }
  rmSync(folder, { recursive: true, force: true })
}

/** @param {string} image */
function makeImage(image) {
  run('truncate', '-s', imageSize, image)
  run('mkfs.ext4', '-q', '-F', image)
}

/** Why power cannot be cut here, in the words of whoever refuses it. @param {string} folder */
async function whyNot(folder) {
  if (process.platform !== 'linux') return 'it needs the loop devices of Linux'
  if (process.getuid?.() !== 0) return 'it needs root, to mount'
  const image = join(folder, 'try')
  try {
    makeImage(image)
    mount(image, join(folder, 'try-mounted'))
    await unmount(join(folder, 'try-mounted'))
  } catch (error) {
    return String(/** @type {Error} */ (error).message).trim()
  } finally {
    rmSync(image, { force: true })
  }
}

/**
 * One life and its end.
 *
 * @param {string} name
 * @param {string} folder
 * @param {number} afterMs
 * @returns {Promise<Cut>}
 */
async function cutOnce(name, folder, afterMs) {
  const [image, copy] = [join(folder, 'image'), join(folder, 'copy')]
  const [before, after] = [join(folder, 'before'), join(folder, 'after')]
  try {
    makeImage(image)
    mount(image, before)
    const acknowledged = await liveAndDie(name, before, afterMs, () => run('cp', '--sparse=always', image, copy))
    await unmount(before)
    mount(copy, after)
    try {
      const found = new Set(await runChild(life, ['read', name, after]))
      return {
        afterMs,
        acknowledged: acknowledged.length,
        lost: acknowledged.filter((index) => !found.has(index)).length,
      }
    } catch (error) {
      return { afterMs, acknowledged: acknowledged.length, lost: acknowledged.length, failed: String(error) }
    }
  } finally {
    for (const at of [...mounted]) await unmount(at)
    for (const file of [image, copy]) rmSync(file, { force: true })
  }
}

/**
 * @param {string} name
 * @param {string} folder
 * @param {number} afterMs
 * @param {() => void} cut
 * @returns {Promise<number[]>} what was acknowledged
 */
async function liveAndDie(name, folder, afterMs, cut) {
  // Not in our working folder, and with nothing open but what it opens itself: it must not keep a file system busy.
  const child = spawn(process.execPath, [fileURLToPath(life), 'write', name, folder], {
    stdio: ['pipe', 'pipe', 'inherit'],
    cwd: '/',
  })
  const kill = () => child.kill('SIGKILL')
  process.once('exit', kill)
  const closed = new Promise((resolve) => child.on('close', resolve))
  child.stdin.on('error', () => {}) // It is dead, which others find out.
  let said = ''
  let onReady = () => {}
  const ready = new Promise((resolve) => {
    onReady = () => resolve(true)
  })
  child.stdout.setEncoding('utf8').on('data', (data) => {
    said += data
    onReady()
  })
  if (!(await Promise.race([ready, closed.then(() => false), sleep(readyMsMax, false, { ref: false })]))) {
    kill()
    throw new Error(`${name} did not start.`)
  }
  // What it makes when it starts is not what this is about.
  run('sync', '-f', folder)
  child.stdin.write('!')
  await sleep(afterMs)
  kill()
  cut()
  await closed
  process.off('exit', kill)
  const lines = said.split('\n').slice(1, -1) // The first says that it is ready, the last may be cut.
  return lines.map(Number)
}

/** @param {{ contestant: string, acknowledged: string, cuts: Cut[], skipped?: string }[]} rows */
function print(rows) {
  const lines = rows
    .filter(({ cuts }) => cuts.length > 0)
    .map(({ contestant, acknowledged, cuts }) => {
      const lost = cuts.map((cut) => cut.lost)
      const sum = (/** @type {number[]} */ figures) => figures.reduce((total, figure) => total + figure, 0)
      const figures = [
        cuts.length,
        sum(cuts.map((cut) => cut.acknowledged)),
        sum(lost),
        lost.filter((count) => count > 0).length,
        median(lost),
        Math.max(...lost),
        cuts.filter(({ failed }) => failed).length,
      ]
      return [contestant, ...figures.map((figure) => format(figure, { digits: 0 })), acknowledged]
    })
  const head = ['', 'cuts', 'acknowledged', 'lost', 'cuts that lost', 'median of a cut', 'most', 'unreadable']
  printTable([...head, 'it said that a job was'], lines, [0, 8])
  for (const { contestant, skipped } of rows) if (skipped) console.log(`   ${contestant} is left out: ${skipped}`)
}

async function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      cuts: { type: 'string', default: '10' },
      seed: { type: 'string', default: '1' },
      quick: { type: 'boolean', default: false },
      json: { type: 'string' },
    },
  })
  const cuts = values.quick ? 1 : Number(values.cuts)
  install()
  const folder = mkdtempSync(join(memory, 'offstage-power-cut-'))
  process.once('exit', () => cleanUp(folder))
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => process.exit(1))
  const reason = await whyNot(folder)
  if (reason) return console.log(`\n!!! SKIPPED: no power was cut: ${reason}\n`)

  const { durableQueues } = await import('./stores/index.js')
  const { machine, peerVersions, revision } = await import('./lib/machine.js')
  const queues = (await durableQueues()).filter(({ name }) => positionals.length === 0 || positionals.includes(name))
  console.log(
    `A power cut: ext4 (commit=${commitS}) on a loop device; 100 callers add small jobs; after ${afterMsMin} to ${afterMsMax} ms the\n` +
      `process is killed, and what had reached the device is mounted anew. offstage ${revision()}, seed ${values.seed}.\n`,
  )
  const rows = queues.map(({ name, acknowledged = '', skip }) => ({
    contestant: name,
    acknowledged,
    cuts: /** @type {Cut[]} */ ([]),
    ...(skip && { skipped: skip }),
  }))
  const random = seeded(Number(values.seed))
  for (let cut = 0; cut < cuts; cut++) {
    // The same moment for all of them.
    const afterMs = Math.round(afterMsMin + random() * (afterMsMax - afterMsMin))
    for (const row of rows.filter(({ skipped }) => !skipped)) {
      const figures = await cutOnce(row.contestant, folder, afterMs)
      row.cuts.push(figures)
      const { acknowledged, lost, failed } = figures
      console.log(
        `   ${row.contestant}, cut after ${afterMs} ms: ${acknowledged} acknowledged, ${lost} lost${failed ? ` (${failed})` : ''}`,
      )
    }
  }
  console.log()
  print(rows)
  const about = { ...machine(), revision: revision(), isQuick: values.quick, at: new Date().toISOString() }
  if (values.json) {
    const json = { format: 1, about, peers: peerVersions(), seed: values.seed, powerCuts: rows }
    writeFileSync(resolve(process.env.INIT_CWD ?? '.', values.json), `${JSON.stringify(json, null, 1)}\n`)
  }
  if (rows.some(({ contestant, cuts }) => contestant === 'offstage' && cuts.some(({ lost }) => lost > 0)))
    process.exitCode = 1
}

await main()
// Redis, and whatever else a queue holds on to, has ended with its process.
process.exit()
