export type { Measured, Times } from './metrics/measured.ts'
export { type Metrics, type MetricsReader, metrics, type QueueMetrics } from './metrics/metrics.ts'
