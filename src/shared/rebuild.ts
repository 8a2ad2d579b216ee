import { builtInOf, isDomException, isPlain, platformNameOf } from './kind.ts'
import { isObject } from './show.ts'

/**
 * The same data in new containers, with whatever is no container as `leaf` has it. Shared references and cycles stay what
 * they are; instances of classes become plain objects, as in structured clone. `read` gets a property, and may do without.
 */
export function rebuild(
  value: unknown,
  leaf: (value: unknown) => unknown,
  levelsMax = Number.POSITIVE_INFINITY,
  read: (source: object, key: string) => unknown = (source, key) => (source as Record<string, unknown>)[key],
): unknown {
  const copies = new Map<unknown, unknown>()
  // Filled one after the other, not one within the other: the stack has an end.
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

/** None for what is no container. */
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

/** Without its cause. */
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

/** Not assigned: what is inherited may be read-only, or a setter. */
export const put = (target: object, key: string, value: unknown, enumerable = true): void => {
  Object.defineProperty(target, key, { value, enumerable, writable: true, configurable: true })
}
