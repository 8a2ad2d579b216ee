// The processes of the durable-compact case: `node compact-load.js <dist> <folder> <compactBytesMin> <ballast> <runs>`.
// Prints by how much the main thread was held.
import { PerformanceObserver } from 'node:perf_hooks'
import { setImmediate as turn } from 'node:timers/promises'
import { createScheduler } from '../pools/offstage.js'
import { smallJob } from '../stores/store.js'
import { runCallers } from './callers.js'
import { collectGarbage } from './memory.js'
import { mustBe } from './run-case.js'

const [dist = '', folder = '', compactBytesMin, ballast, runs] = process.argv.slice(2)
const chunk = 5_000
const callers = 100
/** What a slice may hold the thread for. */
const goalMs = 5

const { FileMedium, Journal, nodeDisk, valueBytesMaxDefault } = await import(`${dist}parts.js`)

/** @typedef {{ begin: number, end: number }} Span */

/** @type {Span[]} */
let slices = []
let drafts = 0
let published = 0

/**
 * A medium that looks on. A slice of compaction is what happens between the end of one write into the draft and the next
 * write into it, if the event loop was not left meanwhile: encoding, and the checksum.
 */
function watchedMedium() {
  const medium = new FileMedium(nodeDisk, `${folder}/store`, { durability: 'strict' })
  const makeDraft = medium.draft.bind(medium)
  medium.draft = async () => {
    const draft = await makeDraft()
    drafts++
    let begin = performance.now()
    let hasLeft = false
    const beginSlice = () => {
      begin = performance.now()
      hasLeft = false
      setImmediate(() => {
        hasLeft = true
      })
    }
    beginSlice()
    return {
      async append(/** @type {Uint8Array} */ frame) {
        const isSlice = !hasLeft
        const written = draft.append(frame)
        if (isSlice) slices.push({ begin, end: performance.now() })
        await written
        beginSlice()
      },
      async publish() {
        await draft.publish()
        published++
        drafts--
      },
      async discard() {
        drafts--
        await draft.discard()
      },
    }
  }
  return medium
}

/** Goes round the event loop without a pause: each round takes as long as somebody held the thread. */
function watchHolds() {
  const [longestMs, overGoal] = [
    { compacting: 0, otherwise: 0 },
    { compacting: 0, otherwise: 0 },
  ]
  /** @type {Span[]} */
  const collections = []
  const observer = new PerformanceObserver((list) => {
    for (const { startTime, duration } of list.getEntries())
      collections.push({ begin: startTime, end: startTime + duration })
  })
  observer.observe({ entryTypes: ['gc'] })
  let isOn = true
  let last = performance.now()
  let wasCompacting = false
  const look = () => {
    const now = performance.now()
    const ms = now - last
    last = now
    const key = wasCompacting || drafts > 0 ? 'compacting' : 'otherwise'
    wasCompacting = drafts > 0
    longestMs[key] = Math.max(longestMs[key], ms)
    if (ms > goalMs) overGoal[key]++
    if (isOn) setImmediate(look)
  }
  setImmediate(look)
  return async () => {
    await turn()
    isOn = false
    // Collections are reported a little later.
    await new Promise((resolve) => setTimeout(resolve, 50))
    observer.disconnect()
    return { longestMs, overGoal, collections }
  }
}

const store = new Journal(watchedMedium(), {
  valueBytesMax: valueBytesMaxDefault,
  compactBytesMin: Number(compactBytesMin),
})
const scheduler = await createScheduler(dist, { workers: 1, store })
scheduler.queue('ballast').pause()
for (let index = 0; index < Number(ballast); index += chunk) {
  const length = Math.min(chunk, Number(ballast) - index)
  const request = (/** @type {unknown} */ _, /** @type {number} */ more) => ({
    name: 'noop',
    input: smallJob(index + more),
    options: { queue: 'ballast' },
  })
  await scheduler.addMany(Array.from({ length }, request))
}
const run = /** @type {any} */ (scheduler.run.noop)
await runCallers(callers, callers * 10, (index) => run(smallJob(index))) // The thread is up, and the compilers have seen it.
collectGarbage()
published = 0
slices = []

const stopWatching = watchHolds()
const begin = performance.now()
await runCallers(callers, Number(runs), (index) => run(smallJob(index)))
const ms = performance.now() - begin
const { longestMs, overGoal, collections } = await stopWatching()
mustBe((await scheduler.counts()).queued, Number(ballast), 'number of waiting jobs')
console.log(
  JSON.stringify({
    compactions: published,
    sliceMs: longest(slices, (slice) => msOf(slice) - sum(collections.map((span) => sharedMs(slice, span)))),
    sliceWithGcMs: longest(slices, msOf),
    slices: slices.length,
    compactingMs: published > 0 ? longestMs.compacting : undefined,
    holdMs: Math.max(longestMs.compacting, longestMs.otherwise),
    overGoal: overGoal.compacting + overGoal.otherwise,
    gcMs: longest(collections, msOf) ?? 0,
    perSecond: (Number(runs) / ms) * 1_000,
  }),
)
process.exit()

/** @param {readonly Span[]} spans @param {(span: Span) => number} ms */
function longest(spans, ms) {
  return spans.length > 0 ? Math.max(...spans.map(ms)) : undefined
}

/** @param {Span} span */
function msOf({ begin, end }) {
  return end - begin
}

/** @param {Span} one @param {Span} other */
function sharedMs(one, other) {
  return Math.max(0, Math.min(one.end, other.end) - Math.max(one.begin, other.begin))
}

/** @param {readonly number[]} figures */
function sum(figures) {
  return figures.reduce((total, figure) => total + figure, 0)
}
