import { Refusal } from '../shared/refusal.ts'
import type { Attachment } from './attachments.ts'

/**
 * From this length on, text is converted by the platform's own coders. For shorter text, calling them costs more than it saves.
 */
const longText = 24
/** Every engine takes this many arguments in one call, with room to spare. */
const argumentsMax = 4_096
/**
 * A buffer grows by at most this much. To double a larger one would ask some engines for more than they have in one piece, long
 * before that much is needed.
 */
const growBytesMax = 128 * 1024 * 1024
/** Room for this many bytes is made for every number, even a short one. */
export const numberBytesMax = 8
/** A shorter buffer is copied at once: that takes no longer than to note where it belongs. */
const gapBytesMin = 4 * 1024
/** A shorter text is written at once. */
const gapUnitsMin = 32 * 1024

/** A buffer or a text that is to be written to `at`. */
export interface Gap {
  readonly at: number
  readonly source: Uint8Array | string
  /** How many bytes it takes; for a buffer, how long it was when it was written. */
  readonly length: number
}

/** Bytes in which large buffers and texts are still missing, because to write them takes long; see `fill`. */
export interface GappedBytes {
  readonly bytes: Uint8Array<ArrayBuffer>
  /** In order. */
  readonly gaps: readonly Gap[]
}

/** More would be written than is allowed. */
export class TooLong extends Refusal {}

/**
 * Bytes that grow as they are written. Numbers are little-endian. Large buffers and texts are not copied when they are written,
 * but when the bytes are used, if ever: a value may only be measured, and a thread may copy piece by piece.
 *
 * Whole numbers are varints: seven bits to a byte, the lowest first. The eighth bit says that more follow.
 */
export class ByteWriter {
  #bytes: Uint8Array<ArrayBuffer>
  #view: DataView | undefined
  #encoder: TextEncoder | undefined
  #length = 0
  #lengthMax = Number.POSITIVE_INFINITY
  /** Up to this length nothing has to be checked: the memory is there, and the limit is not exceeded. */
  #room: number
  readonly #named: { readonly at: number; readonly attachment: Attachment }[] = []
  readonly #gaps: Gap[] = []
  /** The bytes of all gaps. They count for `length`, and take no memory. */
  #gapBytes = 0

  constructor(capacity = 256) {
    this.#bytes = new Uint8Array(capacity)
    this.#room = capacity
  }

  /** How many bytes of memory it has taken. */
  get capacity(): number {
    return this.#bytes.length
  }

  get lengthMax(): number {
    return this.#lengthMax
  }

  /** The greatest length. A write beyond it throws `TooLong` before memory is taken. It may be exceeded by a few bytes. */
  set lengthMax(lengthMax: number) {
    this.#lengthMax = lengthMax
    this.#room = Math.min(this.#bytes.length, lengthMax - this.#gapBytes)
  }

  get length(): number {
    return this.#length + this.#gapBytes
  }

