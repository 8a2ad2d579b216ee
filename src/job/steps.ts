type Step = readonly [key: string, value: unknown]
type StepMap = ReadonlyMap<string, unknown>

/** Only ever added to. */
interface Log {
  readonly steps: Step[]
  readonly places: Map<string, number>
  /** It begins with all of this one, which nobody changes any more. */
  readonly origin: StepMap | undefined
}

/**
 * The values that a job's steps have left, by key. It never changes: adding one makes another, but what both have is there
 * once, in a log of which each is the first so many. A copy for each step would make a job of thousands of them slow.
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
    // Another has gone on from here, or a value is to be another one.
    if (steps.length > this.size || places.has(key)) return logOf(new Map(this).set(key, value))
    places.set(key, steps.length)
    steps.push([key, value])
    return new Steps(this.#log)
  }

  /** What was added to `before` to make this one; nothing when it was made in another way. */
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

/** What was added to `before` to make `after`, when that is known. */
export const stepsSince = (after: StepMap, before: StepMap): readonly Step[] | undefined =>
  after instanceof Steps ? after.since(before) : undefined
