const now = Promise.resolve()

/**
 * Calls back in a microtask. Node's `queueMicrotask` is several times slower, because it makes an object to trace each call.
 */
export const soon = (callback: () => void): void => void now.then(callback)
