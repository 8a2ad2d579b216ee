/** Stands in for src/platform/host.ts: nothing in a simulation may come from the machine that it runs on. */
import type { Clock } from '../../../src/shared/clock.ts'

export function nodeModule<Module>(name: string): Module | undefined {
  if (name !== 'zlib') throw new Error(`the simulation has no '${name}'`)
  return process.getBuiltinModule('node:zlib') as Module
}

/** For what only measures how long it takes itself. */
export const systemClock: Clock = {
  now: () => 0,
  monotonic: () => 0,
  startTimer() {
    throw new Error('a timer of the system in a simulation')
  },
}

export function systemRandom(): number {
  throw new Error('chance of the system in a simulation')
}

export const spareCores = (): number => 1

/** Jobs that wait for threads that do not start are what happens here. */
export function warn(): void {}

export function reportUncaught(error: unknown): void {
  throw error
}
