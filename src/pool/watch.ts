import { hop } from '../platform/hop.ts'
import type { Timer, TimerQueue } from '../timers/timer-queue.ts'
import type { Slot } from './slot.ts'

export interface WatchListener {
  /** It is busy for long, and something waits behind that. */
  onStuck(slot: Slot): void
  /** It has not taken up anything of what is on it, for as long as it may take. */
  onDeaf(slot: Slot): void
}

/** How often threads are looked at on which something waits behind another attempt. */
const stuckLookMs = 4
/** A thread is deaf that was found so this many times in a row. */
const deafLooks = 4
/** Within this time a thread has to take up what it is sent: a machine that is short of cores may let it sleep for long. */
const deafMsMin = 1_000

/**
 * Looks whether the threads still listen.
 *
 * None is judged before the messages that are here were heard: the answer may be among them, and it is we who were busy. Nor
 * by the clock alone: a machine that slept, or a page whose timers are slowed down, looks fewer times and not sooner.
 */
export class Watch {
  readonly #slots: readonly Slot[]
  readonly #timetable: TimerQueue
  readonly #listener: WatchListener
  readonly deafMs: number
  /** There is another thread, or can be, that what waits may go to. */
  readonly #hasOthers: boolean
  #stuckAlarm: Timer | undefined
  /** Set as well while the last look waits for messages to be heard. */
  #deafAlarm: Timer | undefined
  #isClosed = false

  constructor(
    slots: readonly Slot[],
    timetable: TimerQueue,
    { max, graceMs }: { readonly max: number; readonly graceMs: number },
    listener: WatchListener,
  ) {
    this.#slots = slots
    this.#timetable = timetable
    this.#listener = listener
    this.#hasOthers = max > 1
    this.deafMs = Math.max(graceMs, deafMsMin)
  }

  /** One more attempt is on a thread. */
  reserved(slot: Slot): void {
    if (!this.#deafAlarm) this.#deafAlarm = this.#timetable.after(this.deafMs / deafLooks, this.#lookForDeaf)
    if (!this.#stuckAlarm && slot.size > 1 && this.#hasOthers)
      this.#stuckAlarm = this.#timetable.after(stuckLookMs, this.#lookForStuck)
  }

  close(): void {
    this.#isClosed = true
    this.#timetable.cancel(this.#stuckAlarm)
    this.#timetable.cancel(this.#deafAlarm)
  }

  readonly #lookForStuck = (): void => {
    this.#stuckAlarm = undefined
    let isMoreToSee = false
    for (const slot of this.#slots) {
      if (slot.isStuck || !slot.isAwaited) continue
      isMoreToSee = true
      if (slot.wasHeard) slot.wasHeard = false
      else hop(() => this.#judge(slot))
    }
    if (isMoreToSee) this.#stuckAlarm = this.#timetable.after(stuckLookMs, this.#lookForStuck)
  }

  #judge(slot: Slot): void {
    if (!slot.wasHeard && !slot.isStuck && !slot.isClosing && slot.isAwaited) this.#listener.onStuck(slot)
  }

  readonly #lookForDeaf = (): void => hop(() => this.#countDeaf())

  #countDeaf(): void {
    this.#deafAlarm = undefined
    if (this.#isClosed) return
    for (const slot of [...this.#slots]) if (slot.countPassedOver() >= deafLooks) this.#listener.onDeaf(slot)
    if (this.#slots.some((slot) => slot.mayBeDeaf))
      this.#deafAlarm = this.#timetable.after(this.deafMs / deafLooks, this.#lookForDeaf)
  }
}
