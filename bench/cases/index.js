// All cases, in the order of the issues. Those of durable stores have their contestants in `stores/`.

/** @import { Case } from '../lib/case.js' */

/** @returns {Promise<readonly Case[]>} on Node */
export async function nodeCases() {
  const { burst } = await import('./burst.js')
  const { callers } = await import('./callers.js')
  const { oneByOne } = await import('./one-by-one.js')
  const { payloads } = await import('./payloads.js')
  const { mixed } = await import('./mixed.js')
  const { million } = await import('./million.js')
  const { groups } = await import('./groups.js')
  const { progress } = await import('./progress.js')
  const { startUp } = await import('./start-up.js')
  const { idle } = await import('./idle.js')
  const { scaling } = await import('./scaling.js')
  const { schedules } = await import('./schedules.js')
  const { durableAdd } = await import('./durable-add.js')
  const { durableRun } = await import('./durable-run.js')
  const { durableFlow } = await import('./durable-flow.js')
  const { durableSteps } = await import('./durable-steps.js')
  const { durableOpen } = await import('./durable-open.js')
  const { durablePool } = await import('./durable-pool.js')
  const { durableCompact } = await import('./durable-compact.js')
  return [
    burst,
    callers,
    oneByOne,
    payloads,
    mixed,
    million,
    groups,
    progress,
    startUp,
    idle,
    scaling,
    schedules,
    durableAdd,
    durableRun,
    durableFlow,
    durableSteps,
    durableOpen,
    durablePool,
    durableCompact,
  ]
}
