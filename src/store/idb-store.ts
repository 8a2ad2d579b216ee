import * as check from '../shared/check.ts'
import { idbMedium } from './idb-medium.ts'
import { Journal, valueBytesMaxDefault } from './journal.ts'
import type { Store } from './store.ts'

/** The options of `idbStore`. */
export interface IdbStoreOptions {
  /**
   * What a job survives once its `add` has resolved. `strict`: also a power cut. `relaxed`: the end of the page and of the
   * browser; a power cut may take the newest jobs and results. It is two to four times as fast. Default `strict`.
   */
  readonly durability?: 'strict' | 'relaxed' | undefined
  /**
   * The most bytes that an input, result, checkpoint or step value may take in the store. A larger one is refused with
   * `DATA_CLONE`. Default 16 MiB.
   */
  readonly valueBytesMax?: number | undefined
}

const optionChecks: check.Checks = {
  durability: check.oneOf('strict', 'relaxed'),
  valueBytesMax: check.integer(1, 2 ** 30),
}

/**
 * The IndexedDB store of a single tab. `offstage/idb` exports it in the form that tabs share: see `src/idb-store.ts`, where
 * its description is.
 */
export function idbStore(name: string, options: IdbStoreOptions = {}): Store {
  check.checkArgument('name', check.string(256), name)
  check.checkOptions(options, optionChecks)
  const { durability = 'strict', valueBytesMax = valueBytesMaxDefault } = options
  const medium = idbMedium(name, { durability, onTrouble: (error) => journal.report(error) })
  const journal: Journal = new Journal(medium, { valueBytesMax, isRelaxed: durability === 'relaxed' })
  return journal
}
