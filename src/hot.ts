export { type HotModule, hotModule } from './bundlers/hot.ts'
