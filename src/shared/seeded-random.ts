/**
 * Returns a source of random numbers (0 ≤ n < 1, mulberry32) that yields the same numbers for the same seed, for tests that can
 * be repeated. `seed`: any integer; its lower 32 bits count.
 */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
