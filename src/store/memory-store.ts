import type { Store } from './store.ts'

/** Keeps nothing, because the scheduler itself has every live record in memory. */
export function memoryStore(): Store {
  return {
    isDurable: false,
    open: () => ({ records: [], rows: [] }),
    check: () => {},
    commit: () => {},
    close: () => {},
  }
}
