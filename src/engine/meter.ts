/**
 * Four buckets for each doubling, from a microsecond up to half an hour: percentiles are accurate to an eighth, in 512 bytes.
 */
const bucketCount = 128
const longestUs = 2 ** 31 - 1
/** Old values fade: when this many samples are counted, all counts are halved. */
const samplesMax = 65_536

/** How long something took, in milliseconds; 0 while there are no samples. */
export interface Percentiles {
  /** Half of the samples are no longer than this. */
  readonly p50: number
  /** 95 of 100 samples are no longer than this. */
  readonly p95: number
  /** 99 of 100 samples are no longer than this. */
  readonly p99: number
}

/** The distribution of a duration, in milliseconds. */
export class Histogram {
  readonly #counts = new Uint32Array(bucketCount)
  #total = 0

  add(ms: number): void {
    const index = bucketOf(Math.min(Math.max(ms * 1_000, 1), longestUs) | 0)
    this.#counts[index] = (this.#counts[index] as number) + 1
    if (++this.#total === samplesMax) this.#fade()
  }

  percentiles(): Percentiles {
    return { p50: this.#percentile(0.5), p95: this.#percentile(0.95), p99: this.#percentile(0.99) }
  }

  #percentile(share: number): number {
    if (this.#total === 0) return 0
    let rest = this.#total * share
    const bucket = this.#counts.findIndex((count) => {
      rest -= count
      return rest <= 0
    })
    return middleUs(bucket) / 1_000
  }

  #fade(): void {
    this.#total = 0
    this.#counts.forEach((count, index) => {
      this.#counts[index] = count >> 1
      this.#total += count >> 1
    })
  }
}

/** The position of the highest bit, followed by the next two bits. Not `Math.log2`, because this runs twice per job. */
const bucketOf = (us: number): number => {
  const doublings = 31 - Math.clz32(us)
  return doublings * 4 + (doublings < 2 ? (us << (2 - doublings)) & 3 : (us >> (doublings - 2)) & 3)
}

const middleUs = (bucket: number): number => 2 ** (bucket >> 2) * (1 + ((bucket & 3) + 0.5) / 4)

const windowSeconds = 10

/** Events per second, over the last ten seconds. */
export class Rate {
  readonly #counts = new Float64Array(windowSeconds)
  readonly #seconds = new Float64Array(windowSeconds).fill(-windowSeconds)
  /** The count since the meter was made. */
  total = 0

  add(nowMs: number): void {
    this.total++
    const second = Math.floor(nowMs / 1_000)
    const index = second % windowSeconds
    if (this.#seconds[index] !== second) {
      this.#seconds[index] = second
      this.#counts[index] = 0
    }
    this.#counts[index] = (this.#counts[index] as number) + 1
  }

  perSecond(nowMs: number): number {
    const newest = Math.floor(nowMs / 1_000)
    // Seconds in the future were counted before the clock was set back.
    const isRecent = (second: number) => second > newest - windowSeconds && second <= newest
    const total = this.#counts.reduce(
      (sum, count, index) => (isRecent(this.#seconds[index] as number) ? sum + count : sum),
      0,
    )
    return total / windowSeconds
  }
}
