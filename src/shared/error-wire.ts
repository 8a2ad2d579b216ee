/**
 * Errors across threads. Structured clone is not enough: it drops own fields and subclasses everywhere, `errors` of an
 * AggregateError in Chromium and WebKit, and on Node 20 it cannot copy a cyclic cause at all.
 */

import { copyValue, readable } from './clone.ts'
import { OffstageError } from './errors.ts'
import { isObject, show, tagOf } from './show.ts'

/** A thrown value in a form that structured clone leaves alone. */
export type WireThrown =
  | { readonly kind: 'value'; readonly value: unknown }
  | { readonly kind: 'seen'; readonly index: number }
  | WireError

interface WireError {
  readonly kind: 'error'
  /** Class names, the most derived first: the other side takes the first that it knows. */
  readonly lineage: readonly string[]
  readonly name: string
  readonly message: string
  readonly stack: string
  readonly cause?: WireThrown
  readonly errors?: readonly WireThrown[]
  readonly fields: readonly (readonly [string, unknown])[]
}

export type ErrorClass = abstract new (...args: never[]) => Error

/** How many errors one thrown value may carry in its causes and `errors`: enough to debug, too few to flood. */
const errorsMax = 100

export function thrownToWire(thrown: unknown): WireThrown {
  return toWire(thrown, [])
}

function toWire(thrown: unknown, seen: unknown[]): WireThrown {
  try {
    if (isError(thrown)) return errorToWire(thrown, seen)
    return { kind: 'value', value: copyValue(thrown, 'error') }
  } catch {
    return { kind: 'value', value: show(thrown) }
  }
}

function errorToWire(error: Error, seen: unknown[]): WireThrown {
  const index = seen.indexOf(error)
  if (index !== -1) return { kind: 'seen', index }
  if (seen.length === errorsMax) return { kind: 'value', value: show(error) }
  seen.push(error)
  const { errors } = error as Partial<AggregateError>
  return {
    kind: 'error',
    lineage: lineageOf(error),
    name: String(error.name),
    message: String(error.message),
    stack: String(error.stack ?? ''),
    ...('cause' in error && { cause: toWire(error.cause, seen) }),
    ...(Array.isArray(errors) && { errors: errors.map((item) => toWire(item, seen)) }),
    fields: fieldsOf(error),
  }
}

const isError = (value: unknown): value is Error =>
  value instanceof Error || (isObject(value) && tagOf(value) === 'Error') || isDomException(value)

const isDomException = (value: unknown): value is DOMException =>
  typeof DOMException === 'function' && value instanceof DOMException

function lineageOf(error: Error): string[] {
  const names: string[] = []
  for (
    let prototype = Object.getPrototypeOf(error);
    prototype && prototype !== Object.prototype;
    prototype = Object.getPrototypeOf(prototype)
  ) {
    names.push(String(prototype.constructor?.name))
  }
  return names
}

const ownByNature = new Set(['name', 'message', 'stack', 'cause', 'errors', '__proto__'])

function fieldsOf(error: Error): [string, unknown][] {
  const keys = Object.keys(error).filter((key) => !ownByNature.has(key))
  // A field that cannot travel must not take the error with it.
  return keys.map((key) => [key, readable((error as unknown as Record<string, unknown>)[key])])
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

/** Rebuilds what was thrown. `classes` are the user's own error classes, found by class name or by `prototype.name`. */
export function thrownFromWire(wire: WireThrown, classes: readonly ErrorClass[]): unknown {
  return fromWire(wire, [OffstageError, ...classes], [])
}

function fromWire(wire: WireThrown, classes: readonly ErrorClass[], seen: Error[]): unknown {
  if (wire.kind === 'value') return wire.value
  if (wire.kind === 'seen') return seen[wire.index]
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
    Object.defineProperty(error, key, { value, enumerable: true, writable: true, configurable: true })
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
    // A built-in class is nearer than any own class further up.
    if (className !== 'Error' && Object.hasOwn(builtIns, className)) return undefined
  }
  return undefined
}

const hide = (error: Error, key: string, value: unknown): void => {
  Object.defineProperty(error, key, { value, enumerable: false, writable: true, configurable: true })
}
