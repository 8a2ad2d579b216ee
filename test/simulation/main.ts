/** One process of the simulation: `run.mjs` bundles it and starts as many as there are cores. */
import { assertDrains } from './drain.ts'
import { JournalSimulation } from './journal-sim.ts'
import { Simulation } from './sim.ts'
import { SimBlob } from './sim-blob.ts'
import { Stats, Trace } from './stats.ts'
import type { Violation } from './truth.ts'

const runSteps = 3_000

globalThis.Blob = SimBlob as unknown as typeof Blob

const args = process.argv.slice(2)

function option(name: string): number | undefined {
  const at = args.indexOf(`--${name}`)
  return at === -1 ? undefined : Number(args[at + 1])
}

/** Every fourth seed is a run of the journal alone. */
const isJournalRun = (seed: number): boolean => seed % 4 === 0

function runSeed(seed: number, stats: Stats, isVerbose: boolean): number {
  const trace = new Trace(isVerbose)
  const Kind = isJournalRun(seed) ? JournalSimulation : Simulation
  new Kind(seed, stats, trace).run(runSteps)
  return trace.hash
}

function replay(seed: number): void {
  const stats = new Stats()
  const hash = runSeed(seed, stats, true)
  console.log(`seed ${seed}: ${stats.steps} steps, ${stats.crashes} crashes, no violation, trace ${hash.toString(16)}`)
}

/** Two runs of a seed that differ would make every other figure worthless. */
function assertRepeatable(seed: number): void {
  const [first, second] = [runSeed(seed, new Stats(), false), runSeed(seed, new Stats(), false)]
  if (first !== second) throw new Error(`two runs of seed ${seed} differ: something is not injected`)
}

function runMany(): void {
  const stats = new Stats()
  const violations: { seed: number; invariant: string; message: string; steps: number }[] = []
  const from = option('from') ?? 1
  const stride = option('stride') ?? 1
  const [steps, crashes, seconds] = [
    option('steps') ?? 0,
    option('crashes') ?? 0,
    option('seconds') ?? Number.POSITIVE_INFINITY,
  ]
  const violationsMax = option('violations') ?? 5
  const began = performance.now()
  const isOver = () =>
    violations.length >= violationsMax ||
    performance.now() - began > seconds * 1000 ||
    (stats.steps >= steps && stats.crashes >= crashes)
  let seed = from
  // Nobody catches it, so nobody knows which run it came from.
  process.on('unhandledRejection', (error) => {
    throw new Error(`a promise that was rejected and that nobody heard, with --seed ${seed}`, { cause: error })
  })
  for (; !isOver(); seed += stride) {
    try {
      runSeed(seed, stats, false)
    } catch (error) {
      const { invariant, message } = error as Violation
      violations.push({ seed, invariant: invariant ?? 'I12', message, steps: stats.steps })
    }
  }
  const { steps: done, crashes: crashed, runs, counts } = stats
  const ms = performance.now() - began
  console.log(JSON.stringify({ steps: done, crashes: crashed, runs, ms, counts, violations }))
}

// Not within the microtask that evaluates modules.
setImmediate(() => {
  // Stacks are stored with errors: their length must not hang on where a file lies, or on source maps.
  Error.stackTraceLimit = 0
  assertDrains()
  const seed = option('seed')
  if (seed !== undefined) return replay(seed)
  if (option('mutant') === undefined)
    for (const repeated of [3, 4]) assertRepeatable((option('from') ?? 1) * 1_000 + repeated)
  runMany()
})
