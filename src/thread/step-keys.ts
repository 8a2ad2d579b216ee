import { appendPrefix } from '../job/append-key.ts'
import { ownKey, type WaitKind } from '../job/waits.ts'
import { OffstageError } from '../shared/errors.ts'
import { show } from '../shared/show.ts'

/** The key is stored with each value. */
const lengthMax = 1_024

/** Throws `INVALID_OPTION` for what cannot be the key of a step or of a wait. */
export function assertKey(key: unknown): asserts key is string {
  const isText = typeof key === 'string' && key !== '' && key.length <= lengthMax
  if (isText && (!key.startsWith(ownKey) || key.startsWith(appendPrefix))) return
  const message = `Expected \`key\` to be a string of 1 to ${lengthMax} characters that does not begin with \`${ownKey}\`, got ${show(key)}.`
  throw new OffstageError('INVALID_OPTION', message)
}

/** What waits for newer code has no key. */
const calls: Readonly<Record<string, string>> = {
  sleep: 'job.sleep',
  signal: 'job.waitFor',
  child: 'children',
  step: 'job.step',
}

/**
 * A call as errors show it. `name`: the name of a signal, the type of a child, the key of a step. Without it, this is the beginning
 * of all such calls.
 */
export const callText = (kind: 'step' | WaitKind, name?: string): string => calls[kind] + (name ? `('${name}')` : '')

/** For a key that stands for one call here, and for another there, in this attempt or in an earlier one. */
export const mismatch = (key: string, before: string, now: string): OffstageError =>
  new OffstageError('STEP_MISMATCH', `The key '${key}' belongs to ${before} and to ${now}. ${advice}`)

/** For a key that two steps of one attempt have. */
export const twoSteps = (key: string, before: () => unknown, now: () => unknown): OffstageError =>
  new OffstageError(
    'STEP_MISMATCH',
    `Two steps with different code have the key '${key}': \`${short(before)}\` and \`${short(now)}\`. ${advice}`,
  )

/** For a key that has appended other jobs in the same attempt. */
export const twoAppends = (key: string): OffstageError =>
  new OffstageError('STEP_MISMATCH', `Two lists of jobs are appended with the key '${key}'. ${advice}`)

/** For a job that is not alone in the call of its handler. */
export const notAmongMany = (kind: WaitKind): OffstageError =>
  new OffstageError(
    'INVALID_OPTION',
    `${callText(kind)}() is not for a handler that takes many jobs: the others would wait, too.`,
  )

const advice = 'Give each a key of its own, and ask for the same in every attempt.'

const short = (fn: () => unknown): string => {
  const text = String(fn).replace(/\s+/g, ' ')
  return text.length > 80 ? `${text.slice(0, 79)}…` : text
}
