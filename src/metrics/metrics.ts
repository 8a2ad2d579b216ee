import type { Counts, QueueState, Stats } from '../engine/engine.ts'
import { extend } from '../extend.ts'
import type { JobTable } from '../thread/job-types.ts'
import type { Scheduler } from '../typed-scheduler.ts'
import { type Measured, Meter } from './measured.ts'
import { metricsExtension } from './metrics-extension.ts'

/** What happened in one queue, and how it is now. */
export interface QueueMetrics extends Measured, Pick<QueueState, 'isPaused' | 'size' | 'running'> {}

/** The figures of a scheduler: plain data that JSON can say. */
export interface Metrics {
  /** When these figures were read, in milliseconds since 1970. */
  readonly at: number
  /** When the measuring began: when the scheduler was made; with several tabs, when the leading one began to lead. */
  readonly since: number
  /** How many jobs are in which state. */
  readonly counts: Counts
  /** How many workers are ready, how many of these run something, and how many are starting; in a following tab as last heard. */
  readonly workers: Stats['workers']
  /** By job type. */
  readonly types: readonly Measured[]
  /** By queue. */
  readonly queues: readonly QueueMetrics[]
}

/** Reads the figures of a scheduler. */
export interface MetricsReader {
  /**
   * Resolves with the figures, the same in every tab. Rejects with `EXTENSION_MISSING` if the tab that runs the jobs does not
   * measure, and with `SCHEDULER_CLOSED`.
   */
  read(): Promise<Metrics>
}

/**
 * Measures the jobs of a scheduler from now on, by type and by queue: how many, how often, and how long they wait and run. What is
 * measured is what is committed. It stays in memory, where the jobs run, and costs as much as listeners to the events of all jobs.
 *
 * @example
 * ```ts
 * import { metrics } from 'offstage/metrics'
 *
 * const { types } = await metrics(scheduler).read()
 * for (const { name, completed, runMs } of types) console.log(name, completed, runMs.p95)
 * ```
 */
export function metrics<Table extends JobTable>(scheduler: Scheduler<Table>): MetricsReader {
  const commands = extend(scheduler, metricsExtension)
  return {
    async read() {
      const reading = commands.read()
      const [{ at, since, types, queues }, counts, states] = await Promise.all([
        reading,
        scheduler.counts(),
        scheduler.queues(),
      ])
      return { at, since, counts, workers: scheduler.stats().workers, types, queues: withStates(queues, states, at) }
    },
  }
}

const calm = { isPaused: false, size: 0, running: 0 }

/** Queues of which nothing was measured are there as well. */
function withStates(queues: readonly Measured[], states: readonly QueueState[], at: number): QueueMetrics[] {
  const byName = new Map(states.map(({ name, isPaused, size, running }) => [name, { isPaused, size, running }]))
  const isMeasured = new Set(queues.map(({ name }) => name))
  const others = states.filter(({ name }) => !isMeasured.has(name)).map(({ name }) => new Meter().measured(name, at))
  return [...queues, ...others].map((queue) => ({ ...queue, ...(byName.get(queue.name) ?? calm) }))
}
