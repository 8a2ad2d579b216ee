/**
 * Values as bytes: whatever structured clone keeps and can be had without waiting. Format version 1, written for ever.
 *
 * A value is a tag and what the tag needs; small whole numbers are in the tag itself. Objects are numbered as they are
 * met, the outer before the inner, and one that is met again is a reference to its number.
 *
 * What cannot be kept is refused. The worst that could happen is that data disappears without a word, so an object of
 * which nothing would be left is refused as well, although structured clone makes `{}` of it.
 */

import { readable } from '../shared/clone.ts'
import { noteException } from '../shared/dom-exceptions.ts'
import { type ErrorClass, thrownFromWire, thrownToWire, type WireThrown } from '../shared/error-wire.ts'
import { builtInOf, isDomException, isError, isPlain, platformNameOf } from '../shared/kind.ts'
import { depthMax, tooDeep } from '../shared/outgoing.ts'
import { put } from '../shared/rebuild.ts'
import { isA, Refusal, refused, stepTo, within } from '../shared/refusal.ts'
import { show, tagOf } from '../shared/show.ts'
import { type ByteReader, type ByteWriter, TooLong } from './bytes.ts'

/** Numbers are never given a new meaning; new kinds get new ones, below 0x80. */
const tags = {
  undefined: 0,
  null: 1,
  true: 2,
  false: 3,
  positive: 4,
  negative: 5,
  double: 6,
  bigint: 7,
  string: 8,
  reference: 9,
  object: 10,
  array: 11,
  sparse: 12,
  map: 13,
  set: 14,
  date: 15,
  regExp: 16,
  boxed: 17,
  buffer: 18,
  resizable: 19,
  view: 20,
  error: 21,
} as const

/** From here on a tag is a number from 0 to 127. */
const smallNumber = 0x80

const thrownTags = { value: 0, seen: 1, error: 2, hasCause: 4, hasErrors: 8 } as const

/** The number in the list is what is stored: new ones go at the end. */
const views = [
  'Int8Array',
  'Uint8Array',
  'Uint8ClampedArray',
  'Int16Array',
  'Uint16Array',
  'Int32Array',
  'Uint32Array',
  'Float32Array',
  'Float64Array',
  'BigInt64Array',
  'BigUint64Array',
  'DataView',
  'Float16Array',
]

/** The containers of most values are so few that looking through them is faster than a Map. */
const lookedThroughMax = 16
/** An array with holes that is longer says much about its length, and little about the memory that it needs. */
const sparseLengthMax = 10_000
/**
 * An error is stored with copies of what hangs on it. These may hold errors again, and if they lead back, without end:
 * those that are further in, or more, are only shown.
 */
const errorDepthMax = 3
const innerErrorsMax = 100

/**
 * Throws `DATA_CLONE` for what cannot be kept, naming its place in `what`, and has written nothing then. `TooLong` when it
 * takes more than `out` may have.
 */
export function writeValue(out: ByteWriter, value: unknown, what: string): void {
  const start = out.length
  try {
    new ValueWriter(out).write(value)
  } catch (cause) {
    out.truncate(start)
    throw cause instanceof TooLong ? cause : refused(cause, what, 'stored')
  }
}

/**
 * What was thrown must never keep a job from being stored. Of what cannot be kept a few words say what it was. An error that
 * takes more than `bytesMax` is shortened: its texts are cut, and of what hangs on it what is small is kept.
 */
export function writeThrown(out: ByteWriter, thrown: unknown, bytesMax = Number.POSITIVE_INFINITY): void {
  const { length, lengthMax } = out
  const source = storable(thrown)
  out.lengthMax = Math.min(lengthMax, length + bytesMax)
  const limits = [Number.POSITIVE_INFINITY, Math.floor(bytesMax / 16), shortMax, 0]
  const isWritten = limits.some((limit) => fits(out, source, limit, length + bytesMax))
  out.lengthMax = lengthMax
  if (!isWritten) writeValue(out, show(thrown), 'error')
}

