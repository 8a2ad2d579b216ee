/**
 * Whether memory can be shared with threads. It cannot in pages that are not cross-origin isolated; there an attempt that was
 * sent to a thread stays with it.
 */
export const canShare = typeof SharedArrayBuffer === 'function'

/**
 * Decides whether the thread or the scheduler has an attempt that was sent ahead. It is a table in memory that both share. The
 * thread claims each attempt before it begins it. If the scheduler claims it first, it has taken the attempt back, and the
 * thread skips it.
 */
export class Claims {
  /** At each place, a wireId that neither side has claimed, or 0. */
  readonly #open: Int32Array

  constructor(buffer: ArrayBufferLike) {
    this.#open = new Int32Array(buffer)
  }

  /**
   * Memory for one thread. `places` is a power of two. No two wire ids that are open at the same time may be equal modulo
   * `places`.
   */
  static memory(places: number): SharedArrayBuffer {
    return new SharedArrayBuffer(places * Int32Array.BYTES_PER_ELEMENT)
  }

  /** Lets both sides claim a wireId; the first gets it. A wire id is a number of 32 bits, and not 0. */
  offer(wireId: number): void {
    Atomics.store(this.#open, this.#placeOf(wireId), wireId)
  }

  /** Whether neither side has claimed the wireId. That may change at any moment. */
  isOpen(wireId: number): boolean {
    return Atomics.load(this.#open, this.#placeOf(wireId)) === wireId
  }

  /** Returns whether this side has got the wireId. */
  claim(wireId: number): boolean {
    return Atomics.compareExchange(this.#open, this.#placeOf(wireId), wireId, 0) === wireId
  }

  #placeOf(wireId: number): number {
    return wireId & (this.#open.length - 1)
  }
}
