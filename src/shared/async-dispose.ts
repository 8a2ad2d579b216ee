declare global {
  // The same as in TypeScript's `lib`, for users whose `lib` has no `ESNext.Disposable`: our declarations need nothing else.
  interface SymbolConstructor {
    readonly asyncDispose: unique symbol
  }
  interface AsyncDisposable {
    [Symbol.asyncDispose](): PromiseLike<void>
  }
}

/** `Symbol.asyncDispose`. WebKitGTK does not have it yet; for `await using`, compilers fall back on this registered symbol. */
export const asyncDispose: typeof Symbol.asyncDispose = Symbol.asyncDispose ?? Symbol.for('Symbol.asyncDispose')
