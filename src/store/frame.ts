/**
 * A frame is a batch in the form in which a journal keeps it, or one of the pieces of a large batch. All numbers are
 * little-endian:
 *
 *    0  4  magic          'off1'
 *    4  2  version        of the format, 1
 *    6  2  flags          1: relaxed, not synced before the next one was written
 *                         2: the batch goes on in the next frame
 *                         4: the batch began in an earlier frame
 *    8  8  salt           random for each generation: it tells frames of an older file in recycled sectors from this one's
 *   16  8  epoch          random for each opening: who wrote it
 *   24  8  sequence       1 for the first of a generation, then one more for each
 *   32  4  length         of the payload
 *   36  4  previous       the checksum of the frame before, 0 in the first
 *   40  4  checksum       CRC-32 over bytes 0 to 40 and the payload
 *   44     payload        empty in a seal
 *
 * A batch counts when its last frame is there, and not before. If the journal ends in the middle of a batch, the torn end
 * begins where that batch begins.
 *
 * `previous` chains the frames. It is part of the frame, so each frame can be checked on its own. That is what tells a torn end
 * from corruption. Only one batch is ever on its way to the disk, and the next is begun when it is durable. So a whole frame
 * behind a bad one proves that the bad one was once complete, if the whole one is the first frame of a later batch. It proves
 * nothing in these cases:
 *
 * - Its batch began in an earlier frame. That may be the batch of the bad frame, and pieces of one batch reach the disk in any
 *   order. (Each piece is synced before the next is written. But pieces of a batch that was refused may stand in sectors that
 *   were recycled since.)
 * - Its number is not higher than that of the bad frame, for the same reason.
 * - It is relaxed. Then the power failed before the system had written everything it was given, in whatever order. The rest is
 *   lost, as the durability `relaxed` says.
 *
 * The last frame has none behind it. So, when the journal is idle and when it is closed, a seal is written behind it: an empty
 * batch. A seal is never relaxed, and everything before it is durable before it is written. So damage before a seal is always
 * noticed.
 */
import { crc32 } from '../platform/crc32.ts'
import { nextTask } from '../platform/hop.ts'
import { OffstageError } from '../shared/errors.ts'
import { fill, type GappedBytes } from './bytes.ts'

export const headerBytes = 44
export const formatVersion = 1
const magic = 0x31_66_66_6f
/** The first byte of every frame, by which a search finds where one may begin. */
export const firstByte = magic & 0xff
/** The longest payload. It is checked before writing and when reading. Real payloads are far shorter: see `BatchWriter`. */
export const payloadBytesMax = 0x7f_ff_ff_ff
/** A slice of this many bytes is copied, and its checksum calculated, in one or two milliseconds. */
const sliceBytes = 512 * 1024
const flagBits = { relaxed: 1, goesOn: 2, beganBefore: 4 } as const

/** What all frames of one generation have in common, and the state behind the newest one. */
export interface Chain {
  readonly salt: number
  readonly epoch: number
  /** The number of the newest frame. */
  sequence: number
  checksum: number
  /** Whether the batch of the newest frame goes on in the next frame. */
  goesOn: boolean
}

/** Makes a salt or an epoch: a random whole number below 2⁵³. */
export const newMark = (random: () => number): number => Math.floor(random() * 2 ** 53)

/** Makes the chain of a new generation. */
export const newChain = (random: () => number): Chain => ({
  salt: newMark(random),
  epoch: newMark(random),
  sequence: 0,
  checksum: 0,
  goesOn: false,
})

/** How a frame is marked. */
export interface FrameFlags {
  readonly goesOn?: boolean
  readonly isRelaxed?: boolean
}

/** Makes a frame the next one of `chain`: copies what its payload lacks, and fills in its header. */
export function stamp(frame: GappedBytes, chain: Chain, flags?: FrameFlags): void {
  for (const _ of stamping(frame, chain, flags));
}

/** Like `stamp`, but holds the thread for one slice of a long frame at a time. Do not use the chain meanwhile. */
export async function stampInSlices(frame: GappedBytes, chain: Chain, flags?: FrameFlags): Promise<void> {
  for (const _ of stamping(frame, chain, flags)) await nextTask()
}

