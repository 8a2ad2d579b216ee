/**
 * When a thread ends under its attempts, the blame is exact or not at all: the attempt that was the only candidate ended
 * it by its own making; of several candidates none is blamed, but each runs alone next time, so that the next death is
 * exact. What merely waited on the thread goes back to its place in line as if nothing had happened.
 */
import type { Attempt } from './pool-worker.ts'

/** The attempts that may have ended their thread: of those that cannot be taken back any more, those that have begun, if any have. */
export function candidatesAmong(attempts: readonly Attempt[]): Attempt[] {
  const taken = attempts.filter((attempt) => !attempt.worker.recall(attempt))
  const begun = taken.filter((attempt) => attempt.isBegun)
  return begun.length > 0 ? begun : taken
}

/** Of an attempt whose thread ended by itself. */
export function lossByDeath(
  attempt: Attempt,
  candidates: readonly Attempt[],
  isExact: boolean,
): 'blamed' | 'suspected' | 'released' {
  if (!candidates.includes(attempt)) return 'released'
  return isExact ? 'blamed' : 'suspected'
}

/**
 * Of an attempt whose thread is ended for another's sake. On closing nobody waits for what the thread may still have to say:
 * an attempt that was sent may have begun, and its number is not given to another.
 */
export function lossAtEnd(attempt: Attempt, isClosing: boolean): 'interrupted' | 'released' {
  const { worker } = attempt
  const mayHaveBegun = isClosing || worker.isShared ? !worker.recall(attempt) : attempt.isBegun
  return mayHaveBegun ? 'interrupted' : 'released'
}
