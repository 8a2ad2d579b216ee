// What every store must do, whatever it keeps its records in; people who write stores run the same checks.
import { storeChecks } from 'offstage/testing'
import { describe, test } from 'vitest'
import { kinds, stores } from '../support/stores.ts'

describe.each(kinds)('a %s store', (kind) => {
  const checks = storeChecks(stores[kind]())
  test.each(checks)('$name', ({ run }) => run())
})
