// Work that takes a known time: iterations, not a loop that looks at the clock, so that threads that share a core
// really take longer.

/** @param {number} iterations */
export function work(iterations) {
  let x = 1
  for (let i = 0; i < iterations; i++) {
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
  }
  return x
}

const sampleIterations = 1_000_000
const samples = 40

/** How many iterations this machine does in a millisecond, when nothing is in its way. */
export function iterationsPerMs() {
  let fastestMs = Number.POSITIVE_INFINITY
  for (let sample = 0; sample < samples; sample++) {
    const begin = performance.now()
    work(sampleIterations)
    fastestMs = Math.min(fastestMs, performance.now() - begin)
  }
  return Math.round(sampleIterations / fastestMs)
}
