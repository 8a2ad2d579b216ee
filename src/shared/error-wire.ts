/**
 * Carries errors across threads. Structured clone is not enough: everywhere it drops own fields and subclasses; in Chromium and
 * WebKit it drops `errors` of an AggregateError; and on Node 20 it cannot copy a cyclic cause at all.
 */

import { readable, unreadable } from './clone.ts'
import { OffstageError } from './errors.ts'
import { isError } from './kind.ts'
import { put } from './rebuild.ts'
import { show } from './show.ts'

/** A thrown value in a form that structured clone does not change. */
export type WireThrown =
  | { readonly kind: 'value'; readonly value: unknown }
  | { readonly kind: 'seen'; readonly index: number }
  | WireError

/** An error in a form that structured clone does not change. */
interface WireError {
  /** Tells it from other thrown values. */
  readonly kind: 'error'
  /** Class names, the most derived first. The receiver uses the first one that it knows. */
  readonly lineage: readonly string[]
  /** Its `name`. */
  readonly name: string
  /** Its `message`. */
  readonly message: string
  /** Its `stack`, in the thread where it was thrown. */
  readonly stack: string
  /** Its `cause`, if it has one. */
  readonly cause?: WireThrown
  /** The errors of an `AggregateError`. */
  readonly errors?: readonly WireThrown[]
  /** Its other own fields, by name. */
  readonly fields: readonly (readonly [string, unknown])[]
}

/** A class of errors. */
export type ErrorClass = abstract new (...args: never[]) => Error

/** The most errors that one thrown value carries in its causes and `errors`: enough to debug, too few to flood. */
const errorsMax = 100

export function thrownToWire(thrown: unknown): WireThrown {
  return toWire(thrown, [])
}

function toWire(thrown: unknown, seen: unknown[]): WireThrown {
  return attempt(() => isError(thrown), false)
    ? errorToWire(thrown as Error, seen)
    : { kind: 'value', value: readable(thrown) }
}

function errorToWire(error: Error, seen: unknown[]): WireThrown {
  const index = seen.indexOf(error)
  if (index !== -1) return { kind: 'seen', index }
  if (seen.length === errorsMax) return { kind: 'value', value: show(error) }
  seen.push(error)
  const lineage = lineageOf(error)
  const cause = attempt(() => 'cause' in error && { thrown: error.cause }, { thrown: unreadable })
  const errors = attempt(() => [...listOf((error as Partial<AggregateError>).errors)], undefined)
  return {
    kind: 'error',
    lineage,
    name: attempt(() => String(error.name), lineage[0] ?? 'Error'),
    message: attempt(() => String(error.message), unreadable),
    stack: attempt(() => String(error.stack ?? ''), ''),
    ...(cause && { cause: toWire(cause.thrown, seen) }),
    ...(errors && { errors: errors.map((item) => toWire(item, seen)) }),
    fields: fieldsOf(error),
  }
}

/** Returns what `read` returns, or `otherwise` if it throws: an error may be a proxy or have getters of its own. */
function attempt<Value, Otherwise>(read: () => Value, otherwise: Otherwise): Value | Otherwise {
  try {
    return read()
  } catch {
    return otherwise
  }
}

const listOf = (value: unknown): readonly unknown[] => {
  if (!Array.isArray(value)) throw new TypeError('no list')
  return value
}

/** The longest chain of classes that is followed. The chain of a proxy may never end. */
const lineageMax = 100

function lineageOf(error: Error): string[] {
  const names: string[] = []
  const above = (object: object): object | null => attempt(() => Object.getPrototypeOf(object), null)
  for (
    let prototype = above(error);
    prototype && prototype !== Object.prototype && names.length < lineageMax;
    prototype = above(prototype)
  ) {
    const { name } = attempt(() => prototype?.constructor, undefined) ?? {}
    names.push(attempt(() => String(name), 'Error'))
  }
  return names
}

