import { thrownToWire, type WireThrown } from '../shared/error-wire.ts'
import { type BlobKind, builtInOf, isPlain } from '../shared/kind.ts'
import { depthMax, tooDeep } from '../shared/outgoing.ts'
import { isA, Refusal, refused, stepTo, within } from '../shared/refusal.ts'
import { isObject, show, tagOf } from '../shared/show.ts'
import type { Attachments } from './attachments.ts'
import { type ByteWriter, TooLong } from './bytes.ts'
import { attachableKindOf, describeBlob } from './stored-blob.ts'
import { smallNumber, tags, thrownTags, views } from './value-format.ts'
import { refuseUnstorable } from './value-refusals.ts'
import { roomBehind } from './value-room.ts'

/** Most values have so few containers that searching a list is faster than a Map. */
const lookedThroughMax = 16
/**
 * An error is stored with copies of the values attached to it. These may hold errors again, and may lead back to it without
 * end. So an error nested deeper than `errorDepthMax`, or one too many by `innerErrorsMax`, is only stored as a short text.
 */
const errorDepthMax = 3
const innerErrorsMax = 100

/**
 * Writes a value. Throws `DATA_CLONE`, which names the place in `what`, for a value that cannot be stored; then nothing was
 * written. Throws `TooLong` if the value takes more than `out` may have. Without `attachments` a blob cannot be stored.
 */
export function writeValue(out: ByteWriter, value: unknown, what: string, attachments?: Attachments): void {
  const start = out.length
  try {
    new ValueWriter(out, attachments).write(value)
  } catch (cause) {
    out.truncate(start)
    throw cause instanceof TooLong ? cause : refused(cause, what, 'stored')
  }
  attachments?.note(value, out.namedSince(start))
}

/** What takes fewer bytes is written in one go. */
const pieceBytesMax = 16 * 1024
/** So many items are written in one go. */
const pieceItemsMax = 32

/** Like `writeValue`, but yields between the pieces of a large value, and throws whatever is wrong as it comes. */
export const writingValue = (out: ByteWriter, value: unknown, attachments?: Attachments): Iterable<void> =>
  new ValueWriter(out, attachments).writing(value)

/** A text of an error is never cut if it is no longer than this. */
export const shortMax = 64

const stepToIndex = (index: number): string => `[${index}]`

/** Throws a `Refusal` for what cannot be stored. The caller has to remove what was written until then. */
export class ValueWriter {
  readonly #out: ByteWriter
  /** The containers met so far. Most values have only one, and then no list is made. */
  #first: object | undefined
  #others: object[] | undefined
  #numbers: Map<object, number> | undefined
  #depth = 0
  #errorDepth = 0
  #innerErrors = 0
  /**
   * For errors: the most characters of each text, and the most bytes of each attached value. At 0, nothing attached is stored.
   */
  readonly #limit: number
  readonly #attachments: Attachments | undefined

