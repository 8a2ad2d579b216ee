import type { Recurrence } from './recurrence.ts'

/**
 * Occurrences that came to be in the past without anybody there, over more than a day. Mostly the machine was off for so long. But
 * the clock may as well have been ahead for a while: once it is set right, they are still to come.
 */
export interface PassedOver {
  /** The first of them. */
  readonly from: number
  /** They end before this one, which came. */
  readonly until: number
  /** `lastAt` of the schedule before. */
  readonly lastAt: number | undefined
  /** Set once they come after all: what came from `until` on, up to here, does not come again. */
  readonly cameUntil?: number
}

/** What this has to do with the row of a schedule. */
interface Place {
  readonly nextAt: number | undefined
  readonly lastAt: number | undefined
  readonly passedOver?: PassedOver | undefined
}

/** Clocks that are set back by less are put right, or adjusted by their users: what has come by then does not come again. */
const longMs = 86_400_000

/** Returns the row once it has passed over its occurrences before `until`. */
export function passOver<Row extends Place>(row: Row, until: number): Row {
  const { nextAt = until, lastAt, passedOver: before } = row
  if (until - nextAt <= longMs) return row
  // Ahead for the second time, to about the same moment: what came for the first time does not come again, either.
  const isAgain = before?.cameUntil !== undefined && Math.abs(until - before.cameUntil) < longMs
  return { ...row, passedOver: { from: nextAt, until: isAgain ? before.until : until, lastAt } }
}

/** Returns the row as it goes on from now, if the clock was ahead and is right again; otherwise the row itself. */
export function setRight<Row extends Place>(row: Row, recurrence: Recurrence, now: number): Row {
  const { lastAt, passedOver } = row
  if (!passedOver || passedOver.cameUntil !== undefined || now >= passedOver.until - longMs) return row
  const nextAt = recurrence.next(Math.max(now, passedOver.from - 1))
  if (nextAt === undefined || nextAt >= passedOver.until) return row
  const cameUntil = Math.max(lastAt ?? 0, passedOver.until - 1)
  return { ...row, nextAt, lastAt: passedOver.lastAt, passedOver: { ...passedOver, cameUntil } }
}

/** Whether an occurrence came while the clock was ahead. */
export const hasCome = ({ passedOver }: Place, at: number): boolean =>
  passedOver?.cameUntil !== undefined && at >= passedOver.until && at <= passedOver.cameUntil
