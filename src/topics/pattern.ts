/** Topics, the patterns that they fit, and filters of what is published. */
import type { Check } from '../shared/check.ts'
import { isObject } from '../shared/show.ts'

const lengthMax = 256
const topicText = /^[^.*>\s]+(\.[^.*>\s]+)*$/
const patternText = /^([^.*>\s]+|\*|>$)(\.([^.*>\s]+|\*|>$))*$/

const textOf = (form: RegExp, expected: string): Check => {
  return (value) => (typeof value === 'string' && value.length <= lengthMax && form.test(value) ? undefined : expected)
}

export const topicCheck = textOf(
  topicText,
  "words with dots between them, such as 'order.paid', of up to 256 characters",
)
export const patternCheck = textOf(
  patternText,
  "words with dots between them, of which each may be `*` and the last may be `>`, such as 'order.*', of up to 256 characters",
)

export function fits(pattern: string, topic: string): boolean {
  const wanted = pattern.split('.')
  const words = topic.split('.')
  if (wanted.at(-1) === '>') {
    if (words.length < wanted.length) return false
  } else if (words.length !== wanted.length) return false
  return wanted.every((word, index) => word === '*' || word === '>' || word === words[index])
}

/** What a filter is made of. */
export type Filter = string | number | boolean | null | readonly Filter[] | { readonly [key: string]: Filter }

const levelsMax = 16

export const filterCheck: Check = (value) =>
  isFilter(value, levelsMax)
    ? undefined
    : `texts, numbers, booleans, null, arrays and plain objects, up to ${levelsMax} levels deep`

function isFilter(value: unknown, levels: number): boolean {
  if (levels === 0) return false
  if (!isObject(value)) return value === null || ['string', 'number', 'boolean'].includes(typeof value)
  if (Array.isArray(value)) return value.every((each) => isFilter(each, levels - 1))
  const prototype = Object.getPrototypeOf(value)
  const isPlain = prototype === null || Object.getPrototypeOf(prototype) === null
  return isPlain && Object.values(value).every((each) => isFilter(each, levels - 1))
}

/** Whether data has all that a filter names. Of an array in the data, one element is enough. */
export function accepts(filter: Filter, data: unknown): boolean {
  if (Array.isArray(filter)) return filter.some((each) => accepts(each, data))
  if (Array.isArray(data)) return data.some((each) => accepts(filter, each))
  if (!isObject(filter)) return Object.is(filter, data)
  return (
    isObject(data) &&
    Object.entries(filter).every(
      ([key, value]) => Object.hasOwn(data, key) && accepts(value as Filter, (data as Record<string, unknown>)[key]),
    )
  )
}
