import { isPlain } from '../shared/kind.ts'
import { tagOf } from '../shared/show.ts'

/** Deeper data is left to the writer: the stack is limited. */
const depthMax = 200

/**
 * Returns how many of `bytes` are left, at least, when `value` is written. It does not write the value: most values are plain,
 * and for these the most that they can take is enough to know. A negative result means that this cannot tell whether there is
 * room.
 */
export function roomBehind(value: unknown, bytes: number, depth = 0): number {
  if (bytes < 0) return bytes
  switch (typeof value) {
    case 'string':
      return bytes - textBytesMax(value)
    case 'number':
      return bytes - numberBytesMax
    case 'boolean':
    case 'undefined':
      return bytes - 1
    case 'object':
      if (value === null) return bytes - 1
      if (depth === depthMax) return -1
      if (Array.isArray(value)) return roomBehindItems(value, bytes - containerBytesMax, depth + 1)
      if (isPlain(value)) return roomBehindAll(value as Record<string, unknown>, bytes - containerBytesMax, depth + 1)
      return roomBehindBuiltIn(value, bytes - containerBytesMax, depth + 1)
    default:
      return -1
  }
}

function roomBehindAll(value: Record<string, unknown>, bytes: number, depth: number): number {
  let rest = bytes
  try {
    for (const key of Object.keys(value)) rest = roomBehind(value[key], rest - textBytesMax(key), depth)
  } catch {
    return -1 // A getter throws. Writing the value reports that, with its path.
  }
  return rest
}

function roomBehindItems(array: readonly unknown[], bytes: number, depth: number): number {
  // Each item takes a byte at least. There may be billions of holes.
  if (array.length > bytes) return -1
  let rest = bytes
  try {
    const items = Object.values(array)
    if (items.length !== array.length) return -1
    for (let index = 0; index < items.length && rest >= 0; index++) {
      const item = items[index]
      if (item === undefined && !Object.hasOwn(array, index)) return -1
      rest = roomBehind(item, rest, depth)
    }
  } catch {
    return -1
  }
  return rest
}

/** Only of those that look like these and are: there are subclasses, and other realms. */
function roomBehindBuiltIn(value: object, bytes: number, depth: number): number {
  let rest = bytes
  const tag = tagOf(value)
  if (tag === 'Map' && value instanceof Map)
    Map.prototype.forEach.call(value, (item, key) => {
      rest = roomBehind(item, roomBehind(key, rest, depth), depth)
    })
  else if (tag === 'Set' && value instanceof Set)
    Set.prototype.forEach.call(value, (item) => {
      rest = roomBehind(item, rest, depth)
    })
  else if (tag === 'Date' && value instanceof Date) rest -= numberBytesMax
  else return -1
  return rest
}

/** For a tag, and a number of 53 bits or 64. */
const numberBytesMax = 9
/** For a tag, and the number of items. */
const containerBytesMax = 6
/** For a tag, the length, and two bytes for each code unit. */
const textBytesMax = ({ length }: string): number => (length < 64 ? 2 : 6) + 2 * length
