/**
 * When a thread ends under its attempts, the blame is exact or not at all: the attempt that was the only candidate ended
 * it by its own making; of several candidates none is blamed, but each runs alone next time, so that the next death is
 * exact. What merely waited on the thread goes back to its place in line as if nothing had happened.
 */
import type { Run } from './slot.ts'

/** The attempts that may have ended their thread: of those that cannot be taken back any more, those that have begun, if any have. */
export function candidatesAmong(runs: readonly Run[]): Run[] {
  const taken = runs.filter((run) => !run.slot.recall(run))
  const begun = taken.filter((run) => run.isBegun)
  return begun.length > 0 ? begun : taken
}

/** Of an attempt whose thread ended by itself. */
export function lossByDeath(
  run: Run,
  candidates: readonly Run[],
  isExact: boolean,
): 'blamed' | 'suspected' | 'released' {
  if (!candidates.includes(run)) return 'released'
  return isExact ? 'blamed' : 'suspected'
}

/**
 * Of an attempt whose thread is ended for another's sake. On closing nobody waits for what the thread may still have to say:
 * an attempt that was sent may have begun, and its number is not given to another.
 */
export function lossAtEnd(run: Run, isClosing: boolean): 'interrupted' | 'released' {
  const { slot } = run
  const mayHaveBegun = isClosing || slot.isShared ? !slot.recall(run) : run.isBegun
  return mayHaveBegun ? 'interrupted' : 'released'
}
