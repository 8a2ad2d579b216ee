// All cases, in the order of the issue. Those of a durable store (beside plainjob and BullMQ) come with the store: a file
// each here, and a contestant each in `stores/`.

/** @import { Case } from '../lib/case.js' */

/** @returns {Promise<readonly Case[]>} on Node */
export async function nodeCases() {
  const { burst } = await import('./burst.js')
  const { callers } = await import('./callers.js')
  const { oneByOne } = await import('./one-by-one.js')
  const { payloads } = await import('./payloads.js')
  const { mixed } = await import('./mixed.js')
  const { million } = await import('./million.js')
  const { progress } = await import('./progress.js')
  const { startUp } = await import('./start-up.js')
  const { idle } = await import('./idle.js')
  const { scaling } = await import('./scaling.js')
  return [burst, callers, oneByOne, payloads, mixed, million, progress, startUp, idle, scaling]
}
