/** Finds out which frames of a journal count, and what is wrong with the rest. The rules are in frame.ts. */
import { type Chain, formatVersion, type Header, headerBytes, isIntact, joined, readHeader } from './frame.ts'
import { FrameSearch } from './frame-search.ts'

export type Verdict =
  /** There is no byte at all. */
  | { readonly kind: 'empty' }
  | {
      readonly kind: 'clean'
      readonly chain: Chain
      readonly size: number
      /** Where the last frame begins that is not relaxed. That frame and the ones behind it may not have reached the disk. */
      readonly unsureAt: number
      readonly isSealed: boolean
    }
  | Torn
  | { readonly kind: 'damaged'; readonly at: number; readonly chain: Chain | undefined; readonly nextSequence: number }
  | { readonly kind: 'foreign' }
  | { readonly kind: 'newer'; readonly version: number }

/** The bytes from `size` on are no whole batch. */
export interface Torn {
  readonly kind: 'torn'
  /** The chain as it is at `size`. */
  readonly chain: Chain
  readonly size: number
  readonly unsureAt: number
  /** How many bytes there are from `size` on. */
  readonly bytes: number
  /** At least this many batches are lost that were once complete. They are relaxed ones. */
  readonly lost: number
  /** Whether the first frames of a batch without an end were passed on. */
  readonly hasBegun: boolean
}

/** Reads frames from pieces, which may cut them anywhere. */
export class FrameScanner {
  readonly #onPayload: (payload: Uint8Array, at: number) => void
  /** The pieces of a frame that is not complete yet. They are joined when it is. */
  #pieces: Uint8Array[] = []
  #pieceBytes = 0
  #neededBytes = headerBytes
  #bytes = 0
  /** Where the next frame begins. */
  #at = 0
  #unsureAt = 0
  #chain: Chain | undefined
  /** The chain behind the last whole batch, and where that batch ends. */
  #wholeChain: Chain | undefined
  #wholeAt = 0
  #isSealed = false
  #newer: number | undefined
  #isBad = false
  /** Searches the bytes from the bad frame on. */
  #search: FrameSearch | undefined

  constructor(onPayload: (payload: Uint8Array, at: number) => void) {
    this.#onPayload = onPayload
  }

  /** Whether there are bytes that are no frame of this journal, or not as they were written. */
  get isBad(): boolean {
    return this.#isBad
  }

  /** Whether all frames so far are of batches that have ended. */
  get isBatchWhole(): boolean {
    return this.#at === this.#wholeAt
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
    // A copy, because the piece is only valid within this call.
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

  /** Takes one frame and returns the bytes behind it. Returns nothing if there is no whole good frame. */
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
