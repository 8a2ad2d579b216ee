export type { HistoryEntry } from './history/entry.ts'
export { type History, type HistorySettings, history, type ProjectOptions } from './history/history.ts'
export type { HistoryKeep } from './history/history-extension.ts'
export type { Projection } from './history/projection.ts'
