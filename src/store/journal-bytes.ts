import { crc32 } from '../platform/crc32.ts'

/** Where bytes are, however many. */
export interface ByteSource {
  readonly size: number
  /** Returns how many bytes were read into `into`, which may be fewer than there is room for; 0 at the end. */
  read(into: Uint8Array, at: number): number
}

const windowBytes = 1024 * 1024
const blockBytes = 16 * 1024

/**
 * A journal that need not fit into memory. It is read once from end to end for the checksums of all that is before each
 * block; from these that of any stretch follows, however long, from two blocks at most. So a search that tries every
 * byte takes its time from what is there, and not from the lengths that it finds written there.
 */
export class JournalBytes {
  readonly size: number
  readonly #source: ByteSource
  readonly #before: Uint32Array
  /** What was read last. */
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

  /** At most a window of bytes, fewer at the end; valid until the next call. */
  view(at: number, length = windowBytes): Uint8Array {
    const end = Math.max(at, Math.min(at + length, this.size))
    if (at < this.#windowAt || end > this.#windowAt + this.#windowLength) {
      this.#windowAt = at
      this.#windowLength = this.#fill(this.#window.subarray(0, Math.max(0, this.size - at)), at)
    }
    return this.#window.subarray(at - this.#windowAt, Math.min(end - this.#windowAt, this.#windowLength))
  }

  /** Bytes of one's own. */
  copy(at: number, length: number): Uint8Array<ArrayBuffer> {
    const copy = new Uint8Array(length)
    return copy.subarray(0, this.#fill(copy, at))
  }

  /** The checksum of what has the checksum `seed` and then these bytes. */
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

/** Polynomials over two elements, the highest power in the lowest bit, as in zlib's `crc32_combine`. */
const polynomial = 0xedb88320
const one = 0x80000000
const powerOf8 = 0x00800000

/** What a checksum adds to that of `length` bytes more: it, times x to the power of 8 × `length`. */
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
