// What all threads run, whatever library brings the job to them.
import { work } from '../lib/work.js'

export { work }

/** @template T @param {T} input */
export const noop = (input) => input

/**
 * Sees that the bytes have arrived.
 * @param {ArrayBuffer} buffer
 */
export function take(buffer) {
  const bytes = new Uint8Array(buffer)
  return bytes.length + bytes[0] + bytes[bytes.length - 1]
}

/**
 * Answers when it was started, on the clock that all threads of a process share.
 * @param {number} iterations
 */
export function stamp(iterations) {
  const startedAt = Number(process.hrtime.bigint()) / 1e6
  work(iterations)
  return startedAt
}
