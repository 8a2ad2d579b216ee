export { instrument } from './otel/instrument.ts'
export type { InstrumentOptions } from './otel/instrumentation.ts'
export { contextOf } from './otel/propagation.ts'
export { traced } from './otel/traced.ts'
