export { type Deduped, type DedupeSettings, dedupe } from './dedupe/dedupe.ts'
export type { DedupeOptions } from './dedupe/dedupe-extension.ts'
