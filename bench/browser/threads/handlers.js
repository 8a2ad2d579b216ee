/** @template T @param {T} input */
export const noop = (input) => input
