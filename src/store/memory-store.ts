import type { Store } from './store.ts'

/** Keeps nothing beyond the scheduler itself, which has every live record in memory anyway. */
export function memoryStore(): Store {
  return { isDurable: false, open: () => [], check: () => {}, commit: () => {}, close: () => {} }
}
