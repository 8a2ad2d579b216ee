export { type FileStoreOptions, fileStore } from './store/file-store.ts'
