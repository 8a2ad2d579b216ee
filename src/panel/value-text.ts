import { printable } from '../shared/printable.ts'
import { isObject, show, tagOf } from '../shared/show.ts'

/** Deeper values are named and not shown. */
const depthMax = 8
/** Of bytes, so many are shown. */
const bytesMax = 32

const quoted = (text: string): string => printable(JSON.stringify(text))

/** Longer texts are cut off. */
const textMax = 10_000

/** Returns the beginning of a long text. */
export const cut = (text: string, lengthMax = textMax): string =>
  text.length > lengthMax ? `${text.slice(0, lengthMax)}…` : text

/** Returns a form of any value that people can read, in at most about `lengthMax` characters. It never throws. */
export function textOf(value: unknown, lengthMax = textMax): string {
  let text = ''
  const around: object[] = []
  const put = (piece: string) => {
    text += piece
  }
  const isFull = () => text.length > lengthMax

  const putAll = (open: string, items: Iterable<readonly [label: unknown, value: unknown]>, close: string) => {
    const indent = '  '.repeat(around.length)
    put(open)
    let isEmpty = true
    for (const [label, item] of items) {
      put(`${isEmpty ? '' : ','}\n${indent}`)
      isEmpty = false
      if (isFull()) break
      if (typeof label === 'string') put(`${/^[\w$]+$/.test(label) ? label : quoted(label.slice(0, lengthMax))}: `)
      else if (label) putValue((label as [unknown])[0], ' → ')
      putValue(item)
    }
    put(isEmpty ? close : `\n${indent.slice(2)}${close}`)
  }

  const putObject = (value: object) => {
    if (around.includes(value)) return put('(see above)')
    if (around.length === depthMax) return put('…')
    around.push(value)
    const tag = tagOf(value)
    if (Array.isArray(value)) putAll('[', pairs(value), ']')
    else if (value instanceof Map) putAll(`Map(${value.size}) {`, mapped(value), '}')
    else if (value instanceof Set) putAll(`Set(${value.size}) {`, pairs(value), '}')
    else if (value instanceof Error) putAll(`${printable(`${value.name}: ${value.message}`)} {`, fieldsOf(value), '}')
    else if (value instanceof Date) put(Number.isNaN(Number(value)) ? 'no date' : value.toISOString())
    else if (value instanceof RegExp) put(printable(String(value)))
    else if (value instanceof Blob)
      put(`${tag} ${quoted((value as File).name ?? '')} ${value.size} bytes ${value.type}`)
    else if (ArrayBuffer.isView(value)) put(`${tag}(${value.byteLength} bytes) ${hex(value)}`)
    else if (value instanceof ArrayBuffer) put(`${tag}(${value.byteLength} bytes) ${hex(new Uint8Array(value))}`)
    else putAll(tag === 'Object' ? '{' : `${tag} {`, membersOf(value), '}')
    around.pop()
  }

  const putValue = (value: unknown, after = '') => {
    if (isFull()) return
    if (typeof value === 'string') put(quoted(value.slice(0, lengthMax)))
    else if (isObject(value)) putObject(value)
    else put(show(value))
    put(after)
  }

  try {
    putValue(value)
  } catch {
    return show(value)
  }
  return cut(text, lengthMax)
}

/** Not all at once: a value may have very many, of which the first are shown. */
function* membersOf(value: object): Generator<readonly [string, unknown]> {
  for (const key of Object.keys(value)) yield [key, value[key as never]]
}

function* pairs(values: Iterable<unknown>): Generator<readonly [undefined, unknown]> {
  for (const value of values) yield [undefined, value]
}

/** A key is wrapped, because it may be a string. */
function* mapped(map: Map<unknown, unknown>): Generator<readonly [readonly [unknown], unknown]> {
  for (const [key, value] of map) yield [[key], value]
}

/** What an error has beside its name, message and stack, without what engines add: where it was made. */
function* fieldsOf(error: Error): Generator<readonly [string, unknown]> {
  for (const key of ['cause', 'errors'])
    if (Object.hasOwn(error, key) && !Object.prototype.propertyIsEnumerable.call(error, key))
      yield [key, error[key as 'cause']]
  for (const [key, value] of Object.entries(error)) if (!/^(name|message|stack)$/.test(key)) yield [key, value]
}

const hex = ({ buffer, byteOffset, byteLength }: ArrayBufferView): string => {
  const bytes = new Uint8Array(buffer, byteOffset, Math.min(byteLength, bytesMax))
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(' ') + (byteLength > bytesMax ? ' …' : '')
}

/** Returns the value as JSON would have it, and as text where JSON has nothing for it. */
export function jsonOf(value: unknown): unknown {
  try {
    return JSON.parse(JSON.stringify(value, jsonItem) ?? 'null')
  } catch {
    return textOf(value)
  }
}

function jsonItem(_key: string, value: unknown): unknown {
  if (value instanceof Map || value instanceof Set) return [...value]
  if (value instanceof Error) {
    const { name, message, stack } = value
    return { name, message, stack, ...Object.fromEntries(fieldsOf(value)) }
  }
  const isJson = isObject(value)
    ? Array.isArray(value) || tagOf(value) === 'Object'
    : typeof value !== 'bigint' && (typeof value !== 'number' || Number.isFinite(value))
  return isJson ? value : textOf(value)
}

/** Returns a span of time in the unit that suits it. */
export function spanOf(ms: number): string {
  const [size, unit] = units.find(([size]) => ms >= size) ?? [1, 'ms']
  const number = ms / size
  return `${number < 9.95 && size > 1 ? Math.round(number * 10) / 10 : Math.round(number)} ${unit}`
}

const units: readonly (readonly [ms: number, unit: string])[] = [
  [86_400_000, 'd'],
  [3_600_000, 'h'],
  [60_000, 'min'],
  [1_000, 's'],
]
