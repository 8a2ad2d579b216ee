/** Not in pages that are not cross-origin isolated. There what was sent to a thread stays with it. */
export const canShare = typeof SharedArrayBuffer === 'function'

/**
 * Who has an attempt that was sent ahead: a table in memory that a thread and its scheduler share. The thread claims each
 * attempt before it begins it; what it has not claimed the scheduler can claim back, and then the thread passes over it.
 */
export class Claims {
  /** A ticket that nobody has claimed, at its place; 0 where there is none. */
  readonly #open: Int32Array

  constructor(buffer: ArrayBufferLike) {
    this.#open = new Int32Array(buffer)
  }

  /** Memory for one thread, on which there are never two tickets with the same place of so many, a power of two. */
  static memory(places: number): SharedArrayBuffer {
    return new SharedArrayBuffer(places * Int32Array.BYTES_PER_ELEMENT)
  }

  /** Whoever claims it first has it. A ticket is a number of 32 bits, and not 0. */
  offer(ticket: number): void {
    Atomics.store(this.#open, this.#placeOf(ticket), ticket)
  }

  /** Whether nobody has claimed it. The next moment somebody may. */
  isOpen(ticket: number): boolean {
    return Atomics.load(this.#open, this.#placeOf(ticket)) === ticket
  }

  /** Whether it is ours now, and nobody else's. */
  claim(ticket: number): boolean {
    return Atomics.compareExchange(this.#open, this.#placeOf(ticket), ticket, 0) === ticket
  }

  #placeOf(ticket: number): number {
    return ticket & (this.#open.length - 1)
  }
}
