import { isThenable } from '../shared/thenable.ts'
import { nextTask } from './hop.ts'
import { systemClock } from './host.ts'

/** A page that is held for longer misses frames. */
const sliceMs = 8
/** More jobs than these are not made within one task. */
export const atOnceMax = 1_000

/** What `step` makes of each item, without holding the thread for long. A step that takes a promise is waited for. */
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
