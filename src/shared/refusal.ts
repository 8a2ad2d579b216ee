import { OffstageError } from './errors.ts'
import { show } from './show.ts'

/** Says that a value cannot be copied or kept. Each container around it adds its step to the path. */
export class Refusal extends Error {
  /** The steps to the value, the innermost first. */
  readonly path: string[] = []
}

/** Returns what was thrown, if it is a refusal; otherwise one that has it as its cause. */
export const asRefusal = (cause: unknown): Refusal =>
  cause instanceof Refusal ? cause : new Refusal('cannot be read', { cause })

/** Returns what was thrown, as a refusal, with the step from one more container added to its path. */
export const within = (cause: unknown, step: string): Refusal => {
  const refusal = asRefusal(cause)
  refusal.path.push(step)
  return refusal
}

/** Returns the step from a container to its property `key`, as text. */
export const stepTo = (container: object, key: string): string => {
  if (Array.isArray(container) && /^\d+$/.test(key)) return `[${key}]`
  return /^[\w$]+$/.test(key) ? `.${key}` : `[${show(key)}]`
}

const shownStepsMax = 12

/**
 * Returns the error for the caller: ``The input cannot be stored: `input.filter` is a function.`` `what` is the first word for the
 * value (`input`), and `verb` what cannot be done with it (`stored`).
 */
export function refused(thrown: unknown, what: string, verb: string): OffstageError {
  const { path, message, cause } = thrown instanceof Refusal ? thrown : within(thrown, '')
  const steps = path.reverse()
  const place = `${what}${steps.slice(0, shownStepsMax).join('')}${steps.length > shownStepsMax ? '…' : ''}`
  const details = cause === undefined ? {} : { cause }
  return new OffstageError('DATA_CLONE', `The ${what} cannot be ${verb}: \`${place}\` ${message}.`, details)
}

/** Returns `is a Map`, `is an Error`. */
export const isA = (name: string): string => `is ${/^[AEIO]/i.test(name) ? 'an' : 'a'} ${name}`
