import * as lone from './store/idb-store.ts'
import type { Store } from './store/store.ts'
import { shareAmongTabs } from './tabs/share.ts'

/**
 * A store that keeps jobs in the IndexedDB database called `name` (1 to 256 characters). All tabs of an origin may use it at
 * once. One of them runs the jobs and the others reach them through it. When that tab is closed, crashes or is put aside,
 * another takes over. That needs Web Locks, and so a secure context (https or localhost); without them every call rejects with
 * `STORE_LOCKED`.
 *
 * @example
 * ```ts
 * const scheduler = createScheduler<typeof jobs>(
 *   () => new Worker(new URL('./jobs.ts', import.meta.url), { type: 'module' }),
 *   { store: idbStore('my-app') },
 * )
 * ```
 */
export function idbStore(name: string, options?: lone.IdbStoreOptions): Store {
  return shareAmongTabs(name, () => lone.idbStore(name, options))
}
