// `node test/simulation/run.mjs`: the deterministic simulation, on all cores.
//
//   --steps 20e6 --crashes 40000   goes on until both are reached
//   --from 1000                    the first seed
//   --seed 17                      one run, told step by step
//   --mutants [name]               plants each known bug in turn; all of them must be found
//   --mutants --quick              leaves out those that need more than half a million steps
//   --mutants --minutes 8          begins with none after that; with which it begins depends on the commit. One in twenty may be missed
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { bundle } from './bundle.mjs'
import { mutants } from './mutants.mjs'

/** What must have happened: a simulation that never reaches a state proves nothing about it. */
const mustHappen = [
  'power cuts',
  'kills',
  'crashes while opening',
  'crashes while closing',
  'stopped for good',
  'foreign writer',
  'flipped bits reported',
  'cut off and told',
  'relaxed batches lost and told',
  'commit refused: STORE_LOCKED',
  'commit refused: STORE_WRITE_FAILED',
  'open refused: STORE_WRITE_FAILED',
  'second opener refused: STORE_LOCKED',
  'store:error',
  'adds acknowledged',
  'adds refused: STORE_WRITE_FAILED',
  'adds refused: QUEUE_FULL',
  'done, and not recorded yet',
  'attempts',
  'kept',
  'threads that died',
  'threads that did not load',
  'modules that failed late, with a job',
  'rejected: no thread',
  'loops left behind',
  'jobs that ended the process',
  'trials',
  'acquitted after a while',
  'poisoned by the ends of their process',
  'let go by retention',
  'snoozed',
  'waits without a thread',
  'waits: slept',
  'waits: no signal in time',
  'waits: woken by a signal',
  'waits: what it waits for is there',
  'starts while another queue rests',
  'conditions met while jobs wait',
  'groups that wait for their turn',
  'settings of groups confirmed',
  'workers kept free',
  'failed for good by a handler',
  'tried again when a handler asked for it',
  'no time left for another attempt',
  'no attempt in the time for retries',
  'unblocked with the end of another',
  'turns acknowledged',
  'turns refused',
  'schedules: occurrences that added a job',
  'schedules: occurrences skipped: missed',
  'schedules: occurrences skipped: overlap',
  'schedules: missed occurrences made up for',
  'schedules: occurrences that wait for room',
  'schedules: jobs that wait for the one before',
  'schedules: limits reached',
  'schedules: set again with the same times',
  'schedules: calls refused',
  'schedules: pause',
  'schedules: resume',
  'schedules: remove',
  'schedules: trigger',
  'keys: return: existing',
  'keys: reject refused: DUPLICATE_ID',
  'keys: replace: replaced',
  'keys: debounce: existing',
  'keys: throttle: existing',
  'keys: coalesce: existing',
  'keys: coalesce refused: STORE_WRITE_FAILED',
  'keys: jobs that wait for the one before',
  'keys: taken for their window',
  'moves written down',
  'moves found afterwards',
  'projections stored',
  'topics: published',
  'families: children added',
  'families: children of an earlier job',
  'families: results recorded',
  'families: fell',
  'families: refused',
  'families: retried',
  'flows: added',
  'flows: unblocked',
  'flows: fell with another',
  'flows: results of parents',
  'batches: added',
  'batches: appended',
  'batches: appended by a job',
  'batches: append refused',
  'batches: sealed',
  'batches: ended and told',
  'batches: forgotten',
  'batches: onSuccess',
  'batches: onComplete',
  'batches: onDeath',
  'batches: owing a callback',
  'flows and batches refused: BATCH_SEALED',
  'flows and batches refused: STORE_WRITE_FAILED',
  'settings found',
  'settings confirmed',
  'clock jumps',
  'starts under a rate limit',
  'gaps between lives',
  'closed: drain',
  'closed: finish',
  'closed: now',
  'cancel: 1',
  'retry: 1',
  'remove: 1',
  'setPriority: 1',
  'promote: 1',
  'update: 1',
  'blobs found',
  'flipped bits of blobs',
  'disk: blobs kept',
  'disk: blobs removed',
  'disk: generations published',
  'disk: torn tails set aside',
  'disk: seals',
  'disk: frames of batches that go on',
  'disk: ENOSPC',
  'disk: short write',
  'disk: stale sectors',
  'disk: lost names',
  'disk: EIO on sync',
  'disk: EIO on write',
  'disk: EIO on syncFolder',
  'disk: EIO on truncate',
  'disk: EIO on rename',
  'disk: EIO on stat',
  'disk: EIO on read',
  'disk: EACCES on open',
  'disk: power cut: none',
  'disk: power cut: all',
  'disk: power cut: prefix',
  'disk: power cut: subset',
  'disk: power cut: torn',
]

const args = process.argv.slice(2)
/** @param {string} name @param {number} otherwise */
const option = (name, otherwise) =>
  args.includes(`--${name}`) ? Number(args[args.indexOf(`--${name}`) + 1]) : otherwise

/** @type {Set<import('node:child_process').ChildProcess>} */
const children = new Set()
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => {
    for (const child of children) child.kill('SIGKILL')
    process.exit(1)
  })
}
const folder = mkdtempSync(join(tmpdir(), 'offstage-simulation-'))
try {
  if (args.includes('--seed')) await replay()
  else if (args.includes('--mutants')) await hunt()
  else await prove()
} finally {
  rmSync(folder, { recursive: true, force: true })
}

/** @param {string} file @param {string[]} childArgs @param {number} [timeoutMs] @returns {Promise<{ code: number | null, output: string }>} */
function start(file, childArgs, timeoutMs) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [file, ...childArgs], {
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
    })
    children.add(child)
    let output = ''
    child.stdout.on('data', (text) => {
      output += text
    })
    child.stderr.on('data', (text) => {
      output += text
    })
    child.on('close', (code) => {
      children.delete(child)
      resolve({ code, output })
    })
  })
}

