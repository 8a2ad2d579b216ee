import type { JobRecord } from '../job/record.ts'
import type { Clock } from '../shared/clock.ts'
import type { EngineSource } from '../shared/engine-source.ts'
import type { ErrorClass } from '../shared/error-wire.ts'
import type { Engine } from './engine.ts'
import type { JobView } from './job-view.ts'
import type { LocalEngine, LocalEngineOptions } from './local-engine.ts'

/** The scheduler, as an engine sees it that comes from elsewhere. */
export interface EngineHost {
  readonly clock: Clock
  readonly random: () => number
  readonly errors: readonly ErrorClass[]
  readonly reportUnheard: (error: unknown) => void
  /** Makes an engine that runs the jobs in this process; absent where the scheduler was given nothing to run them with. */
  readonly makeLocal: ((options: Handover) => LocalEngine) | undefined
  /** Makes a job that such an engine can adopt. */
  readonly makeJob: (record: JobRecord) => JobView
}

type Handover = Partial<Pick<LocalEngineOptions, 'store' | 'bus' | 'adopt' | 'wasLetGo'>>

/** The one place where an engine source is made, so that its type may be opaque everywhere else. */
export const engineSource = (makeEngine: (host: EngineHost) => Engine): EngineSource => ({ makeEngine })

/** And the one where it is opened. */
export const engineFrom = ({ makeEngine }: EngineSource, host: EngineHost): Engine =>
  (makeEngine as (host: EngineHost) => Engine)(host)
