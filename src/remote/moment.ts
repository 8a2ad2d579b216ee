import type { Clock } from '../shared/clock.ts'

/** By both clocks. */
export interface Moment {
  readonly wallMs: number
  readonly monotonicMs: number
}

export const momentOf = (clock: Clock): Moment => ({ wallMs: clock.now(), monotonicMs: clock.monotonic() })

/** When that was by the wall clock, which may have been set back since. */
export function wallOf({ wallMs, monotonicMs }: Moment, clock: Clock): number {
  return Math.min(wallMs, Math.ceil(clock.now() - (clock.monotonic() - monotonicMs)))
}
