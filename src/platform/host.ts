import type { Clock } from '../shared/clock.ts'

type Builtin = { getBuiltinModule?(name: string): unknown }

/**
 * Returns a built-in module of Node in Node, Bun and Deno, and nothing elsewhere. It is no import, so that one build serves
 * every runtime.
 */
export function nodeModule<Module>(name: string): Module | undefined {
  const { process } = globalThis as { process?: Builtin }
  return process?.getBuiltinModule?.(`node:${name}`) as Module | undefined
}

type Timer = ReturnType<typeof setTimeout> & { unref?(): void }

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  startTimer(callback, delayMs, keepsProcessAlive) {
    const timer = setTimeout(callback, delayMs) as Timer
    if (!keepsProcessAlive) timer.unref?.()
    return () => clearTimeout(timer)
  },
}

export const systemRandom = (): number => Math.random()

/** How many threads can work at once beside this one. WebKit reports 4 or 8 cores whatever the machine has. */
export function spareCores(): number {
  const os = nodeModule<typeof import('node:os')>('os')
  const cores = os?.availableParallelism() ?? globalThis.navigator?.hardwareConcurrency ?? 2
  return Math.max(1, cores - 1)
}

/** For messages that a developer should see at once and for which there is no listener. */
export function warn(message: string): void {
  // biome-ignore lint/suspicious/noConsole: there is no other place for it.
  console.warn(message)
}

/**
 * The last resort for an error that a listener threw. It does what the platform does with uncaught errors, but does not end the
 * process.
 */
export function reportUncaught(error: unknown): void {
  const { reportError, process } = globalThis as { reportError?: (error: unknown) => void; process?: unknown }
  // If there is a `process`, `reportError` would end it.
  if (reportError && !process) reportError(error)
  // biome-ignore lint/suspicious/noConsole: there is no listener, and an error must not disappear.
  else console.error(error)
}
