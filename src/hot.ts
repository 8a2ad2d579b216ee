export { type HotModule, hotModule, renewWorkers } from './bundlers/hot.ts'
