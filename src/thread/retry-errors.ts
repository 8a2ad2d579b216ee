import { delayMsMax, never } from '../job/retry.ts'
import { knowClass } from '../shared/error-wire.ts'
import { OffstageError } from '../shared/errors.ts'
import { isObject, show } from '../shared/show.ts'

/**
 * By this name an error says how long to wait before the next attempt. It is the same in every copy of the package, because
 * handlers may come from others.
 */
const retryMs = Symbol.for('offstage.retryMs')

/** Throws `INVALID_OPTION` if it is no span of time that a handler may ask for. */
export function assertDelay(ms: unknown): void {
  if (typeof ms === 'number' && ms >= 0 && ms <= delayMsMax) return
  const message = `Expected \`ms\` to be a number from 0 to ${delayMsMax}, got ${show(ms)}.`
  throw new OffstageError('INVALID_OPTION', message)
}

/**
 * Thrown by a handler, fails the job for good, however many attempts are left. The error arrives as it was thrown. Classes of
 * your own may extend it.
 *
 * @example
 * ```ts
 * if (response.status === 404) throw new NonRetryableError(`There is no ${url}.`)
 * ```
 */
export class NonRetryableError extends Error {
  get [retryMs](): number {
    return never
  }
}

/**
 * Thrown by a handler, fails the attempt, and the next one starts no sooner than `ms` milliseconds later, whatever `backoff`
 * says. `cause` is what went wrong: the job shows it as its error. After the last attempt the job fails with it, or without a
 * cause with the `RetryAfter` itself. The constructor throws `INVALID_OPTION` if `ms` is out of range.
 *
 * @example
 * ```ts
 * if (response.status === 429) throw new RetryAfter(1_000 * Number(response.headers.get('Retry-After')))
 * ```
 */
export class RetryAfter extends Error {
  /** How long to wait, in milliseconds, from 0 to a hundred years. */
  readonly ms: number

  constructor(ms: number, options?: { readonly cause?: unknown }) {
    assertDelay(ms)
    super(`The handler asks for another attempt in ${ms} ms.`, options)
    this.ms = ms
  }

  get [retryMs](): number {
    return this.ms
  }
}

for (const [name, { prototype }] of Object.entries({ NonRetryableError, RetryAfter }))
  Object.defineProperty(prototype, 'name', { value: name, configurable: true, writable: true })
knowClass(NonRetryableError)
knowClass(RetryAfter)

/** For code that has to end because its attempt does, without a failure: `why` is a sentence. */
export const attemptEnded = (why: string): OffstageError =>
  new OffstageError('ATTEMPT_ENDED', `${why} Nothing has failed: this error only ends the code of the attempt.`)

export const isAttemptEnd = (thrown: unknown): boolean =>
  thrown instanceof OffstageError && thrown.code === 'ATTEMPT_ENDED'

/** Returns the wait that a thrown value asks for; `undefined` if it asks for none. */
export function retryMsOf(thrown: unknown): number | undefined {
  try {
    return isObject(thrown) ? (thrown as { readonly [retryMs]?: number })[retryMs] : undefined
  } catch {
    // A proxy may throw whatever is read.
    return undefined
  }
}

/** Returns what the job shows as its error. */
export const shownError = (thrown: unknown): unknown =>
  Number.isFinite(retryMsOf(thrown)) ? ((thrown as Error).cause ?? thrown) : thrown
