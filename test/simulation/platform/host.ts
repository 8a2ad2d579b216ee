/** Stands in for src/platform/host.ts: nothing in a simulation may come from the machine that it runs on. */
import type { Clock } from '../../../src/shared/clock.ts'

export function nodeModule<Module>(name: string): Module | undefined {
  // There is one user, and no context to be kept apart.
  if (name === 'async_hooks') return undefined
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

/** What ids are made of that the library makes on the caller's side. A simulation sets it to its own chance. */
export const luck = {
  random(): number {
    throw new Error('chance of the system in a simulation')
  },
}

export const systemRandom = (): number => luck.random()

export const spareCores = (): number => 1

/** Jobs that wait for threads that do not start are what happens here. */
export function warn(): void {}

export function reportUncaught(error: unknown): void {
  throw error
}
