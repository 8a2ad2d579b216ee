/** Jobs that take less than this are tiny: it pays to send many in one message. */
export const tinyMs = 0.5

const samplesMin = 8
/** A run this long is not an effect of the clock's resolution (browsers round to 1 ms). It is remembered longer than others. */
const outlierMs = 4

/**
 * Estimates how long the jobs of one type take, with pessimism. One long run among many short ones keeps the estimate high for
 * hundreds of runs, because jobs that wait behind a long run on the same thread would wait that long.
 */
export class Cost {
  #samples = 0
  #meanMs = 0
  #outlierMs = 0

  add(runMs: number): void {
    this.#samples++
    // The first 32 samples weigh the same. From then on the mean follows slowly.
    this.#meanMs += (runMs - this.#meanMs) / Math.min(this.#samples, 32)
    this.#outlierMs = runMs >= outlierMs ? Math.max(runMs, this.#outlierMs) : this.#outlierMs * 0.995
  }

  /** The mean in milliseconds. It is infinite while there are too few samples. */
  get meanMs(): number {
    return this.#samples < samplesMin ? Number.POSITIVE_INFINITY : this.#meanMs
  }

  /** The pessimistic estimate in milliseconds: the mean, or a long run that is still remembered. */
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
  /** The cost of the type that was asked for last. Mostly the next call asks for the same type. */
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
