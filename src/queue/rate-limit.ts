/** How many jobs of a queue may start in a span of time. */
export interface RateLimit {
  /** At most this many starts … */
  readonly limit: number
  /** … in any span of this length, in milliseconds. At most 2³¹−1. */
  readonly intervalMs: number
}

/**
 * An exact sliding window: in any span of `intervalMs` no more than `limit` jobs start. Two starts that are exactly
 * `intervalMs` apart are never in one such span.
 *
 * The moment of a start is only known within bounds: it is no sooner than the moment of sending, and no later than the moment
 * at which the thread's report arrives. So a job that was let in may start at any moment until its report arrives, and counts
 * for one interval from then. (If no report arrives for a whole interval, the job was one whose begin is not reported. It
 * counts from the moment of sending.)
 *
 * The window keeps the moments of one interval, so at most `limit` numbers. They are monotonic: each `now` is no earlier than
 * the one before.
 */
export class RateWindow {
  readonly #limit: number
  readonly #intervalMs: number
  /** How many were let in and not yet sent. The store may have to commit them first. */
  #entered = 0
  /** When jobs were sent of which no report has arrived. */
  readonly #sent: Moments
  /** When reports arrived. */
  readonly #begun: Moments

  /** `before`: the window of the limit before this one. The jobs that it has counted still count. */
  constructor({ limit, intervalMs }: RateLimit, before?: RateWindow) {
    this.#limit = limit
    this.#intervalMs = intervalMs
    this.#entered = before ? before.#entered : 0
    this.#sent = before ? before.#sent : new Moments()
    this.#begun = before ? before.#begun : new Moments()
  }

  mayStart(now: number): boolean {
    return this.nextStartAt(now) <= now
  }

  /**
   * Returns the first moment at which one more job may start if no report arrives until then. It is `Infinity` while too many
   * jobs are let in and not yet sent.
   */
  nextStartAt(now: number): number {
    this.#sent.drop(now, this.#intervalMs)
    this.#begun.drop(now, this.#intervalMs)
    let at = now
    // More than one only after the limit was lowered.
    const surplus = this.#entered + this.#sent.size + this.#begun.size + 1 - this.#limit
    for (let [left, sent, begun] = [surplus, 0, 0]; left > 0; left--) {
      const next = Math.min(this.#sent.at(sent), this.#begun.at(begun))
      if (next === this.#sent.at(sent)) sent++
      else begun++
      at = next + this.#intervalMs
    }
    return at
  }

  entered(): void {
    this.#entered++
  }

  sent(now: number): void {
    // A job that was let in before there was a limit counts from here on.
    if (this.#entered > 0) this.#entered--
    this.#sent.add(now)
  }

  began(now: number): void {
    this.#sent.drop(now, this.#intervalMs)
    // The oldest moment is removed, even if it is another job's. That job may begin as late as this one, so the later moment
    // that stays may stand for it.
    if (this.#sent.shift()) this.#begun.add(now)
  }
}

/** Moments, in order. */
class Moments {
  #all: number[] = []
  /** The index of the first moment. The ones before it are removed. */
  #head = 0

  get size(): number {
    return this.#all.length - this.#head
  }

  at(index: number): number {
    return this.#all[this.#head + index] ?? Number.POSITIVE_INFINITY
  }

  add(moment: number): void {
    this.#all.push(moment)
  }

  /** Removes the first moment. Returns whether there was one. */
  shift(): boolean {
    if (this.size === 0) return false
    this.#head++
    if (this.#head * 2 >= this.#all.length) {
      this.#all = this.#all.slice(this.#head)
      this.#head = 0
    }
    return true
  }

  /** Removes the moments that are `ms` old or older. */
  drop(now: number, ms: number): void {
    while (this.at(0) + ms <= now) this.shift()
  }
}
