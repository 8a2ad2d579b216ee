// Metrics are of any scheduler, and plain.
import type { Scheduler } from 'offstage'
import { type Measured, type Metrics, metrics, type QueueMetrics } from 'offstage/metrics'
import { expectType } from './expect-type.ts'
import type { jobs } from './jobs.ts'

declare const scheduler: Scheduler<typeof jobs>
const figures = await metrics(scheduler).read()
expectType<Metrics>()(figures)
expectType<readonly Measured[]>()(figures.types)
expectType<readonly QueueMetrics[]>()(figures.queues)
for (const { name, completed, runMs } of figures.types) {
  expectType<string>()(name)
  expectType<readonly [number, number, number]>()([completed, runMs.p95, runMs.sum] as const)
}
// @ts-expect-error: figures are read, not written.
figures.at = 1
