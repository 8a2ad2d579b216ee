/**
 * When jobs of a queue started. The moment of a start is only known within bounds: it is no sooner than the moment of sending,
 * and no later than the moment at which the thread's report arrives. So a job that was let in may start at any moment until its
 * report arrives; until then it is *open*. (If no report arrives for a whole interval, the job was one whose begin is not
 * reported. It counts from the moment of sending.)
 *
 * All moments are monotonic: each `now` is no earlier than the one before.
 */
export class Starts {
  /** How many were let in and not yet sent. The store may have to commit them first. */
  #entered = 0
  /** When jobs were sent of which no report has arrived. */
  readonly #sent = new Moments()
  /** When reports arrived. */
  readonly #begun = new Moments()

  /** How many jobs may start at any moment. */
  get open(): number {
    return this.#entered + this.#sent.size
  }

  /** How many starts are kept, with those that are still to come. */
  get size(): number {
    return this.open + this.#begun.size
  }

  /** The latest moment at which a job was sent or its begin reported. `Infinity` while one is let in and not yet sent. */
  get last(): number {
    return this.#entered > 0 ? Number.POSITIVE_INFINITY : Math.max(this.#sent.last, this.#begun.last)
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
    // The oldest moment is removed, even if it is another job's. That job may begin as late as this one, so the later moment
    // that stays may stand for it.
    if (this.#sent.shift()) this.#begun.add(now)
  }

  /** Forgets what is `ms` old or older. */
  drop(now: number, ms: number): void {
    this.#sent.drop(now, ms)
    this.#begun.drop(now, ms)
  }

  /**
   * Returns the first moment at which fewer than `count` jobs are open if no report arrives until then: what is sent is open for
   * `ms`. There is none while so many are let in and not yet sent.
   */
  closesAt(count: number, ms: number): number {
    return this.open < count ? -Number.POSITIVE_INFINITY : this.#sent.at(this.open - count) + ms
  }

  /**
   * Returns the first moment at which one more start is at most the `limit`th in any span of `intervalMs`, if no report arrives
   * until then. It is `Infinity` while too many jobs are let in and not yet sent.
   */
  nextAt(now: number, limit: number, intervalMs: number): number {
    let at = now
    // More than one only after the limit was lowered, or if older starts are kept as well.
    for (let [left, sent, begun] = [this.size + 1 - limit, 0, 0]; left > 0; left--) {
      const next = Math.min(this.#sent.at(sent), this.#begun.at(begun))
      if (next === this.#sent.at(sent)) sent++
      else begun++
      at = Math.max(now, next + intervalMs)
    }
    return at
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

  get last(): number {
    return this.size > 0 ? (this.#all.at(-1) as number) : -Number.POSITIVE_INFINITY
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
