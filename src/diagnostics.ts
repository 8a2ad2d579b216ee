export { type DiagnosticsMessage, publishDiagnostics } from './diagnostics/diagnostics.ts'
