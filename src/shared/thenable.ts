import { isObject } from './show.ts'

/**
 * Whether `value` is a promise of any class. `instanceof Promise` would not do: if an application replaces `Promise` (zone.js,
 * bluebird), async functions still return the engine's own.
 */
export const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  isObject(value) && typeof value.then === 'function'
