// What a job is given, and how it is to behave: all of it follows from its token, so that whoever finds the job again can
// tell whether it is still what was added. Used by the program that is killed, its threads, and whoever kills it.

/** @typedef {'quick' | 'bulky' | 'photo' | 'steps' | 'walk' | 'flaky' | 'doomed' | 'slow'} Kind */

/**
 * Numbers from 0 up to 1 that a text decides. Mulberry32, seeded with FNV-1a.
 * @param {string} text
 * @returns {() => number}
 */
export function chanceOf(text) {
  let state = 2166136261
  for (let at = 0; at < text.length; at++) state = Math.imul(state ^ text.charCodeAt(at), 16777619)
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let bits = Math.imul(state ^ (state >>> 15), 1 | state)
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32
  }
}

/**
 * @template Item
 * @param {() => number} random
 * @param {readonly Item[]} items
 * @returns {Item}
 */
export const pick = (random, items) => /** @type {Item} */ (items[Math.floor(random() * items.length)])

/** @type {readonly Kind[]} */
const kinds = [
  'quick',
  'quick',
  'quick',
  'quick',
  'bulky',
  'bulky',
  'photo',
  'photo',
  'steps',
  'steps',
  'walk',
  'flaky',
  'doomed',
  'slow',
]

/**
 * @param {string} token
 * @returns {Kind}
 */
export const kindOf = (token) => pick(chanceOf(`${token} kind`), kinds)

/** @param {string} token */
export function inputOf(token) {
  const random = chanceOf(`${token} input`)
  const bytes = new Uint8Array(Math.floor(random() * 40)).map(() => random() * 256)
  return {
    token,
    kind: kindOf(token),
    text: pick(random, ['', 'plain', 'naïve ☂ 🐳', '\ud800 alone', '\u0000', 'long '.repeat(30)]),
    number: pick(random, [0, -0, Number.NaN, Number.POSITIVE_INFINITY, 1.5, -1, 2 ** 53, random()]),
    nothing: pick(random, [undefined, null, false]),
    big: BigInt(Math.floor(random() * 2 ** 50)) ** 3n,
    date: new Date(Math.floor(random() * 2 ** 41)),
    map: new Map([[{ key: random() }, new Set([token, 1n, undefined])]]),
    list: [
      /** @type {unknown} */ (bytes),
      new Float64Array([random(), -0]),
      /a+b/giu,
      [[[]]],
      ['__proto__', { a: { b: 1 } }],
    ],
    body: kindOf(token) === 'bulky' ? bulkOf(random) : undefined,
    photo: kindOf(token) === 'photo' ? new Blob([photoOf(token)], { type: 'image/x' }) : undefined,
  }
}

/** The bytes of a photo, as text. @param {string} token */
export function photoOf(token) {
  const random = chanceOf(`${token} photo`)
  return `${token} `.repeat(Math.floor(random() ** 3 * 100_000))
}

/** Whether the blobs of a job that is found are what they were. @param {string} token @param {{ photo?: Blob } | undefined} input @param {{ print?: Blob } | undefined} result */
export async function arePhotosWhole(token, input, result) {
  const { photo } = input ?? {}
  if (kindOf(token) !== 'photo') return photo === undefined
  if (photo?.type !== 'image/x' || (await photo.text()) !== photoOf(token)) return false
  return !result || (await result.print?.text()) === `print of ${photoOf(token)}`
}

/** @param {() => number} random */
function bulkOf(random) {
  const words = new Uint32Array(5_000 + Math.floor(random() * 25_000))
  const factor = Math.floor(random() * 2 ** 31) | 1
  for (let at = 0; at < words.length; at++) words[at] = Math.imul(at + 1, factor)
  return words
}

/** Attempts that throw before one returns; a doomed job has fewer than it needs. */
/** @param {string} token */
export function failuresOf(token) {
  const kind = kindOf(token)
  return kind === 'doomed' ? 2 : kind === 'flaky' ? 1 + Math.floor(chanceOf(`${token} failures`)() * 2) : 0
}

/** @param {string} token */
export function attemptsOf(token) {
  const kind = kindOf(token)
  return kind === 'doomed' ? 2 : kind === 'flaky' ? failuresOf(token) + 1 : 1
}

/** @param {string} token */
export function delayMsOf(token) {
  const random = chanceOf(`${token} delay`)
  return random() < 0.2 ? Math.floor(random() * 300) : 0
}

/** @param {string} token */
export function optionsOf(token) {
  const random = chanceOf(`${token} options`)
  return {
    // Half of them are called as the caller likes.
    ...(random() < 0.5 ? { id: `own ${token} ☂` } : {}),
    priority: Math.floor(random() * 7) - 3,
    queue: pick(random, ['default', 'other']),
    tags: random() < 0.3 ? ['tagged'] : [],
    delayMs: delayMsOf(token),
    attempts: attemptsOf(token),
    backoff: /** @type {const} */ ({ type: 'fixed', delayMs: Math.floor(random() * 20) }),
  }
}
