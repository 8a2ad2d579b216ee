import { isPlain } from '../shared/kind.ts'

/**
 * Returns how many of `bytes` are left, at least, when `value` is written. It does not write the value: most values are small
 * and plain, and for these an estimate is enough. A negative result means that the estimate cannot tell whether there is room.
 */
export function roomBehind(value: unknown, bytes: number): number {
  if (bytes < 0) return bytes
  switch (typeof value) {
    case 'string':
      return bytes - textBytesMax(value)
    case 'number':
    case 'boolean':
    case 'undefined':
      return bytes - primitiveBytesMax
    case 'object':
      if (value === null) return bytes - primitiveBytesMax
      return isPlain(value) ? roomBehindAll(value as Record<string, unknown>, bytes - primitiveBytesMax) : -1
    default:
      return -1
  }
}

function roomBehindAll(value: Record<string, unknown>, bytes: number): number {
  let rest = bytes
  try {
    for (const key of Object.keys(value)) rest = roomBehind(value[key], rest - textBytesMax(key))
  } catch {
    return -1 // A getter throws. Writing the value reports that, with its path.
  }
  return rest
}

/** For a tag, and a number or a length. */
const primitiveBytesMax = 10
const textBytesMax = (text: string): number => primitiveBytesMax + 3 * text.length