function fits(out: ByteWriter, thrown: unknown, limit: number, end: number): boolean {
  const start = out.length
  try {
    new ValueWriter(out, limit).write(thrown)
    if (out.length <= end) return true
  } catch {
    // As if it were too long.
  }
  out.truncate(start)
  return false
}

function storable(thrown: unknown): unknown {
  try {
    return isError(thrown) ? thrown : readable(thrown)
  } catch {
    return show(thrown)
  }
}

/** Texts that are no longer are not cut. */
const shortMax = 64

/** Throws a plain Error for bytes that make no sense. `errors` are the user's own classes of errors. */
export const readValue = (from: ByteReader, errors: readonly ErrorClass[]): unknown =>
  new ValueReader(from, errors).read()

const stepToIndex = (index: number): string => `[${index}]`

class ValueWriter {
  readonly #out: ByteWriter
  /** The containers so far. Most values have one, and then no list is made. */
  #first: object | undefined
  #others: object[] | undefined
  #numbers: Map<object, number> | undefined
  #depth = 0
  #errorDepth = 0
  #innerErrors = 0
  /** Of errors: for the characters of each text, and the bytes of each value that hangs on them. At 0 nothing does. */
  readonly #limit: number

  constructor(out: ByteWriter, limit = Number.POSITIVE_INFINITY) {
    this.#out = out
    this.#limit = limit
  }

  write(value: unknown): void {
    const out = this.#out
    switch (typeof value) {
      case 'string':
        out.u8(tags.string)
        return out.string(value)
      case 'number':
        return this.#number(value)
      case 'object':
        return value === null ? out.u8(tags.null) : this.#object(value)
      case 'boolean':
        return out.u8(value ? tags.true : tags.false)
      case 'undefined':
        return out.u8(tags.undefined)
      case 'bigint':
        out.u8(tags.bigint)
        return out.string(value.toString(16))
      default:
        throw new Refusal(isA(typeof value))
    }
  }

