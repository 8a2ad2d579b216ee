/** Tells what kind of object a value is, whichever realm or library made it. */

import { isObject, tagOf } from './show.ts'

/** Classes whose objects hold more than their properties and can be copied (besides views and plain objects). */
const builtIns = [Map, Set, Date, RegExp, ArrayBuffer, Error, Number, String, Boolean, BigInt] as const

export function isPlain(value: object): boolean {
  const prototype = Object.getPrototypeOf(value)
  // In the last case it is a plain object of another realm, such as a frame.
  return prototype === Object.prototype || prototype === null || Object.getPrototypeOf(prototype) === null
}

/**
 * Returns the name of the built-in class of an object. The tag works in every realm. A subclass with a tag of its own is found
 * by `instanceof`.
 */
export function builtInOf(value: object): string | undefined {
  if (ArrayBuffer.isView(value)) return 'View'
  const tag = tagOf(value)
  return builtIns.find((builtIn) => builtIn.name === tag || value instanceof builtIn)?.name
}

/** Classes of the platform whose objects stand for bytes elsewhere, the narrower before the wider. */
const blobKinds = ['FileList', 'File', 'Blob'] as const

export type BlobKind = (typeof blobKinds)[number]

const classCalled = (name: string): unknown => (globalThis as Record<string, unknown>)[name]

/** Returns the kind of an object that stands for bytes elsewhere: in memory, or in a file. */
export function blobKindOf(value: object): BlobKind | undefined {
  const tag = tagOf(value)
  // By class first, because Bun tags a File as a Blob.
  const kind = blobKinds.find((name) => isInstance(value, name)) ?? blobKinds.find((name) => name === tag)
  return kind && isGenuine(value, kind) ? kind : undefined
}

const isInstance = (value: object, name: string): boolean => {
  const Class = classCalled(name)
  return typeof Class === 'function' && value instanceof Class
}

/** Applications may have a class with the same tag. A getter of the platform only takes an object of the platform, of any realm. */
function isGenuine(value: object, kind: BlobKind): boolean {
  const [name, field] = kind === 'FileList' ? [kind, 'length'] : ['Blob', 'size']
  const { prototype } = (classCalled(name) ?? {}) as { readonly prototype?: object }
  const getter = prototype && Object.getOwnPropertyDescriptor(prototype, field)?.get
  try {
    return getter !== undefined && typeof getter.call(value) === 'number'
  } catch {
    return false
  }
}

export const isError = (value: unknown): value is Error =>
  value instanceof Error || (isObject(value) && tagOf(value) === 'Error') || isDomException(value)

export const isDomException = (value: unknown): value is DOMException =>
  typeof DOMException === 'function' && value instanceof DOMException

/**
 * Returns the name of the class of the language or the platform that an object belongs to or extends. The data of such an
 * object is hidden inside. These classes are recognised by two things: they are global, as few other classes are, and they are
 * not enumerable, as nothing is that an application has made global. Names alone would not do, because applications have their
 * own `Node`, `Comment` and `Event`. `structuredClone` would not do either, because it accepts a Blob.
 */
export function platformNameOf(value: object): string | undefined {
  for (let prototype = Object.getPrototypeOf(value); !isRoot(prototype); prototype = Object.getPrototypeOf(prototype)) {
    if (!Object.hasOwn(prototype, 'constructor')) continue
    const Class = prototype.constructor
    const name = String(Class?.name)
    const isEnumerable = Object.getOwnPropertyDescriptor(globalThis, name)?.enumerable
    // On Bun they are enumerable, but there every such class is native code.
    const isBuiltIn = isEnumerable === false || (isEnumerable && isNative(Class))
    if (isBuiltIn && (globalThis as Record<string, unknown>)[name] === Class) return name
  }
  return undefined
}

const isNative = (Class: unknown): boolean =>
  typeof Class === 'function' && Function.prototype.toString.call(Class).includes('[native code]')

const isRoot = (prototype: object): boolean => Object.getPrototypeOf(prototype) === null
