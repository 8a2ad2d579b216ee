import type { JobRecord } from '../job/record.ts'
import type { Clock } from '../shared/clock.ts'
import type { EngineSource } from '../shared/engine-source.ts'
import type { ErrorClass } from '../shared/error-wire.ts'
import type { Engine } from './engine.ts'
import type { JobView } from './job-view.ts'
import type { LocalEngine, LocalEngineOptions } from './local-engine.ts'

/** The scheduler, as seen by an engine that is supplied from outside. */
export interface EngineHost {
  readonly clock: Clock
  readonly random: () => number
  readonly errors: readonly ErrorClass[]
  readonly reportUnhandled: (error: unknown) => void
  /** Makes an engine that runs the jobs in this process; `undefined` if the scheduler was given no worker to run them with. */
  readonly makeLocal: ((options: Handover) => LocalEngine) | undefined
  /** Makes a job that such an engine can adopt. */
  readonly makeJob: (record: JobRecord) => JobView
}

type Handover = Partial<Pick<LocalEngineOptions, 'store' | 'bus' | 'adopt' | 'wasReleased'>>

/** The only place where an engine source is made, so that its type can be opaque everywhere else. */
export const engineSource = (makeEngine: (host: EngineHost) => Engine): EngineSource => ({ makeEngine })

/** The only place where an engine source is opened. */
export const engineFrom = ({ makeEngine }: EngineSource, host: EngineHost): Engine =>
  (makeEngine as (host: EngineHost) => Engine)(host)