  #number(value: number): void {
    const out = this.#out
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) {
      out.u8(tags.double)
      out.f64(value)
    } else if (value >= smallNumber) {
      out.u8(tags.positive)
      out.varint(value)
    } else if (value >= 0) {
      out.u8(smallNumber + value)
    } else {
      out.u8(tags.negative)
      out.varint(-value)
    }
  }

  #object(value: object): void {
    const number = this.#numberOf(value)
    if (number !== undefined) {
      this.#out.u8(tags.reference)
      return this.#out.varint(number)
    }
    if (this.#depth++ > depthMax) throw tooDeep()
    if (Array.isArray(value)) this.#array(value)
    else if (isPlain(value)) this.#plain(value)
    else this.#special(value)
    this.#depth--
  }

  /** The number of a container that was met before. Others get theirs. */
  #numberOf(container: object): number | undefined {
    if (this.#first === container) return 0
    if (this.#first === undefined) {
      this.#first = container
      return undefined
    }
    this.#others ??= []
    const others = this.#others
    if (others.length < lookedThroughMax) {
      const index = others.indexOf(container)
      if (index !== -1) return index + 1
    } else {
      this.#numbers ??= new Map(others.map((other, index) => [other, index + 1]))
      const number = this.#numbers.get(container)
      if (number !== undefined) return number
      this.#numbers.set(container, others.length + 1)
    }
    others.push(container)
    return undefined
  }

  #plain(value: object): void {
    this.#out.u8(tags.object)
    this.#properties(value)
  }

  #properties(value: object): void {
    const out = this.#out
    const keys = Object.keys(value)
    out.varint(keys.length)
    let key = ''
    try {
      for (key of keys) {
        out.string(key)
        this.write((value as Record<string, unknown>)[key])
      }
    } catch (cause) {
      throw within(cause, stepTo(value, key))
    }
  }

  #array(array: readonly unknown[]): void {
    const out = this.#out
    // Measured: `Object.keys` takes 20 times as long for a long array.
    const items = Object.values(array)
    if (items.length !== array.length || hasHoles(array)) {
      out.u8(tags.sparse)
      out.varint(array.length)
      return this.#properties(array)
    }
    out.u8(tags.array)
    this.#items(items, stepToIndex)
  }

  #items(items: readonly unknown[], step: (index: number) => string): void {
    this.#out.varint(items.length)
    let index = 0
    try {
      for (; index < items.length; index++) this.write(items[index])
    } catch (cause) {
      throw within(cause, step(index))
    }
  }

  /** Built-in methods are called on the value, not looked up in it: it may be of another realm, or have its own. */
  #special(value: object): void {
    const out = this.#out
    switch (builtInOf(value)) {
      case 'View':
        return this.#view(value as ArrayBufferView)
      case 'Map': {
        const items: unknown[] = []
        Map.prototype.forEach.call(value, (item, key) => items.push(key, item))
        out.u8(tags.map)
        return this.#items(items, (index) => (index % 2 === 0 ? '.key()' : `.get(${show(items[index - 1])})`))
      }
      case 'Set': {
        const items: unknown[] = []
        Set.prototype.forEach.call(value, (item) => items.push(item))
        out.u8(tags.set)
        return this.#items(items, () => '.values()')
      }
      case 'Date':
        out.u8(tags.date)
        return this.#number(Date.prototype.getTime.call(value))
      case 'RegExp':
        out.u8(tags.regExp)
        out.string(String((value as RegExp).source))
        return out.string(String((value as RegExp).flags))
      case 'ArrayBuffer':
        return this.#buffer(value as ArrayBuffer)
      case 'Error':
        return this.#error(value)
      case 'Number':
        return this.#boxed(Number.prototype.valueOf.call(value))
      case 'String':
        return this.#boxed(String.prototype.valueOf.call(value))
      case 'Boolean':
        return this.#boxed(Boolean.prototype.valueOf.call(value))
      case 'BigInt':
        return this.#boxed(BigInt.prototype.valueOf.call(value))
    }
    const platformName = platformNameOf(value)
    if (platformName) throw new Refusal(isA(platformName))
    if (Object.keys(value).length === 0)
      throw new Refusal(`${isA(classNameOf(value))}, and has no fields that could be stored`)
    this.#plain(value)
  }

  #boxed(primitive: unknown): void {
    this.#out.u8(tags.boxed)
    this.write(primitive)
  }

  #buffer(buffer: ArrayBuffer & { readonly resizable?: boolean; readonly maxByteLength?: number }): void {
    const out = this.#out
    const bytes = new Uint8Array(buffer) // Throws when it is detached.
    out.u8(buffer.resizable ? tags.resizable : tags.buffer)
    if (buffer.resizable) out.varint(buffer.maxByteLength ?? 0)
    out.varint(bytes.length)
    out.raw(bytes)
  }

  /** With all of its buffer, as structured clone does: several views may look into one. */
  #view(view: ArrayBufferView): void {
    const out = this.#out
    const name = tagOf(view)
    const number = views.indexOf(name)
    if (number === -1) throw new Refusal(isA(name))
    out.u8(tags.view)
    out.u8(number)
    try {
      this.write(view.buffer)
    } catch (cause) {
      throw within(cause, '.buffer')
    }
    out.varint(view.byteOffset)
    out.varint((view as Partial<Uint8Array>).length ?? view.byteLength)
  }

  #error(error: object): void {
    this.#innerErrors = this.#errorDepth > 0 ? this.#innerErrors + 1 : 0
    const isTooMuch = this.#errorDepth === errorDepthMax || this.#innerErrors > innerErrorsMax
    const wire: WireThrown = isTooMuch ? { kind: 'value', value: show(error) } : thrownToWire(error)
    if (!isTooMuch && wire.kind !== 'error') throw new Refusal('cannot be read')
    this.#out.u8(tags.error)
    this.#errorDepth++
    this.#thrown(wire)
    this.#errorDepth--
  }

  #thrown(wire: WireThrown): void {
    const out = this.#out
    if (wire.kind === 'seen') {
      out.u8(thrownTags.seen)
      return out.varint(wire.index)
    }
    if (wire.kind === 'value') {
      out.u8(thrownTags.value)
      return this.#shownIfRefused(wire.value)
    }
    const limit = this.#limit
    const { lineage, name, message, stack } = wire
    const { cause, errors, fields } = limit > 0 ? wire : bare
    out.u8(thrownTags.error | (cause ? thrownTags.hasCause : 0) | (errors ? thrownTags.hasErrors : 0))
    out.varint(lineage.length)
    for (const text of [...lineage, name, message, stack]) out.string(cut(text, limit))
    if (cause) this.#thrown(cause)
    if (errors) {
      out.varint(errors.length)
      for (const inner of errors) this.#thrown(inner)
    }
    out.varint(fields.length)
    for (const [key, value] of fields) {
      out.string(cut(key, limit))
      this.#shownIfRefused(value)
    }
  }

  /** What hangs on an error must not take the error with it. */
  #shownIfRefused(value: unknown): void {
    const { length } = this.#out
    const [depth, errorDepth, others] = [this.#depth, this.#errorDepth, this.#others?.length ?? 0]
    try {
      this.write(value)
      if (this.#out.length - length > Math.max(this.#limit, shortMax)) throw new Refusal('is too large')
    } catch (cause) {
      // Nothing is cut: then it is too much as it is.
      if (cause instanceof TooLong && this.#limit === Number.POSITIVE_INFINITY) throw cause
      this.#out.truncate(length)
      this.#depth = depth
      this.#errorDepth = errorDepth
      if (this.#others) this.#others.length = others
      this.#numbers = undefined
      this.write(show(value))
    }
  }
}

const bare: Pick<WireThrown & { kind: 'error' }, 'cause' | 'errors' | 'fields'> = { fields: [] }

const cut = (text: string, limit: number): string =>
  text.length <= Math.max(limit, shortMax)
    ? text
    : `${text.slice(0, Math.max(limit, shortMax))}… (${text.length} characters in all)`

/**
 * Most values are small and plain, and it shows without writing them: what is left of `bytes` behind one, at least. Less
 * than nothing where that cannot be told, or not so easily.
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
    return -1 // A getter throws: to be told with its path.
  }
  return rest
}

/** A tag, and a number or a length. */
const primitiveBytesMax = 10
const textBytesMax = (text: string): number => primitiveBytesMax + 3 * text.length

function hasHoles(array: readonly unknown[]): boolean {
  for (let index = 0; index < array.length; index++)
    if (array[index] === undefined && !Object.hasOwn(array, index)) return true
  return false
}

function classNameOf(value: object): string {
  const name = Object.getPrototypeOf(value).constructor?.name
  return typeof name === 'string' && name !== '' && name !== 'Object' ? name : tagOf(value)
}

class ValueReader {
  readonly #from: ByteReader
  readonly #errors: readonly ErrorClass[]
  readonly #containers: unknown[] = []

  constructor(from: ByteReader, errors: readonly ErrorClass[]) {
    this.#from = from
    this.#errors = errors
  }

  read(): unknown {
    const from = this.#from
    const tag = from.u8()
    if (tag >= smallNumber) return tag - smallNumber
    switch (tag) {
      case tags.undefined:
        return undefined
      case tags.null:
        return null
      case tags.true:
        return true
      case tags.false:
        return false
      case tags.positive:
        return from.varint()
      case tags.negative:
        return -from.varint()
      case tags.double:
        return from.f64()
      case tags.bigint:
        return bigintOf(from.string())
      case tags.string:
        return from.string()
      case tags.reference:
        return this.#reference()
      case tags.object:
        return this.#properties(this.#keep({}))
      case tags.array:
        return this.#array(this.#keep([]))
      case tags.sparse:
        return this.#sparse(this.#keep([]))
      case tags.map:
        return this.#map(this.#keep(new Map()))
      case tags.set:
        return this.#set(this.#keep(new Set()))
      case tags.date:
        return this.#keep(new Date(this.read() as number))
      case tags.regExp:
        return this.#keep(new RegExp(from.string(), from.string()))
      case tags.buffer:
        return this.#keep(from.raw(from.varint()).buffer)
    }
    // The rest is known only when its parts are; its number comes before theirs.
    const number = this.#containers.push(undefined) - 1
    const value = this.#late(tag)
    this.#containers[number] = value
    return value
  }

  #late(tag: number): unknown {
    switch (tag) {
      case tags.boxed:
        return Object(this.read())
      case tags.resizable:
        return this.#resizable(this.#from.varint())
      case tags.view:
        return this.#view(this.#from.u8())
      case tags.error:
        return this.#error()
      default:
        throw new Error(`there is a value of kind ${tag}, which only a newer version of offstage knows`)
    }
  }

  #keep<Container>(container: Container): Container {
    this.#containers.push(container)
    return container
  }

  #reference(): unknown {
    const container = this.#containers[this.#from.varint()]
    if (container === undefined) throw new Error('a reference leads nowhere')
    return container
  }

  #properties<Target extends object>(target: Target): Target {
    const from = this.#from
    for (let left = from.varint(); left > 0; left--) {
      const key = from.string()
      const value = this.read()
      // What is inherited may be read-only, or a setter.
      if (key in target) put(target, key, value)
      else (target as Record<string, unknown>)[key] = value
    }
    return target
  }

  #array(array: unknown[]): unknown[] {
    for (let left = this.#from.varint(); left > 0; left--) array.push(this.read())
    return array
  }

  #sparse(array: unknown[]): unknown[] {
    const length = this.#from.varint()
    // V8 makes room for up to 32 million items at once, unless the array was longer before: then it is a table.
    if (length > sparseLengthMax) array.length = 2 ** 32 - 1
    array.length = length
    this.#properties(array)
    if (array.length !== length) throw new Error('an array is longer than it says')
    return array
  }

  #map(map: Map<unknown, unknown>): Map<unknown, unknown> {
    for (let left = this.#from.varint(); left > 0; left -= 2) map.set(this.read(), this.read())
    return map
  }

  #set(set: Set<unknown>): Set<unknown> {
    for (let left = this.#from.varint(); left > 0; left--) set.add(this.read())
    return set
  }

  #resizable(maxByteLength: number): ArrayBuffer {
    const bytes = this.#from.raw(this.#from.varint())
    // Where buffers cannot be resized the option is passed over.
    const Resizable = ArrayBuffer as new (length: number, options: object) => ArrayBuffer
    const buffer = new Resizable(bytes.length, { maxByteLength })
    new Uint8Array(buffer).set(bytes)
    return buffer
  }

  #view(number: number): unknown {
    const name = views[number]
    const View = (globalThis as unknown as Record<string, Uint8ArrayConstructor | undefined>)[name ?? '']
    if (!View) throw new Error(`there is a ${name ?? 'typed array'} that this runtime or this version does not know`)
    const buffer = this.read()
    if (!(buffer instanceof ArrayBuffer)) throw new Error('a view has no buffer')
    return new View(buffer, this.#from.varint(), this.#from.varint())
  }

  #error(): unknown {
    const error = thrownFromWire(this.#thrown(), this.#errors)
    if (isDomException(error)) noteException()
    return error
  }

  #thrown(): WireThrown {
    const from = this.#from
    const flags = from.u8()
    if (flags === thrownTags.value) return { kind: 'value', value: this.read() }
    if (flags === thrownTags.seen) return { kind: 'seen', index: from.varint() }
    const { error, hasCause, hasErrors } = thrownTags
    if ((flags & ~(hasCause | hasErrors)) !== error)
      throw new Error('there is an error that only a newer version knows')
    const list = <Item>(read: () => Item): Item[] => {
      const items: Item[] = []
      for (let left = from.varint(); left > 0; left--) items.push(read())
      return items
    }
    return {
      kind: 'error',
      lineage: list(() => from.string()),
      name: from.string(),
      message: from.string(),
      stack: from.string(),
      ...(flags & hasCause && { cause: this.#thrown() }),
      ...(flags & hasErrors && { errors: list(() => this.#thrown()) }),
      fields: list(() => [from.string(), this.read()] as const),
    }
  }
}

const bigintOf = (text: string): bigint => (text.startsWith('-') ? -BigInt(`0x${text.slice(1)}`) : BigInt(`0x${text}`))
