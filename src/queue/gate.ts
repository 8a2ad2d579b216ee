import { callable, checkAnswer, checkArgument } from '../shared/check.ts'
import type { Timer, TimerQueue } from '../timers/timer-queue.ts'

/**
 * What has to hold before a job of a queue starts: that the device is online, say. `offstage/conditions` has some; any object
 * with these methods is one.
 *
 * @example
 * ```ts
 * const isOpen: Condition = {
 *   name: 'office hours',
 *   isMet: () => new Date().getHours() >= 9,
 *   subscribe(onChange) {
 *     const timer = setInterval(onChange, 60_000)
 *     return () => clearInterval(timer)
 *   },
 * }
 * ```
 */
export interface Condition {
  /** The name by which `whyWaiting` refers to it. Default: none. */
  readonly name?: string | undefined
  /** Returns at once whether jobs may start now. */
  isMet(): boolean
  /** Calls `onChange` whenever `isMet` may return something else. Returns a function that ends that. */
  subscribe(onChange: () => void): () => void
}

/** For a condition that changes and does not say so. */
const askAgainMs = 30_000

/**
 * The conditions of one queue. They are asked before jobs start, once for each batch of starts, and subscribed to while jobs
 * wait. So they cost an idle queue nothing, and what a subscription needs keeps no idle process alive.
 *
 * A condition is code of the application: if it throws, it counts as not met, and its first error is reported.
 */
export class Gate {
  readonly #conditions: readonly Condition[]
  readonly #timers: TimerQueue
  readonly #onChange: () => void
  readonly #report: (error: unknown) => void
  readonly #reported = new Set<Condition>()
  /** What ends the subscriptions; `undefined` while there are none. */
  #stops: (() => void)[] | undefined
  #timer: Timer | undefined
  /** It calls code of the application, which may come back here. */
  #isAsking = false
  /** The conditions that were not met when they were last asked. */
  unmet: readonly Condition[] = []

  /** `onChange`: called when it may be open although it was not, or the other way round. */
  constructor(
    conditions: readonly Condition[],
    timers: TimerQueue,
    onChange: () => void,
    report: (error: unknown) => void,
  ) {
    this.#conditions = conditions
    this.#timers = timers
    this.#onChange = onChange
    this.#report = report
  }

  /** Asks the conditions, because jobs wait. Returns whether all of them are met. */
  ask(): boolean {
    if (!this.#isAsking) {
      this.#isAsking = true
      this.#subscribe()
      this.unmet = this.#conditions.filter((condition) => !this.#isMet(condition))
      this.#isAsking = false
    }
    const isOpen = this.unmet.length === 0
    if (isOpen) this.#stopTimer()
    else this.#timer ??= this.#timers.after(askAgainMs, () => this.#askAgain())
    return isOpen
  }

  /** No job waits any more. */
  rest(): void {
    this.#stopTimer()
    const stops = this.#stops ?? []
    this.#stops = undefined
    for (const stop of stops) stop()
  }

  #subscribe(): void {
    if (this.#stops) return
    const stops: (() => void)[] = []
    this.#stops = stops
    const onChange = () => this.#stops === stops && !this.#isAsking && this.#onChange()
    for (const condition of this.#conditions)
      this.#call(condition, () => {
        const stop = condition.subscribe(onChange)
        checkArgument('subscribe()', callable, stop)
        stops.push(() => this.#call(condition, stop))
      })
  }

  #isMet(condition: Condition): boolean {
    return this.#call(condition, () => {
      const isMet = condition.isMet()
      checkAnswer('isMet', isMet)
      return isMet
    }) as boolean
  }

  #call<Result>(condition: Condition, call: () => Result): Result | undefined {
    try {
      return call()
    } catch (error) {
      if (!this.#reported.has(condition)) this.#report(error)
      this.#reported.add(condition)
      return undefined
    }
  }

  #askAgain(): void {
    this.#timer = undefined
    this.#onChange()
  }

  #stopTimer(): void {
    this.#timers.cancel(this.#timer)
    this.#timer = undefined
  }
}
