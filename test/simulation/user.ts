import type { Scheduler } from '../../src/typed-scheduler.ts'
import type { Chance } from './chance.ts'
import type { Oracle } from './oracle.ts'
import type { SimClock } from './sim-clock.ts'

/** What those need who use an extension of the scheduler, as the user of a simulation. */
export interface UserHost {
  readonly chance: Chance
  readonly clock: SimClock
  readonly oracle: Oracle
  readonly scheduler: Scheduler
  /** Whether what is called is carried out before the call returns. */
  readonly isOpen: boolean
  nextTag(): number
  /** Options that a job may have, whoever adds it. */
  jobOptions(tag: number): Record<string, unknown>
  watch<Value>(
    label: string,
    promise: Promise<Value>,
    onValue: (value: Value) => void,
    onError: (error: unknown) => void,
  ): void
  /** Does something to one job. */
  actOn(verb: 'remove' | 'retry' | 'cancel', id: string): void
  say(kind: number, line: () => string): void
}

export const jobNames = ['tiny', 'mail', '__proto__']
