import { onWake } from '../platform/wake.ts'
import type { Clock } from '../shared/clock.ts'
import { type HeapItem, IndexedHeap } from '../shared/indexed-heap.ts'

/** How late the queue may notice that a laptop woke up or a clock was set. */
const wallSleepMsMax = 30_000
/** A clock that is corrected bit by bit, or that rounds, is off by no more than this. */
const jumpMs = 100
/** The platform's timers fire at once if their delay is longer. */
const sleepMsMax = 2 ** 31 - 1

/** A callback that is to be called at one time. */
export class Timer implements HeapItem {
  heapIndex = -1
  readonly heap: IndexedHeap<Timer>
  readonly at: number
  readonly callback: () => void
  readonly keepsProcessAlive: boolean
  /** Whether it was cancelled. A cancelled timer may be among those that are just being called. */
  isOff = false
  /** The same callback by the other clock. Whichever fires first cancels the other. */
  twin: Timer | undefined

  constructor(heap: IndexedHeap<Timer>, at: number, callback: () => void, keepsProcessAlive: boolean) {
    this.heap = heap
    this.at = at
    this.callback = callback
    this.keepsProcessAlive = keepsProcessAlive
  }
}

/**
 * All callbacks that wait for a time, behind one timer of the platform: the one for the earliest of them.
 *
 * `at` counts in wall time, for moments that are stored. `after` counts in monotonic time, for spans within this process.
 * `within` is for spans whose end is stored.
 *
 * Timers of hidden pages are up to a minute late, those of frozen pages and sleeping machines later still. So the queue looks
 * again whenever there is a sign of life: when the page wakes up, and when threads send something (`look`).
 */
export class TimerQueue {
  readonly clock: Clock
  readonly #wall = new IndexedHeap<Timer>()
  readonly #monotonic = new IndexedHeap<Timer>()
  #sequence = 0
  /** How many timers keep the process alive. While there are any, the platform's timer does too. */
  #holding = 0
  #stopTimer: (() => void) | undefined
  /** In monotonic time. The platform's timer may be early (the timer that it was for was cancelled), never late. */
  #timerAt = Number.POSITIVE_INFINITY
  /** How far the wall clock was ahead when the platform's timer was set. */
  #wallLeadAtLook = -Number.POSITIVE_INFINITY
  #isTimerHolding = false
  #isClosed = false
  #isRinging = false
  readonly #stopWaking: () => void

  constructor(clock: Clock) {
    this.clock = clock
    this.#stopWaking = onWake(() => this.#ring())
  }

  /** The time in which `after` counts. */
  monotonic(): number {
    return this.clock.monotonic()
  }

  /** Calls back at a wall time. If that has passed, calls back at once, but not within this call. */
  at(wallMs: number, callback: () => void, keepsProcessAlive = false): Timer {
    return this.#add(new Timer(this.#wall, wallMs, callback, keepsProcessAlive))
  }

  after(delayMs: number, callback: () => void, keepsProcessAlive = false): Timer {
    return this.#add(new Timer(this.#monotonic, this.clock.monotonic() + delayMs, callback, keepsProcessAlive))
  }

  /**
   * Calls back after a span of this process whose end is stored as a moment. If the wall clock is set back, the span does not
   * grow longer. If the wall clock is ahead of the moment, the span ends: the machine may have slept, and while it sleeps no
   * monotonic time passes.
   */
  within(delayMs: number, wallMs: number, callback: () => void, keepsProcessAlive = false): Timer {
    const timer = this.after(delayMs, callback, keepsProcessAlive)
    timer.twin = this.at(wallMs, callback)
    timer.twin.twin = timer
    return timer
  }

  /** Sets a timer again that was cancelled or has fired. */
  set(timer: Timer): void {
    for (const each of bothOf(timer)) {
      each.isOff = false
      if (each.heapIndex === -1) this.#add(each)
    }
  }

