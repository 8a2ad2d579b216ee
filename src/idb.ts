export { idbStore } from './idb-store.ts'
export type { IdbStoreOptions } from './store/idb-store.ts'
