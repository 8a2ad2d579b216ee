/** A promise with its ends in hand (`Promise.withResolvers` is missing on Node 20). */
export interface Deferred<T> {
  readonly promise: Promise<T>
  readonly resolve: (value: T) => void
  readonly reject: (error: unknown) => void
}

let resolver: (value: unknown) => void
let rejecter: (error: unknown) => void

/** One function for all: a closure for each promise would be a third of what it weighs. */
const capture = (resolve: (value: unknown) => void, reject: (error: unknown) => void): void => {
  resolver = resolve
  rejecter = reject
}

export function defer<T>(): Deferred<T> {
  const promise = new Promise<unknown>(capture) as Promise<T>
  return { promise, resolve: resolver, reject: rejecter }
}
