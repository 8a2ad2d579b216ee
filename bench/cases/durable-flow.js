import { inFolder } from '../lib/disk.js'
import { mustBe } from '../lib/run-case.js'
import { durableFlows } from '../stores/index.js'

/** @import { Case } from '../lib/case.js' */
/** @import { DurableQueue, FlowNode } from '../stores/store.js' */

/** Each waits for the one below it. @param {number} length @returns {FlowNode} */
function chain(length) {
  /** @type {FlowNode} */
  let node = { after: [] }
  for (let left = length - 1; left > 0; left--) node = { after: [node] }
  return node
}

/** One waits for all others. @param {number} count @returns {FlowNode} */
const fan = (count) => ({ after: Array.from({ length: count }, () => ({ after: [] })) })

const pollsTooSeldom = 'It looks for jobs every 0.5 s at the most, so this takes it more than 500 s.'

/** @param {number} depth @param {number} width @returns {FlowNode} */
const tree = (depth, width) => ({
  after: depth === 0 ? [] : Array.from({ length: width }, () => tree(depth - 1, width)),
})

/** @param {FlowNode} node @returns {number} */
const sizeOf = ({ after }) => after.reduce((size, node) => size + sizeOf(node), 1)

/** @type {Case} */
export const durableFlow = {
  name: 'durable-flow',
  number: 18,
  title: 'Jobs that wait for jobs: added as one flow, run, and all recorded',
  shows:
    'No-op jobs; from the call that adds the flow until the end of its last job is recorded. A chain, a fan of jobs for\n' +
    '   which one waits, a tree. offstage: 2 workers, on threads of their own. BullMQ: its FlowProducer, with concurrency 50\n' +
    '   and the handler on the main thread.',
  measures: [{ key: 'perSecond', label: 'jobs/s', better: 'more' }],
  rounds: 5,
  variants: (isQuick) => [
    { label: 'chain of 1,000', workers: 2, flow: chain(isQuick ? 100 : 1_000) },
    { label: 'fan of 10,000', workers: 2, flow: fan(isQuick ? 500 : 10_000) },
    { label: 'tree of 3,906', workers: 2, flow: tree(isQuick ? 3 : 5, 5) },
  ],
  contestants: async (_, { label }) =>
    (await durableFlows()).map((one) =>
      one.name === 'pg-boss' && label.startsWith('chain') ? { ...one, skip: pollsTooSeldom } : one,
    ),

  round: (/** @type {Required<DurableQueue>} */ { openToFlow }, variant) =>
    inFolder(async (folder) => {
      const { runFlow, unfinished, close } = await openToFlow(folder, variant)
      try {
        await runFlow(tree(3, 5))
        const begin = performance.now()
        await runFlow(variant.flow)
        const ms = performance.now() - begin
        mustBe(await unfinished(), 0, 'number of unfinished jobs')
        return { perSecond: (sizeOf(variant.flow) / ms) * 1_000 }
      } finally {
        await close()
      }
    }),
}
