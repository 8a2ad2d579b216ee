import { nodeModule } from '../platform/host.ts'
import { nodeDisk } from '../platform/node-disk.ts'
import * as check from '../shared/check.ts'
import { OffstageError } from '../shared/errors.ts'
import { FileMedium } from './file-medium.ts'
import { Journal, valueBytesMaxDefault } from './journal.ts'
import type { Store } from './store.ts'

/** The options of `fileStore`. */
export interface FileStoreOptions {
  /**
   * What a job survives once its `add` has resolved. `strict`: also a power cut. `relaxed`: the end of the process, however it
   * ends; a power cut may take the newest jobs and results. Default `strict`.
   */
  readonly durability?: 'strict' | 'relaxed' | undefined
  /**
   * The most bytes that an input, result, checkpoint or step value may take in the store. A larger one is refused with
   * `DATA_CLONE`. Default 16 MiB.
   */
  readonly valueBytesMax?: number | undefined
  /**
   * How long, in milliseconds, to try again if another process or thread has the folder open, for example until the old process
   * has ended when a new one is started. Calls wait meanwhile, and `close` ends the wait. Afterwards calls reject with
   * `STORE_LOCKED`. Default 0.
   */
  readonly waitForLockMs?: number | undefined
}

const optionChecks: check.Checks = {
  durability: check.oneOf('strict', 'relaxed'),
  valueBytesMax: check.integer(1, 2 ** 30),
  waitForLockMs: check.durationMsOrInfinity,
}

/**
 * A store that keeps jobs in a folder, for Node, Bun and Deno. A missing folder is made. Only one scheduler at a time has it
 * open: in any other process or thread every call rejects with `STORE_LOCKED`, which names the owner, at once or after
 * `waitForLockMs`. A damaged journal makes calls reject with `STORE_CORRUPT`; see `npx offstage salvage`. Throws
 * `INVALID_OPTION` in a browser.
 *
 * @example
 * ```ts
 * const scheduler = createScheduler<typeof jobs>(new URL('./jobs.js', import.meta.url), { store: fileStore('./jobs') })
 * ```
 */
export function fileStore(folder: string, options: FileStoreOptions = {}): Store {
  check.checkArgument('folder', check.string(4_096), folder)
  check.checkOptions(options, optionChecks)
  const path = nodeModule<typeof import('node:path')>('path')
  if (!path)
    throw new OffstageError(
      'INVALID_OPTION',
      'fileStore() needs Node, Bun or Deno; a browser keeps jobs in idbStore().',
    )
  const { durability = 'strict', valueBytesMax = valueBytesMaxDefault, waitForLockMs = 0 } = options
  const medium = new FileMedium(nodeDisk, path.resolve(folder), { durability, waitForLockMs })
  return new Journal(medium, { valueBytesMax, isRelaxed: durability === 'relaxed' })
}
