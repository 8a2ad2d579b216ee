import { isThenable } from '../shared/thenable.ts'
import { nextTask } from './hop.ts'
import { systemClock } from './host.ts'

/** A page misses frames if a task takes longer than this. */
const sliceMs = 8
/** Callers make at most this many jobs in one task. */
export const atOnceMax = 1_000

/**
 * Returns what `step` makes of each item, without blocking the thread for long. If `step` returns a promise, it is awaited
 * before the next item.
 */
export async function inSlices<Item, Made>(
  items: readonly Item[],
  step: (item: Item) => Made | Promise<Made>,
): Promise<Made[]> {
  const made: Made[] = []
  let until = systemClock.monotonic() + sliceMs
  for (const item of items) {
    const making = step(item)
    made.push(isThenable(making) ? await making : making)
    if (systemClock.monotonic() < until) continue
    await nextTask()
    until = systemClock.monotonic() + sliceMs
  }
  return made
}
