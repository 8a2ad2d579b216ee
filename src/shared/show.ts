export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null

/** Returns the language's own name for the kind of an object: 'Error', 'Date', 'Object'. */
export const tagOf = (value: unknown): string => Object.prototype.toString.call(value).slice(8, -1)

/** Returns a short form of any value for a message. Never throws, even if reading the value does. */
export function show(value: unknown): string {
  try {
    if (typeof value === 'string') return `'${value.length > 40 ? `${value.slice(0, 40)}…` : value}'`
    if (Object.is(value, -0)) return '-0'
    if (typeof value === 'bigint') return `${value}n`
    if (typeof value === 'function') return 'a function'
    if (Array.isArray(value)) return `an array of ${value.length}`
    return isObject(value) ? `an object (${tagOf(value)})` : String(value)
  } catch {
    return 'something unreadable'
  }
}
