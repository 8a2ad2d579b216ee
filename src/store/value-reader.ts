import { noteException } from '../shared/dom-exceptions.ts'
import { type ErrorClass, thrownFromWire, type WireThrown } from '../shared/error-wire.ts'
import { type BlobKind, isDomException } from '../shared/kind.ts'
import { put } from '../shared/rebuild.ts'
import type { Attachment, Attachments } from './attachments.ts'
import type { ByteReader } from './bytes.ts'
import { smallNumber, tags, thrownTags, views } from './value-format.ts'

/** A sparse array beyond this length may claim to be very long and hold little. */
const sparseLengthMax = 10_000

/**
 * Reads a value. Throws a plain Error for bytes that make no sense. `errors` are the user's own error classes. Without
 * `attachments` there cannot be a blob.
 */
export function readValue(from: ByteReader, errors: readonly ErrorClass[], attachments?: Attachments): unknown {
  const reader = new ValueReader(from, errors, attachments)
  const value = reader.read()
  attachments?.note(value, reader.named)
  return value
}

class ValueReader {
  readonly #from: ByteReader
  readonly #errors: readonly ErrorClass[]
  readonly #attachments: Attachments | undefined
  readonly #containers: unknown[] = []
  /** The attachments that the value names; none yet if `undefined`. */
  named: Attachment[] | undefined

  constructor(from: ByteReader, errors: readonly ErrorClass[], attachments: Attachments | undefined) {
    this.#from = from
    this.#errors = errors
    this.#attachments = attachments
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
      case tags.Blob:
        return this.#keep(this.#attachment('Blob'))
      case tags.File:
        return this.#keep(this.#attachment('File'))
      case tags.FileList:
        return this.#keep(this.#attachment('FileList'))
    }
    // The other kinds can only be made when their parts were read. Their numbers come before those of the parts.
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
      // An inherited property may be read-only, or a setter.
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
    // V8 takes memory for up to 32 million items at once, unless the array has been longer before: then it uses a hash table.
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
    // Runtimes that cannot resize buffers ignore the option.
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

  #attachment(kind: BlobKind): object {
    const from = this.#from
    const key = from.varint()
    const size = from.varint()
    const type = kind === 'FileList' ? '' : from.string()
    const [name, lastModified] = kind === 'File' ? [from.string(), Number(this.read())] : ['', 0]
    const attachment = this.#attachments?.find(key, { kind, size, type, name, lastModified })
    if (!attachment) throw new Error(`there is a ${kind} where none can be`)
    this.named ??= []
    this.named.push(attachment)
    return attachment.object
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
