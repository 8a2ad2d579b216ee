/**
 * The format of stored values, version 1. It never changes, so that every stored value can always be read. It holds whatever
 * structured clone keeps and can be read synchronously.
 *
 * A value is a tag and the data that the tag needs. Small whole numbers are in the tag itself. Objects are numbered in the
 * order in which they are met, the outer before the inner. An object that is met again is a reference to its number.
 *
 * Blobs, files and lists of files are not in the value. It has the numbers under which the medium keeps them, and what tells
 * how they look; see attachments.ts.
 */

/** A number never gets a new meaning. New kinds get new numbers, below 0x80. */
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
  Blob: 22,
  File: 23,
  FileList: 24,
} as const

/** From this tag on, the tag itself is a number from 0 to 127. */
export const smallNumber = 0x80

export const thrownTags = { value: 0, seen: 1, error: 2, hasCause: 4, hasErrors: 8 } as const

/** The index in this list is stored, so new names go at the end. */
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