  /** Whether it should have fired by now. */
  isDue(timer: Timer): boolean {
    return bothOf(timer).some(({ heap, at }) => at <= (heap === this.#wall ? this.clock.now() : this.clock.monotonic()))
  }

  cancel(timer: Timer | undefined): void {
    if (!timer) return
    this.#callOff(timer)
    if (timer.twin) this.#callOff(timer.twin)
    if (this.#holding === 0 && this.#isTimerHolding) this.#arm()
  }

  /** Fires the timers that should have fired by now, or that would have if the wall clock had been right. */
  look(): void {
    if (this.#isRinging) return
    const now = this.clock.monotonic()
    if (now >= this.#timerAt || this.#wallLeadMs(now) > this.#wallLeadAtLook + jumpMs) this.#ring()
  }

  /**
   * How far the wall clock is ahead of the monotonic one. The figure changes when a user sets the clock or the machine slept.
   */
  #wallLeadMs(monotonic: number): number {
    return this.#wall.peek() ? this.clock.now() - monotonic : -Number.POSITIVE_INFINITY
  }

  /** Drops all timers; none of them fires any more. */
  close(): void {
    this.#isClosed = true
    this.#stopWaking()
    this.#stopTimer?.()
    this.#stopTimer = undefined
    while (this.#wall.pop() || this.#monotonic.pop());
  }

  #add(timer: Timer): Timer {
    timer.heap.add(timer, timer.at, this.#sequence++, 0)
    if (timer.keepsProcessAlive) this.#holding++
    const isHeld = this.#isTimerHolding || !timer.keepsProcessAlive
    if (!isHeld || this.clock.monotonic() + this.#sleepMs() < this.#timerAt) this.#arm()
    return timer
  }

  #callOff(timer: Timer): void {
    timer.isOff = true
    if (timer.heapIndex === -1) return
    timer.heap.remove(timer)
    this.#dropped(timer)
  }

  #dropped(timer: Timer): void {
    if (timer.keepsProcessAlive) this.#holding--
  }

  #sleepMs(): number {
    const wall = this.#wall.peek()
    const monotonic = this.#monotonic.peek()
    const wallMs = wall ? Math.min(wall.at - this.clock.now(), wallSleepMsMax) : Number.POSITIVE_INFINITY
    const monotonicMs = monotonic
      ? Math.min(monotonic.at - this.clock.monotonic(), sleepMsMax)
      : Number.POSITIVE_INFINITY
    return Math.max(0, Math.min(wallMs, monotonicMs))
  }

  #arm(): void {
    this.#stopTimer?.()
    this.#stopTimer = undefined
    const sleepMs = this.#sleepMs()
    const now = this.clock.monotonic()
    this.#timerAt = now + sleepMs
    this.#wallLeadAtLook = this.#wallLeadMs(now)
    this.#isTimerHolding = this.#holding > 0
    if (sleepMs === Number.POSITIVE_INFINITY || this.#isClosed) return
    // Rounded up: a timer that fires a fraction of a millisecond early would find nothing due and start again.
    this.#stopTimer = this.clock.startTimer(() => this.#ring(), Math.ceil(sleepMs), this.#isTimerHolding)
  }

  #ring(): void {
    this.#stopTimer?.()
    this.#stopTimer = undefined
    this.#timerAt = Number.POSITIVE_INFINITY
    // Collected first: timers that callbacks set wait for the next round, so they cannot keep this loop going.
    const due = [
      ...this.#takeUntil(this.#wall, this.clock.now()),
      ...this.#takeUntil(this.#monotonic, this.clock.monotonic()),
    ]
    this.#isRinging = true
    for (const timer of due) if (!timer.isOff) timer.callback()
    this.#isRinging = false
    this.#arm()
  }

  #takeUntil(heap: IndexedHeap<Timer>, now: number): Timer[] {
    const due: Timer[] = []
    for (let timer = heap.peek(); timer && timer.at <= now; timer = heap.peek()) {
      heap.remove(timer)
      this.#dropped(timer)
      if (timer.twin) this.#callOff(timer.twin)
      due.push(timer)
    }
    return due
  }
}

const bothOf = (timer: Timer): readonly Timer[] => (timer.twin ? [timer, timer.twin] : [timer])
