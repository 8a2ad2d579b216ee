export interface RateLimit {
  /** At most so many starts … */
  readonly limit: number
  /** … in any span of this length. At most 2³¹−1. */
  readonly intervalMs: number
}

/**
 * A sliding window, exact: whatever span of `intervalMs` one looks at, no more than `limit` have started in it. Starts that
 * are exactly `intervalMs` apart are in no such span together.
 *
 * When a start is, is known within bounds only: no sooner than it was sent, no later than it was heard of. So what was let in
 * may start at any moment until it is heard of, and counts for an interval from then. (What is not heard of for a whole
 * interval was never said to begin: it counts from when it was sent.)
 *
 * It keeps the moments of one interval, so at most `limit` numbers. They are monotonic: each `now` is no earlier than the
 * one before.
 */
export class RateWindow {
  readonly #limit: number
  readonly #intervalMs: number
  /** Let in, and not sent: the store may have to have it first. */
  #entered = 0
  /** Sent, and not heard of. */
  readonly #sent: Moments
  /** Heard of. */
  readonly #begun: Moments

  /** `before`: the window of the limit before this one. What it has counted still counts. */
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

  /** The first moment at which one more may start if nothing is heard until then; `Infinity` while too many are to be sent. */
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
    // What was let in before there was a limit is counted from here.
    if (this.#entered > 0) this.#entered--
    this.#sent.add(now)
  }

  began(now: number): void {
    this.#sent.drop(now, this.#intervalMs)
    // If another was sent before it, that one stands for it: it may begin as late as this.
    if (this.#sent.shift()) this.#begun.add(now)
  }
}

/** Moments in order. */
class Moments {
  #all: number[] = []
  /** Only what is from here on is there. */
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

  /** Drops the first, and says whether there was one. */
  shift(): boolean {
    if (this.size === 0) return false
    this.#head++
    if (this.#head * 2 >= this.#all.length) {
      this.#all = this.#all.slice(this.#head)
      this.#head = 0
    }
    return true
  }

  /** Drops what is `ms` old. */
  drop(now: number, ms: number): void {
    while (this.at(0) + ms <= now) this.shift()
  }
}
