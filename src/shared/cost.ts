/** Below this a job is tiny: worth sending many at a time. */
export const tinyMs = 0.5

const samplesMin = 8
/** Runs this long are no matter of clock resolution (browsers round to 1 ms), and are remembered longer than others. */
const outlierMs = 4

/**
 * How long the jobs of one type take, with pessimism: one long run among many short ones keeps the estimate high for
 * hundreds of runs, because what waits behind it on the same thread would wait that long.
 */
export class Cost {
  #samples = 0
  #meanMs = 0
  #outlierMs = 0

  add(runMs: number): void {
    this.#samples++
    // The first few samples weigh the same; then the mean follows slowly.
    this.#meanMs += (runMs - this.#meanMs) / Math.min(this.#samples, 32)
    this.#outlierMs = runMs >= outlierMs ? Math.max(runMs, this.#outlierMs) : this.#outlierMs * 0.995
  }

  /** Milliseconds; infinite while too little is known. */
  get meanMs(): number {
    return this.#samples < samplesMin ? Number.POSITIVE_INFINITY : this.#meanMs
  }

  /** The same, with pessimism. */
  get estimateMs(): number {
    return Math.max(this.meanMs, this.#outlierMs > tinyMs ? this.#outlierMs : 0)
  }

  get isTiny(): boolean {
    return this.estimateMs < tinyMs
  }
}

/** The costs of all job types, by name. */
export class Costs {
  readonly #byName = new Map<string, Cost>()
  #lastName: string | undefined
  /** Of the type that was asked for last: mostly it is the next, too. */
  #last = new Cost()

  of(name: string): Cost {
    if (name === this.#lastName) return this.#last
    this.#last = this.#byName.get(name) ?? this.#add(name)
    this.#lastName = name
    return this.#last
  }

  #add(name: string): Cost {
    const cost = new Cost()
    this.#byName.set(name, cost)
    return cost
  }
}
