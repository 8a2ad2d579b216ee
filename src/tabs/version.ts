import { OffstageError } from '../shared/errors.ts'

/** To be raised with every change of the messages between tabs. The first version sent no number. */
export const tabsVersion = 13

/** The error for a tab that has met one of another version. */
export function otherVersion(version = 1): OffstageError {
  const [which, whom] = version > tabsVersion ? ['a newer', 'this tab'] : ['an older', 'that tab']
  const message =
    `Another tab has this store open with ${which} version of offstage. One of the two runs the jobs, and calls in the other ` +
    `wait until it is gone. Reload ${whom}.`
  return new OffstageError('STORE_LOCKED', message)
}
