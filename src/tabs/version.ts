import { OffstageError } from '../shared/errors.ts'

/** Raised by whoever changes what tabs say to each other. The first version said nothing of it. */
export const tabsVersion = 4

/** There is a tab that speaks another version. */
export function otherVersion(version = 1): OffstageError {
  const [which, whom] = version > tabsVersion ? ['a newer', 'this tab'] : ['an older', 'that tab']
  const message =
    `Another tab has this store open with ${which} version of offstage. One of the two runs the jobs, and what is called in ` +
    `the other waits until that one is gone. Reload ${whom}.`
  return new OffstageError('STORE_LOCKED', message)
}
