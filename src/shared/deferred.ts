/** A promise with its `resolve` and `reject` (`Promise.withResolvers` is missing on Node 20). */
export interface Deferred<T> {
  readonly promise: Promise<T>
  readonly resolve: (value: T) => void
  readonly reject: (error: unknown) => void
}

let resolver: (value: unknown) => void
let rejecter: (error: unknown) => void

/** One function for all promises: a closure for each would make up a third of the memory of a `Deferred`. */
const capture = (resolve: (value: unknown) => void, reject: (error: unknown) => void): void => {
  resolver = resolve
  rejecter = reject
}

export function defer<T>(): Deferred<T> {
  const promise = new Promise<unknown>(capture) as Promise<T>
  return { promise, resolve: resolver, reject: rejecter }
}
