import { type Deferred, defer } from '../shared/deferred.ts'
import { OffstageError } from '../shared/errors.ts'
import { show } from '../shared/show.ts'
import { isAttemptEnd } from './retry-errors.ts'

/** An attempt, as its call sees it. */
interface Attempt {
  /** Set once the handler has put its job off. */
  putOff: object | undefined
}

/** A handler that takes many jobs. */
export type ManyHandler = (inputs: readonly never[], jobs: readonly never[]) => unknown

interface Joined {
  /** `undefined` in a test that calls the handler. */
  readonly attempt: Attempt | undefined
  readonly input: unknown
  readonly job: unknown
  readonly settled: Deferred<unknown>
}

/**
 * One call of a handler for several attempts. Each begins as any attempt does, with its middleware, versions and schema, and joins
 * the call where its handler would be called. The handler is called when all have joined that have not ended before.
 */
export class SharedCall {
  readonly #handler: ManyHandler
  /** Attempts that have not joined yet. */
  readonly #awaited: Set<Attempt>
  readonly #joined: Joined[] = []
  #left: number
  #hasBegun = false

  constructor(handler: ManyHandler, attempts: readonly Attempt[]) {
    this.#handler = handler
    this.#awaited = new Set(attempts)
    this.#left = attempts.length
  }

  /** Resolves with the result for this attempt. */
  join(attempt: Attempt | undefined, input: unknown, job: unknown): Promise<unknown> {
    // What goes around the handler may call it again.
    if (this.#hasBegun) return new SharedCall(this.#handler, []).join(attempt, input, job)
    const settled = defer<unknown>()
    this.#joined.push({ attempt, input, job, settled })
    if (attempt) this.#awaited.delete(attempt)
    this.#look()
    return settled.promise
  }

  /** The attempt has ended, perhaps before it joined. Returns whether others of the call have not. */
  end(attempt: Attempt): boolean {
    if (this.#awaited.delete(attempt)) this.#look()
    return --this.#left > 0
  }

  #look(): void {
    if (this.#awaited.size > 0 || this.#joined.length === 0 || this.#hasBegun) return
    this.#hasBegun = true
    void this.#call()
  }

  async #call(): Promise<void> {
    const joined = this.#joined
    // Whoever has just ended reports that first.
    await undefined
    try {
      const call = this.#handler as (inputs: readonly unknown[], jobs: readonly unknown[]) => unknown
      const results = await call(
        joined.map(({ input }) => input),
        joined.map(({ job }) => job),
      )
      if (!Array.isArray(results) || results.length !== joined.length) throw invalidResults(results, joined.length)
      for (const [index, { settled }] of joined.entries()) {
        const result: unknown = results[index]
        if (result instanceof Error) settled.reject(result)
        else settled.resolve(result)
      }
    } catch (error) {
      // Whichever job it was that put itself off, or its queue, the call is put off with all of them.
      const putOff = isAttemptEnd(error) ? joined.find(({ attempt }) => attempt?.putOff)?.attempt?.putOff : undefined
      for (const { attempt, settled } of joined) {
        if (attempt) attempt.putOff ??= putOff
        settled.reject(error)
      }
    }
  }
}

function invalidResults(results: unknown, expected: number): OffstageError {
  const got = Array.isArray(results) ? `${results.length}` : show(results)
  const message = `Expected the handler of many jobs to return an array of ${expected} results, one for each job, got ${got}.`
  return new OffstageError('INVALID_RESULTS', message)
}
