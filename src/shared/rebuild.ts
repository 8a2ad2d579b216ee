import { builtInOf, isDomException, isPlain, platformNameOf } from './kind.ts'
import { isObject } from './show.ts'

/**
 * Returns the same data in new containers. `leaf` replaces every value that is no container. Shared references and cycles are
 * kept. Instances of classes become plain objects, as in structured clone. `read` reads a property and may return something
 * else.
 */
export function rebuild(
  value: unknown,
  leaf: (value: unknown) => unknown,
  levelsMax = Number.POSITIVE_INFINITY,
  read: (source: object, key: string) => unknown = (source, key) => (source as Record<string, unknown>)[key],
): unknown {
  const copies = new Map<unknown, unknown>()
  // Containers are filled one after the other, not one within the other, because the stack is limited.
  const empty: { readonly copy: object; readonly source: object; readonly depth: number }[] = []
  const visit = (source: unknown, depth: number): unknown => {
    if (!isObject(source)) return leaf(source)
    if (copies.has(source)) return copies.get(source)
    const container = emptyLike(source)
    if (container && depth > levelsMax) throw new RangeError('too deep')
    const copy = container ?? leaf(source)
    copies.set(source, copy)
    if (container) empty.push({ copy: container, source, depth })
    return copy
  }
  const root = visit(value, 0)
  for (let next = empty.pop(); next; next = empty.pop()) {
    const { copy, source, depth } = next
    fill(copy, source, (child) => visit(child, depth + 1), read)
  }
  return root
}

/** Returns an empty container of the same kind, or nothing if `source` is no container. */
function emptyLike(source: object): object | undefined {
  if (Array.isArray(source)) return Object.assign([], { length: source.length })
  if (isPlain(source)) return {}
  switch (builtInOf(source)) {
    case undefined:
      return Object.keys(source).length > 0 && !platformNameOf(source) ? {} : undefined
    case 'Map':
      return new Map()
    case 'Set':
      return new Set()
    case 'Error':
      return !isDomException(source) && isObject((source as Error).cause) ? twinOf(source as Error) : undefined
  }
  return undefined
}

/** Copies an error without its cause. */
const twinOf = (error: Error): Error => {
  const twin = Object.setPrototypeOf(new Error(error.message), Object.getPrototypeOf(error))
  return Object.defineProperty(twin, 'stack', { value: error.stack, writable: true, configurable: true })
}

function fill(
  copy: object,
  source: object,
  visit: (child: unknown) => unknown,
  read: (source: object, key: string) => unknown,
): void {
  if (copy instanceof Map)
    Map.prototype.forEach.call(source, (item, key) => {
      copy.set(visit(key), visit(item))
    })
  else if (copy instanceof Set)
    Set.prototype.forEach.call(source, (item) => {
      copy.add(visit(item))
    })
  else if (copy instanceof Error) put(copy, 'cause', visit((source as Error).cause), false)
  else for (const key of Object.keys(source)) put(copy, key, visit(read(source, key)))
}

/** Defines a property. An assignment would fail if an inherited property of that name is read-only, or call its setter. */
export const put = (target: object, key: string, value: unknown, enumerable = true): void => {
  Object.defineProperty(target, key, { value, enumerable, writable: true, configurable: true })
}
