export { type DevToolsOptions, traceToDevTools } from './devtools/devtools.ts'
