import { type Deferred, defer } from '../shared/deferred.ts'
import { OffstageError } from '../shared/errors.ts'
import { type JobContext, Transfer } from './context.ts'
import { isAttemptEnd } from './retry-errors.ts'

/**
 * Goes around the run of a handler: it may look at the job, change the input (`next(other)`) or the result, wait, or throw.
 *
 * `job`: the context of the attempt, of a job of any type. `input`: as it was added, brought up to the newest
 * version (`versioned`), before a schema has checked it. `next` goes on
 * with this input or another one, and resolves with the result; called again, it runs the handler again. Returns the result. What
 * it throws fails the attempt with `MIDDLEWARE_FAILED`; an error that `next` has rejected with stays as it is.
 *
 * When the handler waits (`job.sleep`, `job.waitFor`, children) or puts its job off, the attempt ends, and `next` rejects with
 * `ATTEMPT_ENDED`: no failure, but the time to release what is held. What is around the handler runs again with the next attempt.
 */
export type Around = (
  job: JobContext,
  input: unknown,
  next: (input?: unknown) => Promise<unknown>,
) => unknown | Promise<unknown>

/** The attempt that something goes around. */
interface SurroundedAttempt {
  /** Rejected when the attempt ends because its handler waits. */
  left: Deferred<never> | undefined
}

/** Runs a handler (`run`) through each of these in turn, the first outermost. */
export async function runAround(
  around: readonly Around[],
  attempt: SurroundedAttempt,
  job: JobContext,
  input: unknown,
  run: (input: unknown) => unknown,
): Promise<unknown> {
  const left = defer<never>()
  // Mostly nobody waits for it any more.
  left.promise.catch(() => {})
  attempt.left = left
  let moved: Transfer | undefined
  /** What is transferred is shown as it is, and transferred nevertheless. */
  const shown = (result: unknown): unknown => {
    if (!(result instanceof Transfer)) return result
    moved = result
    return result.value
  }
  const through = async (from: number, given: unknown): Promise<unknown> => {
    const each = around[from]
    if (!each) return shown(await Promise.race([run(given), left.promise]))
    // What comes from further in is no fault of this one.
    let passedOn: { readonly error: unknown } | undefined
    const next = (changed: unknown = given): Promise<unknown> => {
      const running = through(from + 1, changed)
      running.catch((error) => {
        passedOn = { error }
      })
      return running
    }
    try {
      return shown(await each(job, given, next))
    } catch (cause) {
      if (passedOn?.error === cause || isAttemptEnd(cause)) throw cause
      const message = `The middleware '${each.name || from + 1}' around the handler has failed: ${String(cause)}`
      throw new OffstageError('MIDDLEWARE_FAILED', message, { cause })
    }
  }
  const result = await through(0, input)
  return moved && result === moved.value ? moved : result
}

/** What the handler, or what is around it, has thrown: that decides about the next attempt. */
export const thrownWithin = (thrown: unknown): unknown =>
  thrown instanceof OffstageError && thrown.code === 'MIDDLEWARE_FAILED' ? thrown.cause : thrown