  constructor(out: ByteWriter, attachments?: Attachments, limit = Number.POSITIVE_INFINITY) {
    this.#out = out
    this.#attachments = attachments
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

  *writing(value: unknown): Generator<void> {
    const parts = partsOf(value)
    if (!parts) return this.write(value)
    const out = this.#out
    if (this.#isReference(value as object)) return
    if (this.#depth++ > depthMax) throw tooDeep()
    const { tag, keys, items } = parts
    out.u8(tag)
    out.varint(items.length)
    for (let index = 0; index < items.length; index++) {
      if (keys) out.string(keys[index] as string)
      const item = items[index]
      if (isObject(item)) yield* this.writing(item)
      else this.write(item)
      if (index % pieceItemsMax === pieceItemsMax - 1) yield
    }
    this.#depth--
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
    if (this.#isReference(value)) return
    if (this.#depth++ > depthMax) throw tooDeep()
    if (Array.isArray(value)) this.#array(value)
    else if (isPlain(value)) this.#plain(value)
    else this.#special(value)
    this.#depth--
  }

  /** Writes a reference to a container that was met before. */
  #isReference(container: object): boolean {
    const number = this.#numberOf(container)
    if (number === undefined) return false
    this.#out.u8(tags.reference)
    this.#out.varint(number)
    return true
  }

  /** Returns the number of a container that was met before. Gives a new one its number and returns nothing. */
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

  /** Calls built-in methods on the value instead of its own: it may be of another realm, or have methods with these names. */
  #special(value: object): void {
    const out = this.#out
    switch (builtInOf(value)) {
      case 'View':
        return this.#view(value as ArrayBufferView)
      case 'Map': {
        const items = entriesOf(value)
        out.u8(tags.map)
        return this.#items(items, (index) => (index % 2 === 0 ? '.key()' : `.get(${show(items[index - 1])})`))
      }
      case 'Set': {
        out.u8(tags.set)
        return this.#items(itemsOf(value), () => '.values()')
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
    const kind = this.#attachments && attachableKindOf(value)
    if (kind) return this.#attachment(kind, value)
    refuseUnstorable(value)
    this.#plain(value)
  }

  #attachment(kind: BlobKind, value: object): void {
    const out = this.#out
    const attachment = (this.#attachments as Attachments).of(value)
    const { size, type, name, lastModified } = describeBlob(kind, value)
    out.willName(attachment)
    out.u8(tags[kind])
    out.varint(attachment.key)
    out.varint(size)
    if (kind === 'FileList') return
    out.string(type)
    if (kind === 'Blob') return
    out.string(name)
    this.#number(lastModified)
  }

  #boxed(primitive: unknown): void {
    this.#out.u8(tags.boxed)
    this.write(primitive)
  }

  #buffer(buffer: ArrayBuffer & { readonly resizable?: boolean; readonly maxByteLength?: number }): void {
    const out = this.#out
    const bytes = new Uint8Array(buffer) // Throws if the buffer is detached.
    out.u8(buffer.resizable ? tags.resizable : tags.buffer)
    if (buffer.resizable) out.varint(buffer.maxByteLength ?? 0)
    out.varint(bytes.length)
    out.raw(bytes)
  }

  /** Writes a view with its whole buffer, as structured clone does: several views may share one buffer. */
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

  /**
   * Writes a value that is attached to an error. If it cannot be stored, its short text is written, so that the error does not
   * fail.
   */
  #shownIfRefused(value: unknown): void {
    const { length } = this.#out
    const [depth, errorDepth, others] = [this.#depth, this.#errorDepth, this.#others?.length ?? 0]
    try {
      this.write(value)
      if (this.#out.length - length > Math.max(this.#limit, shortMax)) throw new Refusal('is too large')
    } catch (cause) {
      // Without a limit nothing is shortened: then the error as a whole is too large.
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

/** What a value consists of, if it is to be written piece by piece. */
function partsOf(value: unknown): { tag: number; keys?: readonly string[]; items: readonly unknown[] } | undefined {
  if (!isObject(value) || roomBehind(value, pieceBytesMax) >= 0) return undefined
  if (Array.isArray(value)) {
    const items = Object.values(value)
    return items.length === value.length && !hasHoles(value) ? { tag: tags.array, items } : undefined
  }
  if (isPlain(value)) return { tag: tags.object, keys: Object.keys(value), items: Object.values(value) }
  const kind = builtInOf(value)
  if (kind === 'Map') return { tag: tags.map, items: entriesOf(value) }
  return kind === 'Set' ? { tag: tags.set, items: itemsOf(value) } : undefined
}

function entriesOf(map: object): unknown[] {
  const items: unknown[] = []
  Map.prototype.forEach.call(map, (item, key) => items.push(key, item))
  return items
}

function itemsOf(set: object): unknown[] {
  const items: unknown[] = []
  Set.prototype.forEach.call(set, (item) => items.push(item))
  return items
}

const bare: Pick<WireThrown & { kind: 'error' }, 'cause' | 'errors' | 'fields'> = { fields: [] }

const cut = (text: string, limit: number): string =>
  text.length <= Math.max(limit, shortMax)
    ? text
    : `${text.slice(0, Math.max(limit, shortMax))}… (${text.length} characters in all)`

function hasHoles(array: readonly unknown[]): boolean {
  for (let index = 0; index < array.length; index++)
    if (array[index] === undefined && !Object.hasOwn(array, index)) return true
  return false
}
