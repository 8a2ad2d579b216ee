/** Stands in for src/platform/spawn.ts: the source of threads is the simulation. */
import type { Port } from '../../../src/shared/port.ts'

export type WorkerSource = () => Promise<Port>

export function checkSource(source: unknown): asserts source is WorkerSource {
  if (typeof source !== 'function') throw new TypeError('a simulation makes its own threads')
}

export const spawn = (source: WorkerSource): Promise<Port> => source()
