export { type GroupOptions, grouped } from './groups/grouped.ts'
