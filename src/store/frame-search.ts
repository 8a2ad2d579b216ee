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

/** Something that begins like a frame. Its bytes are summed up as they come. */
interface Candidate {
  readonly header: Header
  readonly at: number
  readonly end: number
  left: number
  checksum: number
}

/**
 * Looks for whole frames behind a bad one, at whatever byte they begin. Of what it is shown it keeps less than a header,
 * because that may be nearly all of a large journal.
 */
export class FrameSearch {
  readonly #chain: Chain | undefined
  /** What may be the beginning of a header. */
  #tail = new Uint8Array(0)
  /** Where the next piece begins. */
  #at = 0
  #candidates: Candidate[] = []
  /** Those that are whole, while others before them may become so: then they were a part of its payload. */
  #found: Candidate[] = []
  #newest: Candidate | undefined
  #proof: number | undefined
  #lastRelaxed = 0

  /** Frames that come after `chain` count; without one, any. */
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

  /** With each header in `bytes`, which begin at `from`, and what is behind it in the piece. */
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

  /** The bad one has the number behind that of the chain. */
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
   * `proof`: the number of a frame that was written when the bad one had been complete. `lastRelaxed`: the highest of
   * those that prove nothing, although they were complete; 0 without one.
   */
  end(): { readonly proof: number | undefined; readonly lastRelaxed: number } {
    this.#settle()
    return { proof: this.#proof, lastRelaxed: this.#lastRelaxed }
  }
}
