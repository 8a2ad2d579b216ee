// What extensions rely on, wherever jobs are kept; people who write stores or engines run the same checks.
import { createScheduler, inline } from 'offstage'
import { fileStore } from 'offstage/file'
import { idbStore } from 'offstage/idb'
import { extensionChecks } from 'offstage/testing'
import { describe, test } from 'vitest'
import { memoryStore } from '../../src/store/memory-store.ts'
import { isBrowser, temporaryFolder } from '../support/testing.ts'

const stores = {
  memory: () => () => memoryStore(),
  file: () => {
    const folder = temporaryFolder()
    return (place: string) => fileStore(`${folder}/${place}`)
  },
  idb: () => {
    const run = Math.random().toString(36).slice(2)
    return (place: string) => idbStore(`${place}-${run}`)
  },
}
const kinds = (isBrowser ? ['memory', 'idb'] : ['memory', 'file']) as (keyof typeof stores)[]

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
