/** Not in pages that are not cross-origin isolated. There what was sent to a thread stays with it. */
export const canShare = typeof SharedArrayBuffer === 'function'

/** More than may be on one thread at a time. A power of two: numbers wrap around. */
const size = 1_024

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

  /** Memory for one thread. */
  static memory(): SharedArrayBuffer {
    return new SharedArrayBuffer(size * Int32Array.BYTES_PER_ELEMENT)
  }

  /** Tickets are numbers of 32 bits and never 0. */
  static ticketAfter(ticket: number): number {
    return (ticket + 1) | 0 || 1
  }

  /** Whether this ticket has a place: one from long ago may be in it. */
  hasPlaceFor(ticket: number): boolean {
    return Atomics.load(this.#open, placeOf(ticket)) === 0
  }

  /** Whoever claims it first has it. */
  offer(ticket: number): void {
    Atomics.store(this.#open, placeOf(ticket), ticket)
  }

  /** Whether it is ours now, and nobody else's. */
  claim(ticket: number): boolean {
    return Atomics.compareExchange(this.#open, placeOf(ticket), ticket, 0) === ticket
  }
}

const placeOf = (ticket: number): number => ticket & (size - 1)
