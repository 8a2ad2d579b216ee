import * as check from '../shared/check.ts'
import { idbMedium } from './idb-medium.ts'
import { Journal, valueBytesMaxDefault } from './journal.ts'
import type { Store } from './store.ts'

export interface IdbStoreOptions {
  /**
   * `strict`: what was acknowledged survives a power cut. `relaxed`: it survives the end of the page and of the browser,
   * and a power cut may take the newest; it is two to four times as fast. Default `strict`.
   */
  readonly durability?: 'strict' | 'relaxed' | undefined
  /** An input, result, checkpoint or step value that takes more bytes is refused with `DATA_CLONE`. Default 16 MiB. */
  readonly valueBytesMax?: number | undefined
}

const optionChecks: check.Checks = {
  durability: check.oneOf('strict', 'relaxed'),
  valueBytesMax: check.integer(1, 2 ** 30),
}

/**
 * Keeps jobs in the IndexedDB database of that name. All tabs of an origin may use it at once: one of them runs the jobs,
 * the others reach them through it, and when it is closed another takes over.
 *
 * @example
 * ```ts
 * const scheduler = createScheduler<typeof jobs>(
 *   () => new Worker(new URL('./jobs.ts', import.meta.url), { type: 'module' }),
 *   { store: idbStore('my-app') },
 * )
 * ```
 */
export function idbStore(name: string, options: IdbStoreOptions = {}): Store {
  check.checkArgument('name', check.string(256), name)
  check.checkOptions(options, optionChecks)
  const { durability = 'strict', valueBytesMax = valueBytesMaxDefault } = options
  const medium = idbMedium(name, { durability, onTrouble: (error) => journal.report(error) })
  const journal: Journal = new Journal(medium, { valueBytesMax, isRelaxed: durability === 'relaxed' })
  return journal
}