/** Yields before each slice of a long frame, and behind the last. */
function* stamping(frame: GappedBytes, chain: Chain, { goesOn = false, isRelaxed = false }: FrameFlags = {}) {
  const { bytes } = frame
  const { length } = bytes
  const payloadBytes = length - headerBytes
  if (payloadBytes > payloadBytesMax)
    throw new OffstageError('DATA_CLONE', `A batch cannot be stored: one value of ${payloadBytes} bytes is too much.`)
  const view = viewOf(bytes)
  const { relaxed, beganBefore } = flagBits
  const flags = (isRelaxed ? relaxed : 0) | (goesOn ? flagBits.goesOn : 0) | (chain.goesOn ? beganBefore : 0)
  view.setUint32(0, magic, true)
  view.setUint16(4, formatVersion, true)
  view.setUint16(6, flags, true)
  setMark(view, 8, chain.salt)
  setMark(view, 16, chain.epoch)
  setMark(view, 24, chain.sequence + 1)
  view.setUint32(32, payloadBytes, true)
  view.setUint32(36, chain.checksum, true)
  let checksum = headerChecksum(bytes)
  const isLong = length > sliceBytes
  for (let at = headerBytes; at < length; at += sliceBytes) {
    if (isLong) yield
    const end = Math.min(length, at + sliceBytes)
    fill(frame, at, end)
    checksum = crc32(bytes.subarray(at, end), checksum)
  }
  if (isLong) yield
  view.setUint32(40, checksum, true)
  chain.checksum = checksum
  chain.sequence++
  chain.goesOn = goesOn
}

/** The checksum of the header. The frame's checksum goes on from it over the payload. */
export const headerChecksum = (frame: Uint8Array): number => crc32(frame.subarray(0, 40))

/** The header of a frame. */
export interface Header {
  readonly version: number
  readonly isRelaxed: boolean
  readonly goesOn: boolean
  readonly beganBefore: boolean
  readonly salt: number
  readonly epoch: number
  readonly sequence: number
  readonly length: number
  readonly previous: number
  readonly checksum: number
}

export function readHeader(bytes: Uint8Array, lengthMax = payloadBytesMax): Header | undefined {
  if (bytes.length < headerBytes) return undefined
  const view = viewOf(bytes)
  const length = view.getUint32(32, true)
  if (view.getUint32(0, true) !== magic || length > lengthMax) return undefined
  const flags = view.getUint16(6, true)
  return {
    version: view.getUint16(4, true),
    isRelaxed: (flags & flagBits.relaxed) !== 0,
    goesOn: (flags & flagBits.goesOn) !== 0,
    beganBefore: (flags & flagBits.beganBefore) !== 0,
    salt: getMark(view, 8),
    epoch: getMark(view, 16),
    sequence: getMark(view, 24),
    length,
    previous: view.getUint32(36, true),
    checksum: view.getUint32(40, true),
  }
}

export function isIntact(bytes: Uint8Array, length: number): boolean {
  const end = headerBytes + length
  if (bytes.length < end) return false
  return crc32(bytes.subarray(headerBytes, end), headerChecksum(bytes)) === viewOf(bytes).getUint32(40, true)
}

/** A whole frame with its place. */
export interface Frame extends Chain {
  readonly isRelaxed: boolean
  readonly beganBefore: boolean
  readonly at: number
  readonly bytes: number
  readonly payload: Uint8Array
}

/** Returns the whole frame at `at`, if there is one that may come after `chain`. Without a chain, any frame may. */
export function readFrame(bytes: Uint8Array, at: number, chain: Chain | undefined): Frame | undefined {
  const rest = bytes.subarray(at)
  const header = readHeader(rest)
  if (!header || (chain && (header.salt !== chain.salt || header.sequence <= chain.sequence))) return undefined
  if (!isIntact(rest, header.length)) return undefined
  const { salt, epoch, isRelaxed, goesOn, beganBefore, sequence, checksum, length } = header
  const bytesUsed = headerBytes + length
  const payload = rest.subarray(headerBytes, bytesUsed)
  return { salt, epoch, isRelaxed, goesOn, beganBefore, sequence, checksum, at, bytes: bytesUsed, payload }
}

export function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const piece of pieces) {
    whole.set(piece, at)
    at += piece.length
  }
  return whole
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** Writes the number as two halves: 53 bits are exact in a number, and BigInt is slow. */
function setMark(view: DataView, at: number, mark: number): void {
  view.setUint32(at, mark >>> 0, true)
  view.setUint32(at + 4, Math.floor(mark / 2 ** 32), true)
}

const getMark = (view: DataView, at: number): number =>
  view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32
