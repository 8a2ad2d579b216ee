type Step = readonly [key: string, value: unknown]
type StepMap = ReadonlyMap<string, unknown>

/** A list of steps that only grows. */
interface Log {
  readonly steps: Step[]
  readonly places: Map<string, number>
  /** The log begins with all steps of this map, which does not change any more. */
  readonly origin: StepMap | undefined
}

/**
 * The values that the steps of a job have recorded, by key. It never changes. Adding a value makes a new map, but both share
 * one log, of which each map is a prefix. A copy for each step would be slow for a job with thousands of steps.
 */
class Steps implements StepMap {
  readonly size: number
  readonly #log: Log

  constructor(log: Log) {
    this.#log = log
    this.size = log.steps.length
  }

  get(key: string): unknown {
    return this.has(key) ? this.#log.steps[this.#log.places.get(key) as number]?.[1] : undefined
  }

  has(key: string): boolean {
    return (this.#log.places.get(key) ?? this.size) < this.size
  }

  with(key: string, value: unknown): Steps {
    const { steps, places } = this.#log
    // The log has already grown beyond this map, or the key gets a new value.
    if (steps.length > this.size || places.has(key)) return logOf(new Map(this).set(key, value))
    places.set(key, steps.length)
    steps.push([key, value])
    return new Steps(this.#log)
  }

  /** Returns what was added to `before` to make this map; `undefined` if it was made in another way. */
  since(before: StepMap): readonly Step[] | undefined {
    const isBefore = before instanceof Steps ? before.#log === this.#log : before === this.#log.origin
    return isBefore && before.size <= this.size ? this.#log.steps.slice(before.size, this.size) : undefined
  }

  get [Symbol.toStringTag]() {
    return 'Map'
  }

  entries() {
    return this.#all().entries()
  }

  keys() {
    return this.#all().keys()
  }

  values() {
    return this.#all().values()
  }

  [Symbol.iterator]() {
    return this.entries()
  }

  forEach(callback: (value: unknown, key: string, steps: StepMap) => void): void {
    for (const [key, value] of this) callback(value, key, this)
  }

  #all(): Map<string, unknown> {
    return new Map(this.#log.steps.slice(0, this.size))
  }
}

function logOf(all: StepMap, origin?: StepMap): Steps {
  const steps = [...all]
  return new Steps({ steps, places: new Map(steps.map(([key], place) => [key, place])), origin })
}

export const withStep = (steps: StepMap | undefined, key: string, value: unknown): StepMap =>
  (steps instanceof Steps ? steps : logOf(steps ?? new Map(), steps)).with(key, value)

/** Returns what was added to `before` to make `after`; `undefined` if that is not known. */
export const stepsSince = (after: StepMap, before: StepMap): readonly Step[] | undefined =>
  after instanceof Steps ? after.since(before) : undefined
