/**
 * A frame is one batch as a journal keeps it, all numbers little-endian:
 *
 *    0  4  magic          'off1'
 *    4  2  version        of the format, 1
 *    6  2  flags          1: relaxed, not synced before the next one was written
 *    8  8  salt           random for each generation: frames of an older file in recycled sectors are not ours
 *   16  8  epoch          random for each opening: who wrote it
 *   24  8  sequence       1 for the first of a generation, then one more each
 *   32  4  length         of the payload
 *   36  4  previous       the checksum of the frame before, 0 in the first
 *   40  4  checksum       CRC-32 over bytes 0 to 40 and the payload
 *   44     payload        empty in a seal
 *
 * `previous` chains the frames, and because it stands in the frame, each can be checked on its own. That is what tells
 * a torn tail from corruption: only one batch is ever on its way to the disk, so behind a torn one there is nothing. A
 * valid later frame behind a bad one means that the bad one was complete once. Unless all that is behind it is relaxed:
 * then the power failed before the system had written all it was given, in whatever order, and the rest is lost, as was said.
 *
 * The last frame has none behind it and so, when idle and on close, a seal is written behind it.
 */
import { crc32 } from '../platform/crc32.ts'

export const headerBytes = 44
export const formatVersion = 1
const magic = 0x31_66_66_6f
const payloadBytesMax = 0x7f_ff_ff_ff
const relaxedFlag = 1

/** What the frames of one generation have in common, and where it stands. */
export interface Chain {
  readonly salt: number
  readonly epoch: number
  readonly isRelaxed: boolean
  /** Of the newest frame. */
  sequence: number
  checksum: number
}

/** Salts and epochs are whole numbers below 2⁵³. */
export const newMark = (random: () => number): number => Math.floor(random() * 2 ** 53)

/** Fills in the header of `frame`, whose payload is in its place, as the next of `chain`; answers its checksum. */
export function stamp(frame: Uint8Array, chain: Chain): number {
  const view = viewOf(frame)
  view.setUint32(0, magic, true)
  view.setUint16(4, formatVersion, true)
  view.setUint16(6, chain.isRelaxed ? relaxedFlag : 0, true)
  setMark(view, 8, chain.salt)
  setMark(view, 16, chain.epoch)
  setMark(view, 24, chain.sequence + 1)
  view.setUint32(32, frame.length - headerBytes, true)
  view.setUint32(36, chain.checksum, true)
  const checksum = checksumOf(frame)
  view.setUint32(40, checksum, true)
  return checksum
}

const checksumOf = (frame: Uint8Array): number => crc32(frame.subarray(headerBytes), crc32(frame.subarray(0, 40)))

export type Verdict =
  /** Nothing at all. */
  | { readonly kind: 'empty' }
  /** The last frame begins at `lastAt`. */
  | { readonly kind: 'clean'; readonly chain: Chain; readonly size: number; readonly lastAt: number }
  /** What is from `size` on was never acknowledged. */
  | { readonly kind: 'torn'; readonly chain: Chain; readonly size: number }
  | { readonly kind: 'damaged'; readonly at: number; readonly chain: Chain | undefined; readonly nextSequence: number }
  | { readonly kind: 'foreign' }
  | { readonly kind: 'newer'; readonly version: number }

/** Reads frames from pieces that may cut them anywhere. */
export class FrameScanner {
  readonly #onPayload: (payload: Uint8Array, at: number) => void
  /** What has come of a frame that is not complete yet; joined when it is. */
  #pieces: Uint8Array[] = []
  #pieceBytes = 0
  #neededBytes = headerBytes
  /** Where the frame begins that is read next. */
  #at = 0
  #lastAt = 0
  #chain: Chain | undefined
  #newer: number | undefined
  #isBad = false

  constructor(onPayload: (payload: Uint8Array, at: number) => void) {
    this.#onPayload = onPayload
  }

