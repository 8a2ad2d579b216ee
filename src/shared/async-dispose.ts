declare global {
  // For users whose `lib` has no `ESNext.Disposable`: our declarations stand on their own. The same as there.
  interface SymbolConstructor {
    readonly asyncDispose: unique symbol
  }
  interface AsyncDisposable {
    [Symbol.asyncDispose](): PromiseLike<void>
  }
}

/** WebKitGTK has no such symbol yet; compilers fall back on this one for `await using`. */
export const asyncDispose: typeof Symbol.asyncDispose = Symbol.asyncDispose ?? Symbol.for('Symbol.asyncDispose')
