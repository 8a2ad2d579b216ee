import { nodeModule } from '../platform/host.ts'
import { nodeDisk } from '../platform/node-disk.ts'
import * as check from '../shared/check.ts'
import { OffstageError } from '../shared/errors.ts'
import { FileMedium } from './file-medium.ts'
import { Journal, valueBytesMaxDefault } from './journal.ts'
import type { Store } from './store.ts'

export interface FileStoreOptions {
  /**
   * `strict`: what was acknowledged survives a power cut. `relaxed`: it survives the end of the process, however it
   * ends, and a power cut may take the newest. Default `strict`.
   */
  readonly durability?: 'strict' | 'relaxed' | undefined
  /** An input, result, checkpoint or step value that takes more bytes is refused with `DATA_CLONE`. Default 16 MiB. */
  readonly valueBytesMax?: number | undefined
  /**
   * How long to wait for a folder that another process or thread has open, asking again and again: for the end of the old
   * process while a new one is started. Calls wait as well; `close` ends it. Then it is `STORE_LOCKED`. Default 0.
   */
  readonly waitForLockMs?: number | undefined
}

const optionChecks: check.Checks = {
  durability: check.oneOf('strict', 'relaxed'),
  valueBytesMax: check.integer(1, 2 ** 30),
  waitForLockMs: check.durationMsOrInfinity,
}

/**
 * Keeps jobs in a folder, which is made when it is missing. One scheduler at a time has it open: in any other process or
 * thread every call rejects with `STORE_LOCKED`, naming the owner, at once or after `waitForLockMs`.
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
