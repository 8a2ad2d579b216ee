// What extensions rely on, wherever jobs are kept; people who write stores or engines run the same checks.
import { createScheduler, inline } from 'offstage'
import { extensionChecks } from 'offstage/testing'
import { describe, test } from 'vitest'
import { kinds, stores } from '../support/stores.ts'

describe.each(kinds)('extensions over a %s store', (kind) => {
  const makeStore = stores[kind]()
  const checks = extensionChecks(
    (place, jobs) => createScheduler<typeof jobs>(inline(jobs), { store: makeStore(place) }),
    {
      isDurable: kind !== 'memory',
    },
  )
  test.each(checks)('$name', ({ run }) => run())
})