  push(piece: Uint8Array): void {
    this.#pieceBytes += piece.length
    let rest = piece
    if (this.#pieceBytes >= this.#neededBytes && !this.#isBad) {
      if (this.#pieces.length > 0) rest = joined([...this.#pieces.splice(0), piece])
      for (let next: Uint8Array | undefined = rest; next; next = this.#read(rest)) rest = next
      this.#pieceBytes = rest.length
    }
    // The piece is only lent.
    if (rest.length > 0) this.#pieces.push(rest.slice())
  }

  end(): Verdict {
    const rest = joined(this.#pieces)
    const chain = this.#chain
    const size = this.#at
    if (this.#newer !== undefined) return { kind: 'newer', version: this.#newer }
    if (rest.length === 0) return chain ? { kind: 'clean', chain, size, lastAt: this.#lastAt } : { kind: 'empty' }
    let next = searchFrame(rest, 1, chain)
    while (next?.isRelaxed) next = searchFrame(rest, next.at + next.bytes, chain)
    if (next) return { kind: 'damaged', at: size, chain, nextSequence: next.sequence }
    return chain ? { kind: 'torn', chain, size } : { kind: 'foreign' }
  }

  /** Takes one frame, and answers what is behind it; nothing when there is no whole good frame. */
  #read(rest: Uint8Array): Uint8Array | undefined {
    if (rest.length < headerBytes) return undefined
    const header = readHeader(rest)
    if (header && header.version > formatVersion && (!this.#chain || isIntact(rest, header.length)))
      this.#newer = header.version
    this.#isBad = !header || !this.#follows(header)
    if (!header || this.#isBad) return undefined
    this.#neededBytes = headerBytes + header.length
    if (rest.length < this.#neededBytes) return undefined
    this.#isBad = !isIntact(rest, header.length)
    if (this.#isBad) return undefined
    const { salt, epoch, isRelaxed, sequence, checksum, length } = header
    const end = headerBytes + length
    this.#chain = { salt, epoch, isRelaxed, sequence, checksum }
    this.#onPayload(rest.subarray(headerBytes, end), this.#at)
    this.#lastAt = this.#at
    this.#at += end
    this.#neededBytes = headerBytes
    return rest.subarray(end)
  }

  #follows({ version, salt, sequence, previous }: Header): boolean {
    if (version !== formatVersion) return false
    if (!this.#chain) return sequence === 1 && previous === 0
    return salt === this.#chain.salt && sequence === this.#chain.sequence + 1 && previous === this.#chain.checksum
  }
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const piece of pieces) {
    whole.set(piece, at)
    at += piece.length
  }
  return whole
}

interface Header {
  readonly version: number
  readonly isRelaxed: boolean
  readonly salt: number
  readonly epoch: number
  readonly sequence: number
  readonly length: number
  readonly previous: number
  readonly checksum: number
}

function readHeader(bytes: Uint8Array): Header | undefined {
  if (bytes.length < headerBytes) return undefined
  const view = viewOf(bytes)
  const length = view.getUint32(32, true)
  if (view.getUint32(0, true) !== magic || length > payloadBytesMax) return undefined
  return {
    version: view.getUint16(4, true),
    isRelaxed: (view.getUint16(6, true) & relaxedFlag) !== 0,
    salt: getMark(view, 8),
    epoch: getMark(view, 16),
    sequence: getMark(view, 24),
    length,
    previous: view.getUint32(36, true),
    checksum: view.getUint32(40, true),
  }
}

function isIntact(bytes: Uint8Array, length: number): boolean {
  const end = headerBytes + length
  return bytes.length >= end && checksumOf(bytes.subarray(0, end)) === viewOf(bytes).getUint32(40, true)
}

/** A frame that is whole, with its place. */
export interface Frame extends Chain {
  readonly at: number
  readonly bytes: number
  readonly payload: Uint8Array
}

/** The whole frame that begins at `at`, if one does that may come after `chain`; without a chain, any. */
export function readFrame(bytes: Uint8Array, at: number, chain: Chain | undefined): Frame | undefined {
  const rest = bytes.subarray(at)
  const header = readHeader(rest)
  if (!header || (chain && (header.salt !== chain.salt || header.sequence <= chain.sequence))) return undefined
  if (!isIntact(rest, header.length)) return undefined
  const { salt, epoch, isRelaxed, sequence, checksum, length } = header
  const payload = rest.subarray(headerBytes, headerBytes + length)
  return { salt, epoch, isRelaxed, sequence, checksum, at, bytes: headerBytes + length, payload }
}

/** The first such frame from `from` on, at whatever byte it begins. */
export function searchFrame(bytes: Uint8Array, from: number, chain: Chain | undefined): Frame | undefined {
  const firstByte = magic & 0xff
  for (let at = bytes.indexOf(firstByte, from); at !== -1; at = bytes.indexOf(firstByte, at + 1)) {
    const frame = readFrame(bytes, at, chain)
    if (frame) return frame
  }
  return undefined
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** Two halves: 53 bits are exact in a number, and BigInt is slow. */
function setMark(view: DataView, at: number, mark: number): void {
  view.setUint32(at, mark >>> 0, true)
  view.setUint32(at + 4, Math.floor(mark / 2 ** 32), true)
}

const getMark = (view: DataView, at: number): number =>
  view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32
