export { offstage, offstage as default } from './bundlers/vite.ts'
