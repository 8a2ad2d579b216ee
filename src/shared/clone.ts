import { clone } from './dom-exceptions.ts'
import { OffstageError } from './errors.ts'
import { depthMax as levelsMax, outgoing } from './outgoing.ts'
import { rebuild } from './rebuild.ts'
import { Refusal, refused } from './refusal.ts'
import { isObject, show } from './show.ts'

/** What `copyPlain` returns for a value that it leaves to structured clone. */
export const notPlain: unique symbol = Symbol('not plain')

/** What goes into a message with others is no larger than this many objects and arrays. */
const smallMax = 24
/** Longer arrays of primitives are structured clone's: it knows how to copy numbers in one piece. */
const primitivesMax = 64
/** Deeper data is structured clone's: the stack has an end. */
const depthMax = 64

/**
 * A copy of plain data (objects, arrays, primitives), or `notPlain`: it gives up wherever the copy could differ from
 * structured clone's, at shared references, cycles, holes, class instances, functions, symbols; and above `containersMax`
 * objects and arrays. Only keys that are symbols come along, because to look for them would cost a quarter more in Firefox: the
 * message that a copy is made for leaves them out.
 *
 * In V8 this is 4 to 17 times as fast as `structuredClone`, most for the smallest, and the copy takes half the memory,
 * because it has the layout of its source.
 */
export function copyPlain(value: unknown, containersMax = smallMax): unknown {
  return isPrimitive(value) ? value : copyContainer(value as object, new Set(), containersMax, 0)
}

/** `seen`: the containers that were met. */
function copyContainer(source: object, seen: Set<object>, max: number, depth: number): unknown {
  const { size } = seen
  if (!isObject(source) || size >= max || depth === depthMax || seen.add(source).size === size) return notPlain
  return Array.isArray(source) ? copyArray(source, seen, max, depth + 1) : copyObject(source, seen, max, depth + 1)
}

/** All properties in one step, as engines like it; then what is shared with the source is replaced. */
function copyObject(source: object, seen: Set<object>, max: number, depth: number): unknown {
  const prototype = Object.getPrototypeOf(source)
  if (prototype && prototype !== Object.prototype) return notPlain
  const copy: Record<string, unknown> = { ...source }
  for (const key in copy) {
    const child = copy[key]
    if (isPrimitive(child)) continue
    const copied = copyContainer(child as object, seen, max, depth)
    // What is not its own is what somebody has given all objects to inherit.
    if (copied === notPlain || !Object.hasOwn(copy, key)) return notPlain
    copy[key] = copied
  }
  return copy
}

function copyArray(source: readonly unknown[], seen: Set<object>, max: number, depth: number): unknown {
  const { length } = source
  if (Object.getPrototypeOf(source) !== Array.prototype) return notPlain
  if (length > primitivesMax && isPrimitive(source[0])) return notPlain
  if (Object.keys(source).length !== length) return notPlain
  const copy = [...source]
  for (let index = 0; index < length; index++) {
    const child = copy[index]
    if (isPrimitive(child)) continue
    const copied = copyContainer(child as object, seen, max, depth)
    if (copied === notPlain) return notPlain
    copy[index] = copied
  }
  return copy
}

/** Functions and symbols are no data: they fall through to structured clone, which refuses them. */
const isPrimitive = (value: unknown): boolean =>
  !isObject(value) && typeof value !== 'function' && typeof value !== 'symbol'

/** Hears of what is to be copied, before anything is moved; throws to refuse it. */
type Check = (value: unknown, what: string) => void

/** A private copy of `value`, the same as the other thread would get. Throws `DATA_CLONE`, naming the place. */
export function copyValue(value: unknown, what: string, check?: Check): unknown {
  try {
    const copy = copyPlain(value, Number.POSITIVE_INFINITY)
    const source = copy === notPlain ? outgoing(value) : copy
    check?.(source, what)
    return copy === notPlain ? clone(source) : copy
  } catch (cause) {
    throw cloneError(value, what, cause)
  }
}

/** As `copyValue`, but moves what is in `transfer`. Returns the copy and its own transferables. */
export function moveValue(
  value: unknown,
  transfer: Transferable[],
  what: string,
  check?: Check,
): { value: unknown; transfer: Transferable[] } {
  try {
    // Deno would empty the object before it refuses.
    if (new Set(transfer).size < transfer.length) throw new TypeError('`transfer` names an object twice')
    const source = outgoing(value, transfer)
    check?.(source, what)
    // The list travels inside the value, so that its clone holds the moved objects.
    return clone({ value: source, transfer }, { transfer })
  } catch (cause) {
    throw cloneError(value, what, cause)
  }
}

/** For what must not fail: a copy, in which a few words say what cannot be copied. */
export function readable(value: unknown): unknown {
  try {
    return duplicate(value)
  } catch {
    return inWords(value)
  }
}

const duplicate = (value: unknown): unknown => {
  const copy = copyPlain(value, Number.POSITIVE_INFINITY)
  return copy === notPlain ? clone(outgoing(value)) : copy
}

function inWords(value: unknown): unknown {
  try {
    return rebuild(value, readableLeaf, levelsMax, readableProperty)
  } catch {
    return show(value)
  }
}

function readableLeaf(leaf: unknown): unknown {
  try {
    return duplicate(leaf)
  } catch {
    return show(leaf)
  }
}

export const unreadable = 'something unreadable'

function readableProperty(source: object, key: string): unknown {
  try {
    return (source as Record<string, unknown>)[key]
  } catch {
    return unreadable
  }
}

const crossing = 'copied to another thread'

export function cloneError(value: unknown, what: string, cause: unknown): OffstageError {
  if (cause instanceof OffstageError) return cause
  if (cause instanceof Refusal) return refused(cause, what, crossing)
  const culprit = findUncloneable(value, what, 0)
  const place = culprit ? `\`${culprit.path}\` is ${show(culprit.value)}` : String((cause as Error)?.message ?? cause)
  return new OffstageError('DATA_CLONE', `The ${what} cannot be ${crossing}: ${place}.`, { cause })
}

const searchDepthMax = 8

/** Follows the first child that cannot be cloned on its own down to the one that is to blame. */
function findUncloneable(value: unknown, path: string, depth: number): { path: string; value: unknown } | undefined {
  if (isCloneable(value)) return undefined
  if (!isObject(value) || depth === searchDepthMax) return { path, value }
  for (const [key, child] of childrenOf(value)) {
    const culprit = findUncloneable(child, `${path}${key}`, depth + 1)
    if (culprit) return culprit
  }
  return { path, value }
}

export function isCloneable(value: unknown): boolean {
  try {
    structuredClone(value)
    return true
  } catch {
    return false
  }
}

function childrenOf(value: object): [string, unknown][] {
  try {
    if (value instanceof Map)
      return [...value].flatMap(([key, item]) => [
        ['.key()', key],
        [`.get(${show(key)})`, item],
      ])
    if (value instanceof Set) return [...value].map((item) => ['.values()', item])
    const key = (name: string) => (Array.isArray(value) ? `[${name}]` : `.${name}`)
    return Object.keys(value).map((name) => [key(name), (value as Record<string, unknown>)[name]])
  } catch {
    return [] // A getter or a proxy threw: the object itself is to blame.
  }
}
