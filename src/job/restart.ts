import type { JobRecord } from './record.ts'
import { doneKey, isOfAttempt, type Outcome, ownKey, signalKey } from './waits.ts'

/**
 * Returns what a job had recorded before the step or wait with the key `from`, in the order of recording: what a job that is run
 * again from there finds. Steps and waits that were over by then are among it, and signals that had come, but for the one that the
 * wait `from` has received; what an attempt still waited for is not. Returns `undefined` if nothing was recorded under this key.
 */
export function recordedBefore(from: string, steps: JobRecord['steps']): ReadonlyMap<string, unknown> | undefined {
  const before = new Map<string, unknown>()
  for (const [key, value] of steps ?? []) {
    if (key === from && !isOwn(key)) return before
    if (key === doneKey(from)) {
      const [kind, what] = value as Outcome
      if (kind === 'signal') before.delete(signalKey(what as string))
      return before
    }
    if (!isOfAttempt(key)) before.set(key, value)
  }
  return undefined
}

/** Returns the keys from which the job may be run again, in the order of recording. */
export const keysOf = (steps: JobRecord['steps']): string[] =>
  [...(steps?.keys() ?? [])].flatMap((key) => {
    if (key.startsWith(doneKey(''))) return key.slice(doneKey('').length)
    return isOwn(key) ? [] : key
  })

const isOwn = (key: string): boolean => key.startsWith(ownKey)
