import { isObject } from '../shared/show.ts'
import { roomBehind } from './value-room.ts'

/** What takes more bytes may take long to encode. */
export const longBytes = 64 * 1024

/**
 * The large values of a journal, which are encoded piece by piece, before the change that they belong to. Until there has been
 * one, nothing is looked for: most applications have none.
 */
export class LongValues {
  areThere = false
  readonly #sizes = new WeakMap<object, number>()

  /** To be called when something was checked, written or read that takes so many bytes. */
  note(bytes: number): void {
    this.areThere ||= bytes > longBytes
  }

  /** Whether a value may take long to encode. */
  has(value: unknown): value is object {
    return this.areThere && isObject(value) && roomBehind(value, longBytes) < 0
  }

  /** To be called when such a value was encoded. */
  measured(value: object, bytes: number): void {
    this.#sizes.set(value, bytes)
  }

  /** Returns how much it took, so that it is not encoded to measure it. */
  sizeOf(value: unknown): number | undefined {
    return this.areThere && isObject(value) ? this.#sizes.get(value) : undefined
  }
}
