import { Histogram, type Percentiles, Rate } from '../engine/meter.ts'

/** How long something took, in milliseconds. The percentiles are of the newest times, accurate to an eighth. */
export interface Times extends Percentiles {
  /** How many times there were. */
  readonly count: number
  /** All of them together. */
  readonly sum: number
}

/** What happened to the jobs of one type, or of one queue, since the measuring began. */
export interface Measured {
  /**
   * The name of the type or the queue. At most 1,000 of each are measured apart; all others together are the last of the list,
   * whose name is the empty text.
   */
  readonly name: string
  /** Jobs that were added. */
  readonly added: number
  /** Attempts that were given to a worker. */
  readonly started: number
  /** Jobs whose handler returned. */
  readonly completed: number
  /** Jobs that failed for good. */
  readonly failed: number
  /** Jobs that were cancelled. */
  readonly cancelled: number
  /** Attempts that failed, and that others follow. */
  readonly retrying: number
  /** Jobs that their handler has put off. */
  readonly snoozed: number
  /** Attempts that ended with their thread. */
  readonly interrupted: number
  /** Over the last ten seconds. */
  readonly perSecond: { readonly added: number; readonly completed: number; readonly failed: number }
  /** From when a job was due until it was given to a worker. */
  readonly waitMs: Times
  /** From then on until its attempt completed or failed, and that was committed. */
  readonly runMs: Times
}

export const countedTypes = [
  ...(['added', 'started', 'completed', 'failed', 'cancelled'] as const),
  ...(['retrying', 'snoozed', 'interrupted'] as const),
]
export type CountedType = (typeof countedTypes)[number]

class Timer {
  readonly #histogram = new Histogram()
  #count = 0
  #sum = 0

  add(ms: number): void {
    this.#histogram.add(ms)
    this.#count++
    this.#sum += ms
  }

  get times(): Times {
    return { ...this.#histogram.percentiles(), count: this.#count, sum: this.#sum }
  }
}

/** Measures the jobs of one type, or of one queue. */
export class Meter {
  readonly #counts = Object.fromEntries(countedTypes.map((type) => [type, 0])) as Record<CountedType, number>
  readonly #rates = { added: new Rate(), completed: new Rate(), failed: new Rate() }
  readonly wait = new Timer()
  readonly run = new Timer()

  count(type: CountedType, now: number): void {
    this.#counts[type]++
    if (type === 'added' || type === 'completed' || type === 'failed') this.#rates[type].add(now)
  }

  measured(name: string, now: number): Measured {
    const { added, completed, failed } = this.#rates
    const perSecond = {
      added: added.perSecond(now),
      completed: completed.perSecond(now),
      failed: failed.perSecond(now),
    }
    return { name, ...this.#counts, perSecond, waitMs: this.wait.times, runMs: this.run.times }
  }
}

/** A meter takes about two kilobytes, and there may be a queue for each user. */
const namesMax = 1_000

export class Meters {
  readonly #meters = new Map<string, Meter>()

  of(name: string): Meter {
    const key = this.#meters.has(name) || this.#meters.size < namesMax ? name : ''
    let meter = this.#meters.get(key)
    if (!meter) {
      meter = new Meter()
      this.#meters.set(key, meter)
    }
    return meter
  }

  measured(now: number): Measured[] {
    return [...this.#meters].map(([name, meter]) => meter.measured(name, now))
  }
}
