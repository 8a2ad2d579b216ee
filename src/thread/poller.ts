import { systemClock } from '../platform/host.ts'
import type { Port } from '../shared/port.ts'

/**
 * How long, in milliseconds, a thread with nothing to do polls for the next batch before it sleeps. It polls for twice the
 * time that the last batch took, because that time shows how fast the scheduler replies. It does not poll if the last batch
 * took longer than it takes to wake two threads, nor if that batch was long: a scheduler that sends much at a time does not
 * wait for each reply, and a thread that polls would only take CPU from it.
 */
const pollMsMin = 0.02
const pollMsMax = 0.12
const pollFieldsMax = 64
/**
 * On a busy machine polling takes time from others, the main thread among them. A poll that returns much later than it should
 * shows that another thread had the core, or that this one was collecting garbage. So what is lost in that way is added up, and
 * an eighth of the time planned for each poll is taken off again. Above `lostMsMax` the thread does without polling for
 * `pollRestMs`. (All in milliseconds. Measured: on a quiet machine polls lose 3 to 10 % of their time, with a busy process on
 * each of two cores 30 to 40 %. A thread that rested whenever it was late once took three times as long for one job at a time.)
 */
const lostMsMax = 16
const pollRestMs = 100

/** Returns a function that looks for the batch that comes next, before the thread sleeps, where a port can be looked at. */
export function makePoller({ poll }: Port): (last: readonly unknown[], tookMs: number, from: number) => unknown {
  /** Until this time the thread does not poll. */
  let restsUntil = 0
  /** What polls have lost, and not made up for. */
  let lostMs = 0
  /** `tookMs`: how long the last batch took to come. */
  return ({ length }, tookMs, from) => {
    if (!poll || tookMs > pollMsMax || length > pollFieldsMax || from < restsUntil) return undefined
    const ms = Math.min(Math.max(2 * tookMs, pollMsMin), pollMsMax)
    const until = from + ms
    lostMs = Math.max(0, lostMs - ms / 8)
    for (let now = from; now < until; ) {
      const next = poll()
      now = systemClock.monotonic()
      if (now - until > pollMsMax) lostMs = Math.min(lostMsMax, lostMs + now - until)
      if (lostMs === lostMsMax) restsUntil = now + pollRestMs
      if (next !== undefined) return next
    }
    return undefined
  }
}
