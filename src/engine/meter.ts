/** 64 buckets to a factor of about 1.26 each, from a microsecond up: percentiles within a quarter, in 512 bytes. */
const bucketCount = 128
const bucketsPerDoubling = 3
/** Older values fade: at so many all counts are halved. */
const samplesMax = 65_536

export interface Percentiles {
  readonly p50: number
  readonly p95: number
  readonly p99: number
}

/** How long something takes, in milliseconds. */
export class Histogram {
  readonly #counts = new Uint32Array(bucketCount)
  #total = 0

  add(ms: number): void {
    const bucket = Math.floor(Math.log2(Math.max(ms, 0.001) * 1_000) * bucketsPerDoubling)
    const index = Math.min(bucket, bucketCount - 1)
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
    return 2 ** ((bucket + 0.5) / bucketsPerDoubling) / 1_000
  }

  #fade(): void {
    this.#total = 0
    this.#counts.forEach((count, index) => {
      this.#counts[index] = count >> 1
      this.#total += count >> 1
    })
  }
}

const windowSeconds = 10

/** How many a second, over the last ten. */
export class Rate {
  readonly #counts = new Float64Array(windowSeconds)
  readonly #seconds = new Float64Array(windowSeconds).fill(-windowSeconds)

  add(nowMs: number): void {
    const second = Math.floor(nowMs / 1_000)
    const index = second % windowSeconds
    if (this.#seconds[index] !== second) {
      this.#seconds[index] = second
      this.#counts[index] = 0
    }
    this.#counts[index] = (this.#counts[index] as number) + 1
  }

  perSecond(nowMs: number): number {
    const oldest = Math.floor(nowMs / 1_000) - windowSeconds
    const total = this.#counts.reduce(
      (sum, count, index) => ((this.#seconds[index] as number) > oldest ? sum + count : sum),
      0,
    )
    return total / windowSeconds
  }
}
