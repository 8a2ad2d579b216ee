// What every store must do, whatever it keeps its records in; people who write stores run the same checks.
import { fileStore } from 'offstage/file'
import { idbStore } from 'offstage/idb'
import { storeChecks } from 'offstage/testing'
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

describe.each(kinds)('a %s store', (kind) => {
  const checks = storeChecks(stores[kind]())
  test.each(checks)('$name', ({ run }) => run())
})
