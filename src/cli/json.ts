import { printableJson } from '../shared/printable.ts'
import { inspect } from './text.ts'

/**
 * Returns a value as JSON, in one line that is safe to print on a terminal. What JSON cannot say comes in another form: times as
 * ISO texts, maps as pairs, sets and typed arrays as arrays, errors with name, message, code, stack and cause; all else as `show`
 * prints it.
 */
export const json = (value: unknown): string => printableJson(JSON.stringify(sayable(value, [])))

/** The bytes of longer ones are of no use to anybody there. */
const bytesMax = 1_024

function sayable(value: unknown, within: readonly object[]): unknown {
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value)
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value
  if (typeof value === 'bigint') return String(value)
  if (typeof value !== 'object') return value === undefined ? null : inspect(value)
  if (within.includes(value)) return '[circular]'
  const inner = (item: unknown) => sayable(item, [...within, value])
  if (Array.isArray(value)) return value.map(inner)
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString()
  if (value instanceof Map) return [...value].map(inner)
  if (value instanceof Set) return [...value].map(inner)
  if (value instanceof Error) return fields(errorFields(value), inner)
  if (ArrayBuffer.isView(value) && !(value instanceof DataView) && value.byteLength <= bytesMax)
    return [...(value as Uint8Array)].map(inner)
  return Object.getPrototypeOf(value) === Object.prototype || Object.getPrototypeOf(value) === null
    ? fields(value, inner)
    : inspect(value)
}

/** A field that is not set is left out. */
const fields = (value: object, inner: (item: unknown) => unknown): object =>
  Object.fromEntries(Object.entries(value).flatMap(([key, item]) => (item === undefined ? [] : [[key, inner(item)]])))

const errorFields = (error: Error): object => ({
  ...error,
  name: error.name,
  message: error.message,
  stack: error.stack,
  cause: error.cause,
  errors: (error as Partial<AggregateError>).errors,
})
