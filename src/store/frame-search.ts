import { crc32 } from '../platform/crc32.ts'
import {
  type Chain,
  firstByte,
  formatVersion,
  type Header,
  headerBytes,
  headerChecksum,
  joined,
  readHeader,
} from './frame.ts'

/** Bytes that begin like a frame. Its checksum is computed as the bytes come in. */
interface Candidate {
  readonly header: Header
  readonly at: number
  readonly end: number
  left: number
  checksum: number
}

/**
 * Looks for whole frames behind a bad one. They may begin at any byte. It keeps less than a header of what it is shown, because
 * that may be nearly all of a large journal.
 */
export class FrameSearch {
  readonly #chain: Chain | undefined
  /** The last bytes of the piece before, which may be the beginning of a header. */
  #tail = new Uint8Array(0)
  /** Where the next piece begins. */
  #at = 0
  #candidates: Candidate[] = []
  /** Whole candidates, as long as an earlier candidate may still become whole. If it does, they were part of its payload. */
  #found: Candidate[] = []
  #newest: Candidate | undefined
  #proof: number | undefined
  #lastRelaxed = 0

  /** Only frames that may come after `chain` count. Without a chain, any frame counts. */
  constructor(chain: Chain | undefined) {
    this.#chain = chain
  }

  push(piece: Uint8Array): void {
    for (const candidate of this.#candidates) this.#feed(candidate, piece)
    const edge = joined([this.#tail, piece.subarray(0, headerBytes - 1)])
    this.#begin(edge, this.#at - this.#tail.length, piece)
    this.#begin(piece, this.#at, piece)
    this.#candidates = this.#candidates.filter(({ left }) => left > 0)
    if (this.#candidates.length === 0) this.#settle()
    this.#tail = (piece.length < headerBytes ? edge : piece).slice(1 - headerBytes)
    this.#at += piece.length
  }

  /** Begins a candidate at each header in `bytes`, whose first byte is at `from`, and feeds it the rest of the piece. */
  #begin(bytes: Uint8Array, from: number, piece: Uint8Array): void {
    const last = bytes.length - headerBytes
    for (let at = bytes.indexOf(firstByte); at !== -1 && at <= last; at = bytes.indexOf(firstByte, at + 1)) {
      const header = readHeader(bytes.subarray(at))
      if (!header || !this.#mayFollow(header)) continue
      const begin = from + at + headerBytes
      const { length } = header
      const checksum = headerChecksum(bytes.subarray(at))
      const candidate: Candidate = { header, at: from + at, end: begin + length, left: length, checksum }
      this.#candidates.push(candidate)
      this.#feed(candidate, piece.subarray(begin - this.#at))
    }
  }

  /** The bad frame has the number after the chain's. Only frames with a higher number prove something. */
  #mayFollow({ version, salt, sequence }: Header): boolean {
    const chain = this.#chain
    return version === formatVersion && (!chain || (salt === chain.salt && sequence > chain.sequence + 1))
  }

  #feed(candidate: Candidate, bytes: Uint8Array): void {
    const { left } = candidate
    candidate.checksum = crc32(bytes.subarray(0, left), candidate.checksum)
    candidate.left = Math.max(0, left - bytes.length)
    if (candidate.left === 0 && candidate.checksum === candidate.header.checksum) this.#whole(candidate)
  }

  #whole(candidate: Candidate): void {
    const { at } = candidate
    const newest = this.#newest
    if (newest && newest.at < at && at < newest.end) return
    const found = this.#found
    while (found.length > 0 && (found.at(-1) as Candidate).at > at) found.pop()
    found.push(candidate)
    this.#newest = candidate
  }

  #settle(): void {
    for (const { header } of this.#found.splice(0)) {
      if (header.isRelaxed) this.#lastRelaxed = Math.max(this.#lastRelaxed, header.sequence)
      else if (!header.beganBefore) this.#proof ??= header.sequence
    }
  }

  /**
   * `proof`: the number of a frame that was written after the bad one had been complete. `lastRelaxed`: the highest number of
   * the relaxed frames, which were complete but prove nothing; 0 if there is none.
   */
  end(): { readonly proof: number | undefined; readonly lastRelaxed: number } {
    this.#settle()
    return { proof: this.#proof, lastRelaxed: this.#lastRelaxed }
  }
}
