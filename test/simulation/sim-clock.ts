import type { Clock } from '../../src/shared/clock.ts'

interface Timer {
  readonly at: number
  readonly callback: () => void
}

export interface Extremes {
  readonly lowest: number
  readonly highest: number
  readonly elapsedAtReset: number
}

/** Stands still until it is told to go on; wall time can be set apart from monotonic time. */
export class SimClock implements Clock {
  #monotonic = 0
  #wallOffset: number
  timers: Timer[] = []
  /** So much passes at each look at the clock: a machine that is slow, or busy. */
  dragMs = 0
  /** The extremes of wall time since they were last reset. */
  lowest = 0
  highest = 0
  /** Monotonic time when they were. */
  elapsedAtReset = 0

  constructor(startMs: number) {
    this.#wallOffset = startMs
    this.resetExtremes()
  }

  /** Monotonic time; to look at it takes none. */
  get elapsed(): number {
    return this.#monotonic
  }

  now(): number {
    return this.#wallOffset + this.#monotonic
  }

  monotonic(): number {
    if (this.dragMs > 0) this.#pass(this.dragMs)
    return this.#monotonic
  }

  #pass(ms: number): void {
    this.#monotonic += ms
    this.#note()
  }

  #note(): void {
    const now = this.now()
    if (now > this.highest) this.highest = now
    if (now < this.lowest) this.lowest = now
  }

  /** Returns those that were. */
  resetExtremes(): Extremes {
    const { lowest, highest, elapsedAtReset } = this
    this.lowest = this.highest = this.now()
    this.elapsedAtReset = this.#monotonic
    return { lowest, highest, elapsedAtReset }
  }

  /** As if they had not been reset. */
  takeBackReset({ lowest, highest, elapsedAtReset }: Extremes): void {
    this.lowest = Math.min(this.lowest, lowest)
    this.highest = Math.max(this.highest, highest)
    this.elapsedAtReset = elapsedAtReset
  }

  startTimer(callback: () => void, delayMs: number): () => void {
    if (!(delayMs <= 2 ** 31 - 1)) throw new Error(`a timer of ${delayMs} ms fires at once`)
    const timer = { at: this.#monotonic + delayMs, callback }
    this.timers.push(timer)
    return () => {
      const index = this.timers.indexOf(timer)
      if (index !== -1) this.timers.splice(index, 1)
    }
  }

  get earliest(): number | undefined {
    let earliest: number | undefined
    for (const { at } of this.timers) if (earliest === undefined || at < earliest) earliest = at
    return earliest
  }

  /** Lets time pass up to the next timer, no further than `ms`, and rings one if it is due. */
  advance(ms: number): void {
    const until = this.#monotonic + ms
    let next: Timer | undefined
    for (const timer of this.timers) if (timer.at <= until && (!next || timer.at < next.at)) next = timer
    if (!next) return this.#pass(ms)
    this.timers.splice(this.timers.indexOf(next), 1)
    this.#pass(Math.max(0, next.at - this.#monotonic))
    next.callback()
  }

  /** Somebody sets the clock. */
  jump(ms: number): void {
    this.#wallOffset += ms
    this.#note()
  }

  /** The process is gone, and its timers with it. */
  clear(): void {
    this.timers = []
  }
}
