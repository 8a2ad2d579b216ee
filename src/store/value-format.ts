/**
 * The format of stored values, version 1, written for ever: whatever structured clone keeps and can be had without waiting.
 *
 * A value is a tag and what the tag needs; small whole numbers are in the tag itself. Objects are numbered as they are
 * met, the outer before the inner, and one that is met again is a reference to its number.
 */

/** Numbers are never given a new meaning; new kinds get new ones, below 0x80. */
export const tags = {
  undefined: 0,
  null: 1,
  true: 2,
  false: 3,
  positive: 4,
  negative: 5,
  double: 6,
  bigint: 7,
  string: 8,
  reference: 9,
  object: 10,
  array: 11,
  sparse: 12,
  map: 13,
  set: 14,
  date: 15,
  regExp: 16,
  boxed: 17,
  buffer: 18,
  resizable: 19,
  view: 20,
  error: 21,
} as const

/** From here on a tag is a number from 0 to 127. */
export const smallNumber = 0x80

export const thrownTags = { value: 0, seen: 1, error: 2, hasCause: 4, hasErrors: 8 } as const

/** The number in the list is what is stored: new ones go at the end. */
export const views = [
  'Int8Array',
  'Uint8Array',
  'Uint8ClampedArray',
  'Int16Array',
  'Uint16Array',
  'Int32Array',
  'Uint32Array',
  'Float32Array',
  'Float64Array',
  'BigInt64Array',
  'BigUint64Array',
  'DataView',
  'Float16Array',
]