  /** Removes everything that was written behind this length. */
  truncate(length: number): void {
    while (this.#gaps.length > 0 && (this.#gaps.at(-1)?.at as number) >= length)
      this.#gapBytes -= this.#gaps.pop()?.length ?? 0
    this.#length = length - this.#gapBytes
    while (this.#named.length > 0 && (this.#named.at(-1)?.at as number) >= length) this.#named.pop()
  }

  /** Records that the bytes written next name an attachment. */
  willName(attachment: Attachment): void {
    this.#named.push({ at: this.length, attachment })
  }

  /** Returns the attachments that the bytes from `start` on name; `undefined` if there are none. */
  namedSince(start: number): Attachment[] | undefined {
    if (this.#named.length === 0) return undefined
    const named = this.#named.filter(({ at }) => at >= start).map(({ attachment }) => attachment)
    return named.length > 0 ? named : undefined
  }

  u8(value: number): void {
    this.#makeRoom(1)
    this.#bytes[this.#length++] = value
  }

  /** A whole number from 0 to 2⁵³ - 1. */
  varint(value: number): void {
    this.#makeRoom(8)
    let rest = value
    while (rest > 0x7f) {
      this.#bytes[this.#length++] = (rest & 0x7f) | 0x80
      // Bitwise operators see 32 bits only.
      rest = rest < 2 ** 31 ? rest >> 7 : Math.floor(rest / 128)
    }
    this.#bytes[this.#length++] = rest
  }

  /** A whole number of at most 52 bits and a sign. Small ones are short on both sides of zero. */
  signed(value: number): void {
    this.varint(value < 0 ? -value * 2 - 1 : value * 2)
  }

  f64(value: number): void {
    this.#makeRoom(8)
    this.#view ??= new DataView(this.#bytes.buffer)
    this.#view.setFloat64(this.#length, value, true)
    this.#length += 8
  }

  /** Text is kept exactly, including lone surrogates: one byte for each code unit if all are below 256, otherwise two. */
  string(text: string): void {
    const { length } = text
    if (length >= gapUnitsMin) {
      const bytesPerUnit = beyondLatin1.test(text) ? 2 : 1
      this.varint(length * 2 + bytesPerUnit - 1)
      return this.#gap(text, length * bytesPerUnit)
    }
    const start = this.#length
    this.varint(length * 2)
    this.#makeRoom(length)
    if (length >= longText && this.#ascii(text)) return
    const bytes = this.#bytes
    let at = this.#length
    for (let index = 0; index < length; index++) {
      const unit = text.charCodeAt(index)
      if (unit > 0xff) {
        this.#length = start
        return this.#wide(text)
      }
      bytes[at++] = unit
    }
    this.#length = at
  }

  /** Writes ASCII text: then UTF-8 has one byte for each code unit, the same as our own form. Returns false for other text. */
  #ascii(text: string): boolean {
    this.#encoder ??= new TextEncoder()
    const { read, written } = this.#encoder.encodeInto(text, this.#bytes.subarray(this.#length))
    if (read !== text.length || written !== text.length) return false
    this.#length += written
    return true
  }

  #wide(text: string): void {
    const { length } = text
    this.varint(length * 2 + 1)
    this.#makeRoom(length * 2)
    const bytes = this.#bytes
    let at = this.#length
    for (let index = 0; index < length; index++) {
      const unit = text.charCodeAt(index)
      bytes[at++] = unit
      bytes[at++] = unit >> 8
    }
    this.#length = at
  }

  raw(bytes: Uint8Array): void {
    const { length } = bytes
    if (length >= gapBytesMin) return this.#gap(bytes, length)
    this.#makeRoom(length)
    this.#bytes.set(bytes, this.#length)
    this.#length += length
  }

  /** Writes what another writer has written, in which nothing may be written from now on. */
  append(other: ByteWriter): void {
    const start = this.length
    for (const { at, attachment } of other.#named) this.#named.push({ at: start + at, attachment })
    let from = 0
    let gapBytes = 0
    for (const { at, source, length } of other.#gaps) {
      const to = at - gapBytes
      this.raw(other.#bytes.subarray(from, to))
      this.#gap(source, length)
      from = to
      gapBytes += length
    }
    this.raw(other.#bytes.subarray(from, other.#length))
  }

  #gap(source: Gap['source'], length: number): void {
    if (this.length + length > this.#lengthMax + numberBytesMax) throw new TooLong('is too large')
    this.#gaps.push({ at: this.length, source, length })
    this.#gapBytes += length
    this.lengthMax = this.#lengthMax
  }

  /** Returns a copy of what was written, in a buffer of exactly that size, and what belongs into its gaps. */
  toBytes(): GappedBytes {
    const written = this.#bytes.subarray(0, this.#length)
    if (this.#gaps.length === 0) return { bytes: written.slice(), gaps: none }
    const bytes = new Uint8Array(this.length)
    let [from, to] = [0, 0]
    for (const { at, length } of this.#gaps) {
      bytes.set(written.subarray(from, from + at - to), to)
      from += at - to
      to = at + length
    }
    bytes.set(written.subarray(from), to)
    return { bytes, gaps: [...this.#gaps] }
  }

  #makeRoom(needed: number): void {
    if (this.#length + needed > this.#room) this.#grow(this.#length + needed)
  }

  #grow(needed: number): void {
    const most = this.#lengthMax + numberBytesMax - this.#gapBytes
    if (needed > most) throw new TooLong('is too large')
    const { length } = this.#bytes
    if (needed <= length) return
    const grown = new Uint8Array(Math.min(most, Math.max(needed, length + Math.min(length, growBytesMax))))
    grown.set(this.#bytes.subarray(0, this.#length))
    this.#bytes = grown
    this.#view = undefined
    this.lengthMax = this.#lengthMax
  }
}

const none: readonly Gap[] = []

/** Copies into `bytes` what is missing of them between `from` and `to`. */
export function fill({ bytes, gaps }: GappedBytes, from: number, to: number): void {
  for (const gap of gaps) {
    if (gap.at >= to || gap.at + gap.length <= from) continue
    const start = Math.max(from, gap.at)
    const end = Math.min(to, gap.at + gap.length)
    const { source } = gap
    if (typeof source === 'string') writeUnits(gap, source, bytes.subarray(start, end), start - gap.at)
    else {
      // An application that has been given a result may have transferred its buffer since.
      if (source.length !== gap.length) throw new Error('a buffer was detached or resized before it was written')
      bytes.set(source.subarray(start - gap.at, end - gap.at), start)
    }
  }
}

const beyondLatin1 = /[\u0100-\uffff]/

/** Writes a part of a text, which begins `skipped` bytes behind its beginning. */
function writeUnits(gap: Gap, text: string, into: Uint8Array, skipped: number): void {
  const { length } = into
  if (gap.length > text.length) {
    // Code units may be cut in two.
    for (let at = 0; at < length; at++) {
      const unit = text.charCodeAt((skipped + at) >> 1)
      into[at] = (skipped + at) % 2 === 0 ? unit : unit >> 8
    }
    return
  }
  // ASCII text in UTF-8 is the same as our own form, and other text is longer.
  const { read } = new TextEncoder().encodeInto(text.slice(skipped, skipped + length), into)
  if (read < length) for (let at = 0; at < length; at++) into[at] = text.charCodeAt(skipped + at)
}

/**
 * Reads what a `ByteWriter` wrote. The bytes are not trusted: every read is checked against the end, and no memory is taken for
 * more than is there.
 */
export class ByteReader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #decoder: TextDecoder | undefined
  #position = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  get position(): number {
    return this.#position
  }

  get isAtEnd(): boolean {
    return this.#position === this.#bytes.length
  }

  u8(): number {
    const byte = this.#bytes[this.#position]
    if (byte === undefined) throw tooShort()
    this.#position++
    return byte
  }

  varint(): number {
    let value = 0
    for (let scale = 1; scale < 2 ** 53; scale *= 128) {
      const byte = this.u8()
      value += (byte & 0x7f) * scale
      if (byte < 0x80 && value <= Number.MAX_SAFE_INTEGER) return value
    }
    throw new Error('a number is longer than 53 bits')
  }

  signed(): number {
    const value = this.varint()
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2
  }

  f64(): number {
    const start = this.#take(8)
    return this.#view.getFloat64(start, true)
  }

  string(): string {
    const header = this.varint()
    const length = Math.floor(header / 2)
    return header % 2 === 0 ? this.#latin1(this.#take(length)) : this.#wide(this.#take(length * 2))
  }

  /** Returns the bytes read since `start` as text, one character for each byte. Equal bytes give equal texts. */
  textSince(start: number): string {
    return this.#latin1(start)
  }

  /** Returns a copy, in a buffer of its own. */
  raw(length: number): Uint8Array<ArrayBuffer> {
    const start = this.#take(length)
    return new Uint8Array(this.#bytes.subarray(start, this.#position))
  }

  /** Moves on by `length` bytes and returns where they begin. */
  #take(length: number): number {
    const start = this.#position
    if (length > this.#bytes.length - start) throw tooShort()
    this.#position += length
    return start
  }

  #latin1(start: number): string {
    const bytes = this.#bytes
    const end = this.#position
    if (end - start >= longText) return this.#longLatin1(bytes.subarray(start, end))
    // V8 keeps the two halves of a string that `+` made, from 13 characters on: 32 bytes more for the id of each job.
    if (end - start > 12) return String.fromCharCode.apply(null, bytes.subarray(start, end) as unknown as number[])
    let text = ''
    let at = start
    // Measured: four characters at a time take half as long.
    for (; at + 3 < end; at += 4)
      text += String.fromCharCode(bytes[at]!, bytes[at + 1]!, bytes[at + 2]!, bytes[at + 3]!)
    for (; at < end; at++) text += String.fromCharCode(bytes[at]!)
    return text
  }

  #longLatin1(bytes: Uint8Array): string {
    // TextDecoder cannot help here: its 'latin1' is windows-1252, which is a different encoding.
    if (!isAscii(bytes)) return fromUnits(bytes)
    this.#decoder ??= new TextDecoder()
    return this.#decoder.decode(bytes)
  }

  #wide(start: number): string {
    const units = new Uint16Array((this.#position - start) / 2)
    for (let index = 0; index < units.length; index++) units[index] = this.#view.getUint16(start + index * 2, true)
    return fromUnits(units)
  }
}

function fromUnits(units: Uint8Array | Uint16Array): string {
  let text = ''
  for (let at = 0; at < units.length; at += argumentsMax)
    text += String.fromCharCode.apply(null, units.subarray(at, at + argumentsMax) as unknown as number[])
  return text
}

function isAscii(bytes: Uint8Array): boolean {
  for (let at = 0; at < bytes.length; at++) if (bytes[at]! > 0x7f) return false
  return true
}

const tooShort = (): Error => new Error('the bytes end too soon')
