/** What kind of object something is, whoever made it. */

import { isObject, tagOf } from './show.ts'

/** What has more inside than its properties, and can be copied. Views and plain objects aside. */
const builtIns = [Map, Set, Date, RegExp, ArrayBuffer, Error, Number, String, Boolean, BigInt] as const

export function isPlain(value: object): boolean {
  const prototype = Object.getPrototypeOf(value)
  // The last is the plain object of another realm, such as a frame.
  return prototype === Object.prototype || prototype === null || Object.getPrototypeOf(prototype) === null
}

/** The tag tells in every realm. A class that gives its own is found by what it extends. */
export function builtInOf(value: object): string | undefined {
  if (ArrayBuffer.isView(value)) return 'View'
  const tag = tagOf(value)
  return builtIns.find((builtIn) => builtIn.name === tag || value instanceof builtIn)?.name
}

export const isError = (value: unknown): value is Error =>
  value instanceof Error || (isObject(value) && tagOf(value) === 'Error') || isDomException(value)

export const isDomException = (value: unknown): value is DOMException =>
  typeof DOMException === 'function' && value instanceof DOMException

/**
 * The class of the language or the platform that an object is of, or extends: its data is somewhere inside. These are
 * global, as is little else, and not enumerable, as is nothing that an application made global. Names alone would not
 * do (applications have their own `Node`, `Comment`, `Event`), and neither does `structuredClone`, which takes a Blob.
 */
export function platformNameOf(value: object): string | undefined {
  for (let prototype = Object.getPrototypeOf(value); !isRoot(prototype); prototype = Object.getPrototypeOf(prototype)) {
    if (!Object.hasOwn(prototype, 'constructor')) continue
    const Class = prototype.constructor
    const name = String(Class?.name)
    const isEnumerable = Object.getOwnPropertyDescriptor(globalThis, name)?.enumerable
    // On Bun they are, but none of them is written in JavaScript.
    const isBuiltIn = isEnumerable === false || (isEnumerable && isNative(Class))
    if (isBuiltIn && (globalThis as Record<string, unknown>)[name] === Class) return name
  }
  return undefined
}

const isNative = (Class: unknown): boolean =>
  typeof Class === 'function' && Function.prototype.toString.call(Class).includes('[native code]')

const isRoot = (prototype: object): boolean => Object.getPrototypeOf(prototype) === null
