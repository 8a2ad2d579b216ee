import { nodeModule } from '../platform/host.ts'
import { printable } from '../shared/printable.ts'

const labelWidth = 14

/** The second and later lines are indented, so that none looks like another field. */
export const field = (label: string, text: string): string =>
  label.padEnd(labelWidth) +
  text
    .split('\n')
    .map(printable)
    .join(`\n${' '.repeat(labelWidth)}`)

/** Node's `inspect` escapes what is in strings, but not the stacks of errors or the sources of regular expressions. */
export const inspect = (value: unknown): string =>
  (nodeModule<typeof import('node:util')>('util')?.inspect ?? String)(value)

export const isMoment = (key: string, value: unknown): value is number => typeof value === 'number' && /At$/.test(key)

export function moment(time: number): string {
  const date = new Date(time)
  return Number.isNaN(date.getTime()) ? String(time) : date.toISOString()
}

/** Returns a count with its noun: `1 job`, `2 jobs`. */
export const counted = (count: number, singular: string, plural = `${singular}s`): string =>
  `${count} ${count === 1 ? singular : plural}`

const units = ['bytes', 'kB', 'MB', 'GB', 'TB'] as const

/** Returns a size as people read it: `3 bytes`, `1.5 MB`. */
export function sizeText(bytes: number): string {
  const unit = Math.min(units.length - 1, bytes < 1_000 ? 0 : Math.floor(Math.log10(bytes) / 3))
  return `${unit === 0 ? bytes : (bytes / 1_000 ** unit).toFixed(1)} ${units[unit]}`
}

/** One very long cell does not make its whole column wide. */
const columnWidthMax = 40

export function* table<Item>(items: readonly Item[], rowOf: (item: Item) => readonly string[]): Iterable<string> {
  const widths: number[] = []
  for (const item of items) {
    for (const [column, { length }] of rowOf(item).entries())
      widths[column] = Math.max(widths[column] ?? 0, Math.min(length, columnWidthMax))
  }
  for (const item of items) {
    const row = rowOf(item).map((cell, column) => cell.padEnd(widths[column] ?? 0))
    yield row.join('  ').trimEnd()
  }
}
