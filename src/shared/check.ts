import { OffstageError } from './errors.ts'
import { put } from './rebuild.ts'
import { isObject, show } from './show.ts'
import { isThenable } from './thenable.ts'

/** Returns what was expected when `value` is out of range, nothing when it is fine. */
export type Check = (value: unknown) => string | undefined

const unless = (isFine: (value: unknown) => boolean, expected: string): Check => {
  return (value) => (isFine(value) ? undefined : expected)
}

export const integer = (min: number, max = Number.MAX_SAFE_INTEGER): Check =>
  unless(
    (value) => Number.isInteger(value) && (value as number) >= min && (value as number) <= max,
    `an integer from ${min}${max === Number.MAX_SAFE_INTEGER ? '' : ` to ${max}`}`,
  )

/** What one check or the other lets through. */
export const either = (one: Check, other: Check): Check => {
  return (value) => one(value) && other(value) && `${one(value)}, or ${other(value)}`
}

const infinity = unless((value) => value === Number.POSITIVE_INFINITY, 'Infinity')
export const integerOrInfinity = (min: number): Check => either(integer(min), infinity)

export const number = (min: number, max = Number.MAX_VALUE): Check => {
  const range =
    min === -Number.MAX_VALUE
      ? 'a finite number'
      : `a number from ${min}${max === Number.MAX_VALUE ? '' : ` to ${max}`}`
  return unless((value) => Number.isFinite(value) && (value as number) >= min && (value as number) <= max, range)
}

export const finite = number(-Number.MAX_VALUE)

/** A span of time. A hundred years is longer than any real use needs and still within what a `Date` can hold. */
export const durationMs = number(0, 100 * 366 * 24 * 60 * 60 * 1000)
export const positiveMs = number(1, 100 * 366 * 24 * 60 * 60 * 1000)
export const durationMsOrInfinity = either(durationMs, infinity)

export const string = (maxLength: number): Check =>
  unless(
    (value) => typeof value === 'string' && value.length >= 1 && value.length <= maxLength,
    `a string of 1 to ${maxLength} characters`,
  )

export const callable = unless((value) => typeof value === 'function', 'a function')
export const boolean = unless((value) => typeof value === 'boolean', 'true or false')
export const array = unless(Array.isArray, 'an array')
export const object = unless((value) => isObject(value) && !Array.isArray(value), 'an object')
export const text = unless((value) => typeof value === 'string', 'a string')

export const oneOf = (...values: readonly string[]): Check =>
  unless((value) => values.includes(value as string), `one of ${values.map((value) => `'${value}'`).join(', ')}`)

export const listOf = (check: Check, what: string): Check =>
  // Not `every`, which skips holes.
  unless(
    (value) => Array.isArray(value) && value.findIndex((item) => check(item) !== undefined) === -1,
    `an array of ${what}`,
  )

/** An array of at most so many. */
export const listUpTo = (max: number, check: Check, what: string): Check => {
  const list = listOf(check, what)
  return (value) => (Array.isArray(value) && value.length > max ? `an array of at most ${max} ${what}` : list(value))
}

/** One of the values, or an array of them. */
export const someOf = (...values: readonly string[]): Check => {
  const one = oneOf(...values)
  return either(one, listOf(one, 'them'))
}

export type Checks = Readonly<Record<string, Check>>

/**
 * Throws `INVALID_OPTION` for the first option that is unknown or out of range, and names it. `undefined` counts as not given.
 * `prefix`: what comes before the name, with a dot at the end.
 */
export function checkOptions(options: unknown, checks: Checks, prefix = ''): void {
  if (options === undefined) return
  if (object(options)) throw invalid(prefix.slice(0, -1) || 'options', 'an object', options)
  for (const name of Object.keys(options as object)) {
    const check = Object.hasOwn(checks, name) ? checks[name] : undefined
    if (!check)
      throw new OffstageError(
        'INVALID_OPTION',
        `There is no option \`${prefix}${name}\`; there are: ${Object.keys(checks).join(', ')}.`,
      )
    const value = (options as Record<string, unknown>)[name]
    if (value === undefined) continue
    const expected = check(value)
    if (expected !== undefined) throw invalid(prefix + name, expected, value)
  }
}

/** An object with these options, each of which is named with that of the object: `name.option`. */
export const nested = (checks: Checks, name: string): Check => {
  return (value) => {
    const expected = object(value)
    if (!expected) checkOptions(value, checks, `${name}.`)
    return expected
  }
}

/**
 * Returns a copy of options that are read again later, so that it does not matter what the caller does with them meanwhile. The
 * copy includes inherited properties, so that they are checked as well. Below `levels` levels the copy shares objects with the
 * original.
 */
export function deepCopy<Options>(options: Options, levels = Number.POSITIVE_INFINITY): Options {
  if (levels === 0 || !isObject(options)) return options
  if (Array.isArray(options)) return Array.from(options, (item) => deepCopy(item, levels - 1)) as Options
  // What a Map or the like holds are no properties; it is left for the check to refuse. A condition has a state of its own.
  if (Symbol.iterator in options || 'isMet' in options) return options
  const copy: Record<string, unknown> = { ...options }
  for (const name in options) if (!(name in copy)) put(copy, name, options[name])
  for (const name of Object.keys(copy)) if (isObject(copy[name])) put(copy, name, deepCopy(copy[name], levels - 1))
  return copy as Options
}

/** Returns a checked copy of options that are read again later. Getters of a class are read as well. */
export function copyOptions<Options extends object>(options: Options, checks: Checks): Options {
  checkArgument('options', object, options)
  const copy = deepCopy(options) as Record<string, unknown>
  for (const name of Object.keys(checks))
    if (name in options && !Object.hasOwn(copy, name)) copy[name] = (options as Record<string, unknown>)[name]
  checkOptions(copy, checks)
  return copy as Options
}

/** Throws `INVALID_OPTION` if the value does not pass the check. `name` is the argument that it came in. */
export function checkArgument(name: string, check: Check, value: unknown): void {
  const expected = check(value)
  if (expected !== undefined) throw invalid(name, expected, value)
}

/** Throws `INVALID_OPTION` unless a function of the application has returned true or false. `name`: of the function. */
export function checkAnswer(name: string, answer: unknown): void {
  // Of an async function. Nobody else hears of its failure.
  if (isThenable(answer)) answer.then(undefined, () => {})
  checkArgument(`${name}()`, boolean, answer)
}

function invalid(name: string, expected: string, value: unknown): OffstageError {
  return new OffstageError('INVALID_OPTION', `Expected \`${name}\` to be ${expected}, got ${show(value)}.`)
}
