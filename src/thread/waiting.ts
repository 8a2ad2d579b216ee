/**
 * A promise that a generator can wait for as well: `const answer = yield* job.waitFor('approved')`. Work that `job.sleep` or
 * `job.waitFor` stands for begins when somebody waits for it.
 */
export interface Waiting<Result> extends Promise<Result> {
  /** For `yield*` in a generator. */
  [Symbol.iterator](): Iterator<never, Result, unknown>
  /** For `yield*` in an async generator. */
  [Symbol.asyncIterator](): AsyncIterator<never, Result, unknown>
}

/** What a generator yields to have its driver wait for it. */
export class Yielded {
  readonly promise: PromiseLike<unknown>

  constructor(promise: PromiseLike<unknown>) {
    this.promise = promise
  }
}

const iterators = {
  *[Symbol.iterator](this: PromiseLike<unknown>): Iterator<unknown, unknown> {
    return yield new Yielded(this)
  },
  // biome-ignore lint/correctness/useYield: it yields nothing.
  async *[Symbol.asyncIterator](this: PromiseLike<unknown>): AsyncIterator<never, unknown> {
    return await this
  },
}

/** Adds to a promise what `yield*` needs. */
export const waiting = <Result>(promise: Promise<Result>): Waiting<Result> =>
  Object.assign(promise, iterators) as Waiting<Result>

/** Returns a promise whose work begins with the first `then`. */
export function waitingLater<Result>(begin: () => Promise<Result>): Waiting<Result> {
  let begun: Promise<Result> | undefined
  const promise: Pick<Promise<Result>, 'then' | 'catch' | 'finally'> = {
    // biome-ignore lint/suspicious/noThenProperty: it stands for a promise.
    then(onResolved, onRejected) {
      begun ??= begin()
      return begun.then(onResolved, onRejected)
    },
    catch: (onRejected) => promise.then(undefined, onRejected),
    finally: (onSettled) => promise.then().finally(onSettled),
  }
  return waiting(promise as Promise<Result>)
}

/** By this name a context runs jobs. It is the same in every copy of the package, because handlers may come from others. */
export const runChild: unique symbol = Symbol.for('offstage.runChild') as never
