import { crc32 } from '../platform/crc32.ts'

/** Where the bytes of a journal come from, however many there are. */
export interface ByteSource {
  readonly size: number
  /** Returns how many bytes were read into `into`, which may be fewer than it has room for; 0 at the end. */
  read(into: Uint8Array, at: number): number
}

const windowBytes = 1024 * 1024
const blockBytes = 16 * 1024

/**
 * The bytes of a journal that need not fit into memory. It reads them once from end to end, and keeps the checksum of
 * everything before each block. From these it computes the checksum of any stretch, however long, by reading at most two
 * blocks. So the time of a search that tries every byte depends on the size of the journal, and not on the lengths that it
 * finds written there.
 */
export class JournalBytes {
  readonly size: number
  readonly #source: ByteSource
  readonly #before: Uint32Array
  /** The bytes that were read last. */
  readonly #window = new Uint8Array(windowBytes)
  #windowAt = 0
  #windowLength = 0
  readonly #block = new Uint8Array(blockBytes)
  #blockNumber = -1

  constructor(source: ByteSource) {
    this.#source = source
    this.size = source.size
    this.#before = new Uint32Array(Math.floor(source.size / blockBytes) + 1)
    for (let block = 1; block < this.#before.length; block++) {
      const bytes = this.view((block - 1) * blockBytes, blockBytes)
      this.#before[block] = crc32(bytes, this.#before[block - 1])
    }
  }

  /** Returns at most a window of bytes, fewer at the end. They are valid until the next call. */
  view(at: number, length = windowBytes): Uint8Array {
    const end = Math.max(at, Math.min(at + length, this.size))
    if (at < this.#windowAt || end > this.#windowAt + this.#windowLength) {
      this.#windowAt = at
      this.#windowLength = this.#fill(this.#window.subarray(0, Math.max(0, this.size - at)), at)
    }
    return this.#window.subarray(at - this.#windowAt, Math.min(end - this.#windowAt, this.#windowLength))
  }

  /** Returns a copy of bytes, in a buffer of its own. */
  copy(at: number, length: number): Uint8Array<ArrayBuffer> {
    const copy = new Uint8Array(length)
    return copy.subarray(0, this.#fill(copy, at))
  }

  /** Returns the checksum of data with the checksum `seed` followed by these bytes. */
  checksum(at: number, length: number, seed: number): number {
    if (length <= blockBytes) return crc32(this.view(at, length), seed)
    return behindZeros(seed ^ this.#checksumBefore(at), length) ^ this.#checksumBefore(at + length)
  }

  #checksumBefore(at: number): number {
    const number = Math.floor(at / blockBytes)
    if (this.#blockNumber !== number) this.#fill(this.#block, number * blockBytes)
    this.#blockNumber = number
    return crc32(this.#block.subarray(0, at % blockBytes), this.#before[number])
  }

  #fill(into: Uint8Array, at: number): number {
    let done = 0
    while (done < into.length) {
      const bytes = this.#source.read(into.subarray(done, done + windowBytes), at + done)
      if (bytes === 0) break
      done += bytes
    }
    return done
  }
}

/** Polynomials over the field of two elements. The highest power is in the lowest bit, as in zlib's `crc32_combine`. */
const polynomial = 0xedb88320
const one = 0x80000000
const powerOf8 = 0x00800000

/** Returns the checksum after `length` zero bytes more: `checksum` times x to the power of 8 × `length`. */
function behindZeros(checksum: number, length: number): number {
  let product = checksum
  let power = powerOf8
  for (let rest = length; rest > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) product = times(power, product)
    power = times(power, power)
  }
  return product
}

function times(a: number, b: number): number {
  let product = 0
  let shifted = b
  for (let bit = one; bit !== 0; bit >>>= 1) {
    if (a & bit) product ^= shifted
    shifted = shifted & 1 ? (shifted >>> 1) ^ polynomial : shifted >>> 1
  }
  return product
}