const ownByNature = new Set(['name', 'message', 'stack', 'cause', 'errors', '__proto__'])

function fieldsOf(error: Error): [string, unknown][] {
  const keys = attempt(() => Object.keys(error), []).filter((key) => !ownByNature.has(key))
  // One field that cannot travel must not make the whole error fail.
  return keys.map((key) => [
    key,
    attempt(() => readable((error as unknown as Record<string, unknown>)[key]), unreadable),
  ])
}

const builtIns: Readonly<Record<string, new (message: string) => Error>> = {
  Error,
  EvalError,
  RangeError,
  ReferenceError,
  SyntaxError,
  TypeError,
  URIError,
}

/** Our error classes that not every page imports. */
const importedClasses: ErrorClass[] = []

/** Where such a class is imported, errors arrive as instances of it. */
export const knowClass = (errorClass: ErrorClass): void => {
  importedClasses.push(errorClass)
}

/** Rebuilds a thrown value. `classes` are the user's own error classes, found by class name or by `prototype.name`. */
export function thrownFromWire(wire: WireThrown, classes: readonly ErrorClass[]): unknown {
  return fromWire(wire, [OffstageError, ...classes, ...importedClasses], [])
}

/**
 * A message may come from any code that has the port, so its form is checked. `cause` and `errors` are checked when they are
 * rebuilt.
 */
const isWireError = (wire: WireError): boolean => {
  if (wire?.kind !== 'error') return false
  const { name, message, stack, lineage, fields, errors } = wire
  const texts: readonly unknown[] = [name, message, stack, ...listOf(lineage), ...listOf(fields).map(keyOf)]
  return texts.every((text) => typeof text === 'string') && (errors === undefined || Array.isArray(errors))
}

const keyOf = (field: unknown): unknown => (Array.isArray(field) ? field[0] : undefined)

function fromWire(wire: WireThrown, classes: readonly ErrorClass[], seen: Error[]): unknown {
  if (wire?.kind === 'value') return wire.value
  if (wire?.kind === 'seen') return seen.find((_, index) => index === wire.index)
  if (seen.length === errorsMax || !attempt(() => isWireError(wire), false))
    return new OffstageError('WORKER_CRASHED', 'What was thrown arrived in an invalid form.')
  const error = construct(wire)
  seen.push(error)
  const ownClass = wire.lineage.includes('DOMException') ? undefined : findClass(wire, classes)
  if (ownClass) Object.setPrototypeOf(error, ownClass.prototype)
  if (error.name !== wire.name) hide(error, 'name', wire.name)
  hide(error, 'stack', wire.stack)
  if (wire.cause) hide(error, 'cause', fromWire(wire.cause, classes, seen))
  if (wire.errors)
    hide(
      error,
      'errors',
      wire.errors.map((item) => fromWire(item, classes, seen)),
    )
  for (const [key, value] of wire.fields) {
    put(error, key, value)
  }
  return error
}

function construct({ lineage, message, name }: WireError): Error {
  if (lineage.includes('DOMException')) return new DOMException(message, name)
  if (lineage.includes('AggregateError')) return new AggregateError([], message)
  const known = lineage.find((className) => Object.hasOwn(builtIns, className)) ?? 'Error'
  return new (builtIns[known] as ErrorConstructor)(message)
}

function findClass({ lineage, name }: WireError, classes: readonly ErrorClass[]): ErrorClass | undefined {
  for (const className of [...lineage, name]) {
    const found = classes.find(
      (candidate) =>
        candidate.name === className ||
        (Object.hasOwn(candidate.prototype, 'name') && candidate.prototype.name === className),
    )
    if (found) return found
    // A built-in class is nearer than any of the user's classes further up.
    if (className !== 'Error' && Object.hasOwn(builtIns, className)) return undefined
  }
  return undefined
}

const hide = (error: Error, key: string, value: unknown): void => put(error, key, value, false)
