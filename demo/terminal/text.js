// Numbers and complaints for people.

/** What the user can mend, in one line. */
export class UsageError extends Error {}

export const count = (/** @type {number} */ value) => value.toLocaleString('en-US')
export const seconds = (/** @type {number} */ ms) => `${(ms / 1_000).toFixed(1)} s`

/**
 * @param {number} part
 * @param {number} whole
 */
export const percent = (part, whole) => `${(whole === 0 ? 100 : (part / whole) * 100).toFixed(1)} %`

const units = ['kB', 'MB', 'GB', 'TB']

/** @param {number} value */
export function bytes(value) {
  if (value < 1_000) return `${value} B`
  const step = Math.min(Math.floor(Math.log10(value) / 3), units.length)
  return `${(value / 1_000 ** step).toFixed(1)} ${units[step - 1]}`
}
