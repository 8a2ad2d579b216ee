/**
 * Decides which attempt is to blame when a worker ends. The blame is exact, or there is none. If only one attempt can have
 * ended the worker, that attempt is blamed. Of several candidates none is blamed; each runs alone next time, so that the next
 * death has one candidate. An attempt that only waited on the worker goes back to its place in line as if nothing had happened.
 */
import type { Attempt } from './pool-worker.ts'

/**
 * Returns the attempts that may have ended their worker: among those that cannot be taken back any more, those that have begun,
 * if any have.
 */
export function candidatesAmong(attempts: readonly Attempt[]): Attempt[] {
  const taken = attempts.filter((attempt) => !attempt.worker.recall(attempt))
  const begun = taken.filter((attempt) => attempt.isBegun)
  return begun.length > 0 ? begun : taken
}

/** Returns the loss of an attempt whose worker ended by itself. */
export function lossByDeath(
  attempt: Attempt,
  candidates: readonly Attempt[],
  isExact: boolean,
): 'blamed' | 'suspected' | 'released' {
  if (!candidates.includes(attempt)) return 'released'
  return isExact ? 'blamed' : 'suspected'
}

/**
 * Returns the loss of an attempt whose worker is ended because of another attempt, or on closing. On closing the pool reads no
 * more messages of the worker. So an attempt that was sent may have begun, and its number is not used again.
 */
export function lossAtEnd(attempt: Attempt, isClosing: boolean): 'interrupted' | 'released' {
  const { worker } = attempt
  const mayHaveBegun = isClosing || worker.isShared ? !worker.recall(attempt) : attempt.isBegun
  return mayHaveBegun ? 'interrupted' : 'released'
}
