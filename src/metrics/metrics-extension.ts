import type { Extension, ExtensionHost } from '../engine/extension.ts'
import { attemptEnds } from '../events/attempts.ts'
import { type CountedType, countedTypes, type Measured, Meters } from './measured.ts'

/** What a page asks the scheduler that runs the jobs. */
export interface MetricsCommands {
  read(): Promise<Readings>
}

/** What is measured where the jobs run. */
interface Readings {
  readonly since: number
  readonly at: number
  readonly types: readonly Measured[]
  readonly queues: readonly Measured[]
}

/** It keeps no rows and follows no moves: events tell it what is committed. */
export const metricsExtension: Extension<MetricsCommands> = {
  name: 'metrics',
  moves: new Set(),
  open(host) {
    const since = host.clock.now()
    const [types, queues] = measure(host)
    const read = () => {
      const at = host.clock.now()
      return { since, at, types: types.measured(at), queues: queues.measured(at) }
    }
    return { read: async () => read() }
  },
}

const timedEnds: readonly CountedType[] = ['completed', 'failed', 'retrying']

function measure(host: ExtensionHost): readonly [types: Meters, queues: Meters] {
  const types = new Meters()
  const queues = new Meters()
  /** By the id of a job: when its attempt was given to a worker, in monotonic time. */
  const startedAt = new Map<string, number>()
  for (const type of countedTypes)
    host.on(type, ({ jobId, name, queue, at }) => {
      const meters = [types.of(name), queues.of(queue)]
      for (const meter of meters) meter.count(type, at)
      if (type === 'started') {
        startedAt.set(jobId, host.clock.monotonic())
        const { dueAt = at } = host.job(jobId) ?? {}
        for (const { wait } of meters) wait.add(Math.max(0, at - dueAt))
      } else if ((attemptEnds as readonly string[]).includes(type)) {
        const since = startedAt.get(jobId)
        startedAt.delete(jobId)
        if (since === undefined || !timedEnds.includes(type)) return
        for (const { run } of meters) run.add(host.clock.monotonic() - since)
      }
    })
  return [types, queues]
}
