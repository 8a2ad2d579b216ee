import { hop } from '../platform/hop.ts'
import { systemClock } from '../platform/host.ts'
import { isObject } from '../shared/show.ts'
import { isThenable } from '../shared/thenable.ts'
import type { Task } from './task.ts'

/** A busy thread goes through its messages at least this often, wherever its work lets it. */
const sliceMs = 8

/** When this thread last did. All that runs on it shares the thread, so it shares this. */
let listenedAt = 0

export const hasListened = (now = systemClock.monotonic()): void => {
  listenedAt = now
}

export const mustListen = (now = systemClock.monotonic()): boolean => now - listenedAt >= sliceMs

/** Lets the messages that have arrived be handled, then goes on. */
export function listen(): Promise<void> {
  return new Promise((resolve) => {
    hop(() => {
      hasListened()
      resolve()
    })
  })
}

type Iteration = Required<Iterator<unknown>> | Required<AsyncIterator<unknown>>
type Step = IteratorResult<unknown> | Promise<IteratorResult<unknown>>

/** Runs a generator to its end: each value it yields is progress, each `yield` a place to stop. */
export async function drive(task: Task, generator: Iteration, onYield: (value: unknown) => void): Promise<unknown> {
  let hasBeenTold = false
  for (;;) {
    // Told once: a generator that catches the abort may clean up, and is ended with its thread if it goes on for long.
    const mustStop = task.abortedBy !== undefined && !hasBeenTold
    if (mustStop) hasBeenTold = true
    const step: Step = mustStop ? generator.throw(task.abortedBy?.reason) : generator.next()
    const { done, value } = isThenable(step) ? await step : step
    if (done) return value
    if (value !== undefined) onYield(value)
    if (mustListen()) await listen()
  }
}

/** Also one that a compiler has made. Other iterators are values: nothing can be thrown into them, so they are not driven. */
export const isGenerator = (value: unknown): value is Iteration => {
  if (!isObject(value)) return false
  const {
    next,
    throw: throwInto,
    [Symbol.iterator]: iterate,
    [Symbol.asyncIterator]: iterateAsync,
  } = value as Partial<Generator & AsyncGenerator>
  return (
    typeof next === 'function' &&
    typeof throwInto === 'function' &&
    (typeof iterate === 'function' || typeof iterateAsync === 'function')
  )
}
