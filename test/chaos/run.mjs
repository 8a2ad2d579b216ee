// `node test/chaos/run.mjs [--runs 300] [--seed N]`: schedulers whose jobs hang, exit, flood and forge, whose streams are
// left at any point, and which are closed at any moment. In each run every call settles, nothing is thrown that nobody
// catches, and nothing is left behind, or this fails and prints how to have that run again.
//
// What is called follows from the seed; what the threads have done by then does not.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const { values } = parseArgs({ options: { runs: { type: 'string' }, seed: { type: 'string' } } })
const runs = Number(values.runs ?? 300)
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31))
/** Long enough for any run on a busy machine: a child that says nothing for so long has stopped for good. */
const silenceMsMax = 90_000
const childrenMax = 2

console.log(`chaos: --runs ${runs} --seed ${seed}`)
const program = fileURLToPath(new URL('program.mjs', import.meta.url))
/** @type {string[]} */
const failures = []
/** @type {Record<string, number>} */
const totals = {}
let next = 0

await Promise.all(Array.from({ length: childrenMax }, runAll))
console.log(
  `  ${Object.entries(totals)
    .map(([what, count]) => `${count} ${what}`)
    .join(', ')}`,
)
for (const failure of failures) console.log(failure)
console.log(`${runs - failures.length} passed, ${failures.length} failed`)
process.exitCode = failures.length > 0 ? 1 : 0

/** One child after the other, each until it has nothing more to do or cannot go on. */
async function runAll() {
  while (next < runs) await runChild()
}

async function runChild() {
  const child = fork(program, { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] })
  const hasEnded = once(child, 'exit')
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (data) => (output = `${output}${data}`.slice(-5_000)))
  /** @type {number | undefined} */
  let current
  /** @type {NodeJS.Timeout | undefined} */
  let watchdog
  const goOn = () => {
    clearTimeout(watchdog)
    current = next < runs ? seed + next++ : undefined
    if (current === undefined) return child.disconnect()
    child.send(current)
    watchdog = setTimeout(() => child.kill('SIGKILL'), silenceMsMax)
  }
  child.on('message', (/** @type {{ problems: string[], counts: Record<string, number> }} */ { problems, counts }) => {
    for (const [what, count] of Object.entries(counts)) totals[what] = (totals[what] ?? 0) + count
    if (problems.length > 0) fail(problems.join('\n  '))
    goOn()
  })
  goOn()
  const [code, signal] = await hasEnded
  clearTimeout(watchdog)
  if (current !== undefined) fail(`the process ended (${signal ?? code}), or did not go on:\n${output}`)

  /** @param {string} what */
  function fail(what) {
    failures.push(`✗ node test/chaos/run.mjs --runs 1 --seed ${current}\n  ${what}`)
  }
}