async function replay() {
  const file = join(folder, 'main.mjs')
  await bundle(file)
  const { code, output } = await start(file, args)
  console.log(output)
  process.exitCode = code ?? 1
}

async function prove() {
  const file = join(folder, 'main.mjs')
  await bundle(file)
  const processes = option('processes', availableParallelism())
  const [steps, crashes, from] = [option('steps', 2e6), option('crashes', 0), option('from', 1)]
  const shares = Array.from({ length: processes }, (_, index) =>
    start(file, [
      '--steps',
      `${steps / processes}`,
      '--crashes',
      `${crashes / processes}`,
      '--from',
      `${from + index}`,
      '--stride',
      `${processes}`,
    ]),
  )
  const results = (await Promise.all(shares)).map(({ output }) => parse(output))
  /** @type {Record<string, number>} */
  const counts = {}
  for (const result of results) {
    for (const [what, count] of Object.entries(result.counts)) counts[what] = (counts[what] ?? 0) + count
  }
  const sum = (/** @type {'steps' | 'crashes' | 'runs'} */ what) =>
    results.reduce((total, result) => total + result[what], 0)
  const violations = results.flatMap((result) => result.violations)
  const seconds = Math.max(...results.map(({ ms }) => ms)) / 1000
  for (const what of Object.keys(counts).sort()) console.log(`  ${String(counts[what]).padStart(9)} ${what}`)
  console.log(
    `${sum('steps')} steps, ${sum('crashes')} crashes, ${sum('runs')} runs in ${seconds.toFixed(1)} s on ${processes} processes: ${Math.round(sum('steps') / seconds / 1000)}k steps a second`,
  )
  const missing = sum('steps') >= 1e6 ? mustHappen.filter((what) => !counts[what]) : []
  for (const what of missing) console.log(`NEVER HAPPENED: ${what}`)
  for (const { seed, message } of violations) console.log(`VIOLATION with --seed ${seed}: ${message}`)
  console.log(`${violations.length} violations`)
  process.exitCode = violations.length + missing.length > 0 ? 1 : 0
}

/** @param {string} output @returns {{ steps: number, crashes: number, runs: number, ms: number, counts: Record<string, number>, violations: { seed: number, invariant: string, message: string, steps: number }[] }} */
function parse(output) {
  const line = output.split('\n').find((text) => text.startsWith('{"steps"'))
  if (!line) throw new Error(`the simulation came to grief:\n${output}`)
  return JSON.parse(line)
}

/** Each planted bug must be found, within so many steps; the time is for one that slows everything down. */
async function hunt() {
  const only = args[args.indexOf('--mutants') + 1]
  const isQuick = args.includes('--quick')
  const chosen = mutants.filter(
    ({ name, isRare }) => (!only || only.startsWith('--') || name.includes(only)) && !(isQuick && isRare),
  )
  const minutes = option('minutes', Number.POSITIVE_INFINITY)
  const first = minutes < Number.POSITIVE_INFINITY ? placeOfCommit() % chosen.length : option('skip', 0)
  const list = [...chosen.slice(first), ...(args.includes('--skip') ? [] : chosen.slice(0, first))]
  const until = performance.now() + minutes * 60_000
  const [steps, seconds] = [option('steps', 4e6), option('seconds', 180)]
  /** @type {string[]} */
  const missed = []
  let next = 0
  const always = ['--steps', `${steps}`, '--mutant', '1', '--violations', '1']
  const hunter = async () => {
    while (next < list.length && performance.now() < until) {
      const index = next++
      const mutant = /** @type {import('./mutants.mjs').Mutant} */ (list[index])
      const { name, isJournal } = mutant
      const file = join(folder, `mutant-${index}.mjs`)
      await bundle(file, [mutant])
      const { code, output } = await start(
        file,
        [...always, '--seconds', `${seconds}`, ...(isJournal ? ['--from', '4', '--stride', '4'] : [])],
        (seconds + 15) * 1000,
      )
      const found = describe(code, output)
      console.log(`${found ? 'found ' : 'MISSED'} ${name}${found ? `: ${found}` : ''}`)
      if (!found) missed.push(name)
    }
  }
  await Promise.all(Array.from({ length: option('processes', availableParallelism()) }, hunter))
  console.log(`${next - missed.length} of ${next} planted bugs found`)
  const left = mutants.length - next
  if (left > 0) console.log(`Not hunted: ${left}. To hunt all: node test/simulation/run.mjs --mutants --steps 8e6`)
  // In a short hunt, chance and a slow machine may keep a few of them from showing themselves.
  const missedMax = minutes < Number.POSITIVE_INFINITY ? next / 20 : 0
  process.exitCode = missed.length > missedMax ? 1 : 0
}

/** Another one for each commit, so that in time all bugs are hunted. */
function placeOfCommit() {
  const { stdout } = spawnSync('git', ['rev-parse', '--short=8', 'HEAD'], { encoding: 'utf8' })
  return Number.parseInt(stdout, 16) || 0
}

/** @param {number | null} code @param {string} output */
function describe(code, output) {
  if (code === null) return 'it hangs'
  const line = output.split('\n').find((text) => text.startsWith('{"steps"'))
  if (!line)
    return `it throws: ${output
      .split('\n')
      .find((text) => text.includes('Error'))
      ?.slice(0, 120)}`
  const { violations, ms } = JSON.parse(line)
  const [first] = violations
  return (
    first &&
    `seed ${first.seed} after ${first.steps} steps, ${(ms / 1000).toFixed(1)} s: ${first.message.slice(0, 110)}`
  )
}
