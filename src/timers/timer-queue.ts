import { onWake } from '../platform/wake.ts'
import type { Clock } from '../shared/clock.ts'
import { type HeapItem, IndexedHeap } from '../shared/indexed-heap.ts'

/** A laptop that wakes up, or a clock that is set, is noticed within this time. */
const wallSleepMsMax = 30_000
/** Clocks that are corrected bit by bit, and those that round, are no more than this apart. */
const jumpMs = 100
/** Longer timers fire at once. */
const sleepMsMax = 2 ** 31 - 1

/** One thing to do at one time. */
export class Timer implements HeapItem {
  heapIndex = -1
  readonly heap: IndexedHeap<Timer>
  readonly at: number
  readonly callback: () => void
  readonly keepsProcessAlive: boolean
  /** Called off: it may be among those that are just being rung. */
  isOff = false
  /** The same thing by the other clock: the first that rings calls the other off. */
  twin: Timer | undefined

  constructor(heap: IndexedHeap<Timer>, at: number, callback: () => void, keepsProcessAlive: boolean) {
    this.heap = heap
    this.at = at
    this.callback = callback
    this.keepsProcessAlive = keepsProcessAlive
  }
}

/**
 * Everything that waits for a time, behind one timer: the one for the earliest moment.
 *
 * `at` counts in wall time, for moments that are stored; `after` counts in monotonic time, for spans of this process; `within`
 * is for spans whose end is stored.
 *
 * Timers of hidden pages are up to a minute late, those of frozen pages and sleeping machines later still. So it looks
 * again whenever there is a sign of life: when the page wakes up, and when threads have something to say (`look`).
 */
export class TimerQueue {
  readonly clock: Clock
  readonly #wall = new IndexedHeap<Timer>()
  readonly #monotonic = new IndexedHeap<Timer>()
  #sequence = 0
  /** Alarms that hold the process: the timer does so while there are any. */
  #holding = 0
  #stopTimer: (() => void) | undefined
  /** In monotonic time; the timer may be early (its timer was called off), never late. */
  #timerAt = Number.POSITIVE_INFINITY
  /** As the timer was set. */
  #wallLeadAtLook = Number.NEGATIVE_INFINITY
  #isTimerHolding = false
  #isClosed = false
  #isRinging = false
  readonly #stopWaking: () => void

  constructor(clock: Clock) {
    this.clock = clock
    this.#stopWaking = onWake(() => this.#ring())
  }

  /** The time that `after` counts in. */
  monotonic(): number {
    return this.clock.monotonic()
  }

  /** Calls back at a wall time, at once (but not within this call) when it has passed. */
  at(wallMs: number, callback: () => void, keepsProcessAlive = false): Timer {
    return this.#add(new Timer(this.#wall, wallMs, callback, keepsProcessAlive))
  }

  after(delayMs: number, callback: () => void, keepsProcessAlive = false): Timer {
    return this.#add(new Timer(this.#monotonic, this.clock.monotonic() + delayMs, callback, keepsProcessAlive))
  }

  /**
   * A span of this process whose end is stored as a moment: a wall clock that is set back makes it no longer. One that is
   * ahead of that moment ends it: the machine may have slept, when no monotonic time passes.
   */
  within(delayMs: number, wallMs: number, callback: () => void, keepsProcessAlive = false): Timer {
    const timer = this.after(delayMs, callback, keepsProcessAlive)
    timer.twin = this.at(wallMs, callback)
    timer.twin.twin = timer
    return timer
  }

  /** Sets an timer again that was called off, or has rung. */
  set(timer: Timer): void {
    for (const each of bothOf(timer)) {
      each.isOff = false
      if (each.heapIndex === -1) this.#add(each)
    }
  }

  /** Whether it should have rung by now. */
  isDue(timer: Timer): boolean {
    return bothOf(timer).some(({ heap, at }) => at <= (heap === this.#wall ? this.clock.now() : this.clock.monotonic()))
  }

  cancel(timer: Timer | undefined): void {
    if (!timer) return
    this.#callOff(timer)
    if (timer.twin) this.#callOff(timer.twin)
    if (this.#holding === 0 && this.#isTimerHolding) this.#arm()
  }

  /** Rings what its timer should have rung by now, or would have if the wall clock had been right. */
  look(): void {
    if (this.#isRinging) return
    const now = this.clock.monotonic()
    if (now >= this.#timerAt || this.#wallLeadMs(now) > this.#wallLeadAtLook + jumpMs) this.#ring()
  }

  /** How far the wall clock is ahead of the monotonic one: another figure when somebody sets it, or the machine slept. */
  #wallLeadMs(monotonic: number): number {
    return this.#wall.peek() ? this.clock.now() - monotonic : Number.NEGATIVE_INFINITY
  }

  /** Whatever is still to be done at some time will not be. */
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
    // Rounded up: a timer that fires a fraction early would find nothing due and go round again.
    this.#stopTimer = this.clock.startTimer(() => this.#ring(), Math.ceil(sleepMs), this.#isTimerHolding)
  }

  #ring(): void {
    this.#stopTimer?.()
    this.#stopTimer = undefined
    this.#timerAt = Number.POSITIVE_INFINITY
    // Collected first: alarms that are set while these ring wait for the next round, and cannot keep us here.
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
