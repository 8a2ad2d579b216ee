import { isObject } from '../shared/show.ts'
import { roomBehind } from './value-room.ts'

/** A value that takes more bytes than this may take long to encode. */
export const longBytes = 64 * 1024

/**
 * The long values of a journal, which are encoded piece by piece, before the change that they belong to. Until the first one comes,
 * no value is looked at: most applications have none.
 */
export class LongValues {
  /** Whether there has been one. */
  areThere = false
  readonly #sizes = new WeakMap<object, number>()

  /** To be called with the size of everything that is checked, written or read. */
  note(bytes: number): void {
    this.areThere ||= bytes > longBytes
  }

  /** Whether a value may take long to encode. */
  isLong(value: unknown): value is object {
    return this.areThere && isObject(value) && roomBehind(value, longBytes) < 0
  }

  /** To be called when a long value was encoded. */
  setSize(value: object, bytes: number): void {
    this.#sizes.set(value, bytes)
  }

  /** Returns how many bytes a long value took; `undefined` if it was not encoded yet. Saves encoding it again to measure it. */
  sizeOf(value: unknown): number | undefined {
    return this.areThere && isObject(value) ? this.#sizes.get(value) : undefined
  }
}
