// Node's memory, after the garbage is gone.
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
// V8 throws away the code of what was not called between several collections of all garbage. Here one follows the other, with
// all other contestants in between; nobody's application is like that.
setFlagsFromString('--no-flush-bytecode')
/** @type {() => void} */
export const collectGarbage = runInNewContext('gc')

/** Bytes that are in use: the heap, and the array buffers beside it. */
export function usedBytes() {
  collectGarbage()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}
