import { systemClock } from '../platform/host.ts'
import { printable } from '../shared/printable.ts'
import type { Values } from './arguments.ts'
import { type Change, hasMoved, JournalFollower } from './follow-journal.ts'
import { json } from './json.ts'
import { rowOf, summary } from './list.ts'
import { Selection } from './selection.ts'
import { moment } from './text.ts'

/** How often it looks, in milliseconds. A look at a journal that has not changed is one question to the system. */
const lookMs = 200

/** `offstage watch`: prints each change, until `signal` is aborted. */
export async function watch(
  folder: string,
  values: Values,
  print: (lines: string) => unknown,
  signal: AbortSignal,
): Promise<void> {
  const selection = new Selection(values)
  const follower = new JournalFollower(folder, selection.outline)
  try {
    follower.look()
    if (!values.json)
      await print(`${summary({ records: follower.records.filter(selection.fits), rows: [] })}; waiting for changes`)
    while (!signal.aborted) {
      const lines = follower.look().flatMap((change) => lineOf(change, selection, values.json) ?? [])
      if (lines.length > 0) await print(lines.join('\n'))
      await pause(signal)
    }
  } finally {
    follower.close()
  }
}

function lineOf({ before, after }: Change, selection: Selection, isJson: boolean | undefined): string | undefined {
  if (before && after && !hasMoved(before, after)) return undefined
  const job = after ?? before
  if (!job || !selection.fits(job)) return undefined
  const change = after ? (before ? changeOf(before.state, after.state) : 'added') : 'removed'
  const at = systemClock.now()
  if (isJson) return json({ at, change, job: rowOf(job) })
  const { id, name, queue, attempt } = job
  return [moment(at), change.padEnd(9), printable(id), printable(name), printable(queue), `attempt ${attempt}`].join(
    '  ',
  )
}

const changeOf = (before: string, after: string): string => (before === after ? 'changed' : after)

/** Resolves after a while, or as soon as `signal` is aborted. */
function pause(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      stop()
      signal.removeEventListener('abort', end)
      resolve()
    }
    const stop = systemClock.startTimer(end, lookMs, true)
    signal.addEventListener('abort', end)
  })
}
