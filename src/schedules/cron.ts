/**
 * Cron expressions. croner calculates; what it does not know is written in terms of what it does: `H`, and ranges that go over
 * the end (`22-2`, `FRI-MON`).
 */
import { Cron } from 'croner'
import { OffstageError } from '../shared/errors.ts'
import { show } from '../shared/show.ts'

interface Field {
  readonly name: string
  readonly min: number
  readonly max: number
  /** Names of the values, from `min` on. */
  readonly names?: readonly string[]
}

const second: Field = { name: 'second', min: 0, max: 59 }
const year: Field = { name: 'year', min: 1, max: 9_999 }
const fiveFields: readonly Field[] = [
  { name: 'minute', min: 0, max: 59 },
  { name: 'hour', min: 0, max: 23 },
  { name: 'day of the month', min: 1, max: 31 },
  { name: 'month', min: 1, max: 12, names: ['JAN', 'FEB', 'MAR', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC'] }, // biome-ignore format: one line.
  { name: 'day of the week', min: 0, max: 6, names: ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT'] },
]

/** `H` spreads days over those that every month has. */
const lastDayOfEveryMonth = 28

/** The times at which a cron expression comes. */
export interface CronTimes {
  /** Returns the first time after `after`; `undefined` if there is none. */
  next(after: number): number | undefined
  /** Returns the last `count` times up to `upTo`, oldest first. */
  newest(count: number, upTo: number): number[]
}

/** `id`: what `H` is a hash of. Throws `INVALID_OPTION`, which names the field, for an expression that makes no sense. */
export function cronTimes(expression: string, timeZone: string, id: string): CronTimes {
  const cron = parse(expression, timeZone, id)
  return {
    next(after) {
      const time = cron.nextRun(new Date(after))?.getTime()
      // A next time that is not later would be found again and again.
      return time !== undefined && time > after ? time : undefined
    },
    newest(count, upTo) {
      // croner looks before the second that it is given.
      const times = cron.previousRuns(count, new Date(Math.floor(upTo / 1_000) * 1_000 + 1_000))
      return times.map(Number).reverse()
    },
  }
}

function parse(expression: string, timeZone: string, id: string): Cron {
  const parts = expression.trim().split(/\s+/)
  const fields = fieldsOf(parts.length)
  const plain = parts.map((part, at) => (fields ? inPlainTerms(part, fields[at] as Field, `${id} ${at}`) : part))
  try {
    return new Cron(plain.join(' '), { timezone: timeZone })
  } catch (cause) {
    const at = fields ? plain.findIndex((part, at) => !isFine(part, at, plain.length)) : -1
    const where = at === -1 ? '' : `its ${fields?.[at]?.name} is ${show(parts[at])}: `
    // croner counts months and days from 0, so the value that it names is another one.
    const why = (cause as Error).message.replace(/^CronPattern: | for \w+: .*|\.$/g, '')
    throw new OffstageError(
      'INVALID_OPTION',
      `Expected \`spec.cron\` to be a cron expression, got ${show(expression)}: ${where}${why}.`,
      { cause },
    )
  }
}

function fieldsOf(count: number): readonly Field[] | undefined {
  if (count === 5) return fiveFields
  if (count === 6) return [second, ...fiveFields]
  return count === 7 ? [second, ...fiveFields, year] : undefined
}

/** Whether a field is fine beside others that allow everything. */
function isFine(part: string, at: number, count: number): boolean {
  try {
    new Cron(Array.from({ length: count }, (_, other) => (other === at ? part : '*')).join(' '))
    return true
  } catch {
    return false
  }
}

const inPlainTerms = (part: string, field: Field, key: string): string =>
  part
    .split(',')
    .map((item) => spread(item, field, key) ?? overTheEnd(item, field) ?? item)
    .join(',')

const spreadPattern = /^H(?:\((\d+)-(\d+)\))?(?:\/([1-9]\d*))?$/

/** `H`, `H(0-29)`, `H/15` and `H(0-29)/15`: a value that the key decides, or every 15th from such a value on. */
function spread(item: string, { name, min, max }: Field, key: string): string | undefined {
  const [isMeant, from, to, step] = spreadPattern.exec(item) ?? []
  const first = Number(from ?? min)
  const last = Number(to ?? (name === 'day of the month' ? lastDayOfEveryMonth : max))
  if (!isMeant || first > last) return undefined
  const start = first + (hash(key) % Math.min(last - first + 1, Number(step ?? Number.POSITIVE_INFINITY)))
  return step === undefined ? `${start}` : `${start}-${last}/${step}`
}

/** A range from a later to an earlier value, as the list of its values. */
function overTheEnd(item: string, field: Field): string | undefined {
  const [, first, last, step = '1'] = /^(\w+)-(\w+)(?:\/(\d+))?$/.exec(item) ?? []
  const [from, to, every] = [numberIn(first, field), numberIn(last, field), Number(step)]
  if (from === undefined || to === undefined || from <= to || every < 1) return undefined
  const { min, max } = field
  const count = max - min + 1
  const values: number[] = []
  for (let value = from; value <= to + count; value += every) values.push(value > max ? value - count : value)
  return values.join(',')
}

function numberIn(text: string | undefined, { name, min, max, names = [] }: Field): number | undefined {
  const named = names.indexOf((text ?? '').toUpperCase())
  if (named !== -1) return min + named
  const value = /^\d+$/.test(text ?? '') ? Number(text) : Number.NaN
  // Sunday has two numbers.
  if (name === 'day of the week' && value === 7) return 7
  return value >= min && value <= max ? value : undefined
}

/** FNV-1a: the same number for the same text on every machine. */
export function hash(text: string): number {
  let value = 0x811c9dc5
  for (let at = 0; at < text.length; at++) value = Math.imul(value ^ text.charCodeAt(at), 0x01000193)
  return value >>> 0
}
