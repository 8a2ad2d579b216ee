export { type IdbStoreOptions, idbStore } from './store/idb-store.ts'
