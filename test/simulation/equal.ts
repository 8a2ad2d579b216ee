import { SimBlob } from './sim-blob.ts'

/** Whether two values are the same to whoever reads them: types, order of keys, −0, holes, and all. */
export const isEqual = (a: unknown, b: unknown): boolean => areEqual(withMap(a), withMap(b))

/** Steps are a map to whoever reads them. */
const withMap = (value: unknown): unknown => (isStepMap(value) ? new Map(value) : value)

const isStepMap = (value: unknown): value is ReadonlyMap<unknown, unknown> =>
  Object.prototype.toString.call(value) === '[object Map]' && !(value instanceof Map)

function areEqual(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return false
  if (Array.isArray(a)) return a.length === (b as unknown[]).length && haveEqualFields(a, b)
  if (a instanceof Map) return areEqualLists([...a], [...(b as Map<unknown, unknown>)])
  if (a instanceof Set) return areEqualLists([...a], [...(b as Set<unknown>)])
  if (a instanceof Date) return Object.is(a.getTime(), (b as Date).getTime())
  if (a instanceof SimBlob) return a.equals(b as SimBlob)
  if (a instanceof RegExp) return String(a) === String(b)
  if (a instanceof Error) return areEqualErrors(a, b as Error)
  if (ArrayBuffer.isView(a)) return Buffer.from(bytesOf(a)).equals(bytesOf(b as ArrayBufferView))
  return haveEqualFields(a, b)
}

const bytesOf = (view: ArrayBufferView): Uint8Array => new Uint8Array(view.buffer, view.byteOffset, view.byteLength)

function areEqualLists(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((item, index) => isEqual(item, b[index]))
}

function haveEqualFields(a: object, b: object): boolean {
  const keys = Object.keys(a)
  if (keys.length !== Object.keys(b).length) return false
  for (const key of keys) {
    if (!Object.hasOwn(b, key)) return false
    if (!isEqual((a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key])) return false
  }
  return true
}

/** A cause is kept as far as it can be. */
const areEqualErrors = (a: Error, b: Error): boolean =>
  a.name === b.name && a.message === b.message && (a as { code?: unknown }).code === (b as { code?: unknown }).code

/** For messages. */
export function show(value: unknown): string {
  const text = JSON.stringify(value, (_key, item: unknown) => {
    if (typeof item === 'bigint') return `${item}n`
    if (item instanceof Error) return `${item.name}: ${item.message}`
    if (item instanceof Map) return { map: [...item] }
    return item
  })
  return text === undefined ? 'undefined' : text.length > 600 ? `${text.slice(0, 600)}…` : text
}
