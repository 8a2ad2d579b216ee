import { hop } from '../platform/hop.ts'
import { systemClock } from '../platform/host.ts'
import { isObject } from '../shared/show.ts'
import { isThenable } from '../shared/thenable.ts'
import type { Attempt } from './attempt.ts'
import { Yielded } from './waiting.ts'

/** While a thread works, it handles its messages at least this often, in milliseconds, if its handlers let it. */
const sliceMs = 8

/** When this thread last handled its messages. All handlers share the thread, so they share this. */
let listenedAt = 0

export const hasListened = (now = systemClock.monotonic()): void => {
  listenedAt = now
}

export const mustListen = (now = systemClock.monotonic()): boolean => now - listenedAt >= sliceMs

/** Lets the messages that have arrived be handled. Resolves afterwards. */
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

/** Runs a generator to its end. Each value that it yields is progress, and each `yield` is a place to stop. */
export async function drive(
  attempt: Attempt,
  generator: Iteration,
  onYield: (value: unknown) => void,
): Promise<unknown> {
  let hasBeenTold = false
  let received: unknown
  let failure: { readonly error: unknown } | undefined
  for (;;) {
    // Thrown only once: a generator that catches the abort may clean up. If it goes on for long, it is ended with its thread.
    const mustStop = attempt.abortedBy !== undefined && !hasBeenTold
    if (mustStop) hasBeenTold = true
    const thrown = mustStop ? { error: attempt.abortedBy?.reason } : failure
    const step: Step = thrown ? generator.throw(thrown.error) : generator.next(received)
    received = undefined
    failure = undefined
    const { done, value } = isThenable(step) ? await step : step
    if (done) return value
    if (value instanceof Yielded) {
      try {
        received = await value.promise
      } catch (error) {
        failure = { error }
      }
    } else if (value !== undefined) onYield(value)
    if (mustListen()) await attempt.during(listen())
  }
}

/**
 * Whether it is a generator, including one that a compiler has made. Other iterators count as plain values: nothing can be
 * thrown into them, so they are not driven.
 */
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
