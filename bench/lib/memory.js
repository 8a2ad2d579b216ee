// Node's memory, after the garbage is gone.
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
/** @type {() => void} */
export const collectGarbage = runInNewContext('gc')

/** Bytes that are in use: the heap, and the array buffers beside it. */
export function usedBytes() {
  collectGarbage()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}
