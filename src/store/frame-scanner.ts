/** What recovery makes of a journal: which frames count, and what is wrong with the rest. The rules are in frame.ts. */
import { type Chain, formatVersion, type Header, headerBytes, isIntact, joined, readHeader } from './frame.ts'
import { FrameSearch } from './frame-search.ts'

export type Verdict =
  /** Nothing at all. */
  | { readonly kind: 'empty' }
  | {
      readonly kind: 'clean'
      readonly chain: Chain
      readonly size: number
      /** The last frame that is not relaxed begins there: it may have been written in vain, and what is behind it. */
      readonly unsureAt: number
      readonly isSealed: boolean
    }
  | Torn
  | { readonly kind: 'damaged'; readonly at: number; readonly chain: Chain | undefined; readonly nextSequence: number }
  | { readonly kind: 'foreign' }
  | { readonly kind: 'newer'; readonly version: number }

/** What is from `size` on is no whole batch. */
export interface Torn {
  readonly kind: 'torn'
  /** As it is at `size`. */
  readonly chain: Chain
  readonly size: number
  readonly unsureAt: number
  /** From `size` on. */
  readonly bytes: number
  /** How many batches are lost at least that were complete once: relaxed ones. */
  readonly lost: number
  /** The first frames of a batch that does not end were handed on. */
  readonly hasBegun: boolean
}

/** Reads frames from pieces that may cut them anywhere. */
export class FrameScanner {
  readonly #onPayload: (payload: Uint8Array, at: number) => void
  /** What has come of a frame that is not complete yet; joined when it is. */
  #pieces: Uint8Array[] = []
  #pieceBytes = 0
  #neededBytes = headerBytes
  #bytes = 0
  /** Where the frame begins that is read next. */
  #at = 0
  #unsureAt = 0
  #chain: Chain | undefined
  /** As it was behind the last batch that is whole, and where that ends. */
  #wholeChain: Chain | undefined
  #wholeAt = 0
  #isSealed = false
  #newer: number | undefined
  #isBad = false
  /** Goes through what is behind a bad frame, that frame included. */
  #search: FrameSearch | undefined

  constructor(onPayload: (payload: Uint8Array, at: number) => void) {
    this.#onPayload = onPayload
  }

  push(piece: Uint8Array): void {
    this.#bytes += piece.length
    if (this.#search) return this.#search.push(piece)
    this.#pieceBytes += piece.length
    let rest = piece
    if (this.#pieceBytes >= this.#neededBytes) {
      if (this.#pieces.length > 0) rest = joined([...this.#pieces.splice(0), piece])
      for (let next: Uint8Array | undefined = rest; next; next = this.#read(rest)) rest = next
      this.#pieceBytes = rest.length
    }
    // The piece is only lent.
    if (rest.length > 0) this.#pieces.push(rest.slice())
    if (this.#isBad) this.#searchRest()
  }

  #searchRest(): FrameSearch {
    const search = new FrameSearch(this.#chain)
    for (const piece of this.#pieces.splice(0)) search.push(piece)
    this.#search = search
    return search
  }

  end(): Verdict {
    const chain = this.#wholeChain
    const size = this.#wholeAt
    if (this.#newer !== undefined) return { kind: 'newer', version: this.#newer }
    if (this.#bytes === 0) return { kind: 'empty' }
    const unsureAt = this.#unsureAt
    if (chain && size === this.#bytes) return { kind: 'clean', chain, size, unsureAt, isSealed: this.#isSealed }
    const { proof, lastRelaxed } = (this.#search ?? this.#searchRest()).end()
    if (proof !== undefined) return { kind: 'damaged', at: this.#at, chain: this.#chain, nextSequence: proof }
    if (!chain) return { kind: 'foreign' }
    const lost = Math.max(0, lastRelaxed - chain.sequence)
    return { kind: 'torn', chain, size, unsureAt, bytes: this.#bytes - size, lost, hasBegun: this.#at > size }
  }

  /** Takes one frame, and returns what is behind it; nothing when there is no whole good frame. */
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
    const { salt, epoch, isRelaxed, goesOn, beganBefore, sequence, checksum, length } = header
    const end = headerBytes + length
    this.#chain = { salt, epoch, sequence, checksum, goesOn }
    this.#onPayload(rest.subarray(headerBytes, end), this.#at)
    const at = this.#at
    this.#at += end
    this.#neededBytes = headerBytes
    if (!goesOn) {
      if (!isRelaxed) this.#unsureAt = at
      this.#wholeChain = this.#chain
      this.#wholeAt = this.#at
      this.#isSealed = length === 0 && !isRelaxed && !beganBefore
    }
    return rest.subarray(end)
  }

  #follows({ version, salt, sequence, previous, beganBefore }: Header): boolean {
    if (version !== formatVersion || beganBefore !== (this.#chain?.goesOn ?? false)) return false
    if (!this.#chain) return sequence === 1 && previous === 0
    return salt === this.#chain.salt && sequence === this.#chain.sequence + 1 && previous === this.#chain.checksum
  }
}
