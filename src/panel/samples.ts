import type { Stats } from '../engine/engine.ts'

/** A sample is taken each second, and these many are kept. */
export const samplesMax = 60

export const withSample = (samples: readonly Stats[], sample: Stats): readonly Stats[] =>
  [...samples, sample].slice(-samplesMax)

/** Returns the points of a line in a box of this size, the newest value at its right end. All values are shown from 0 up. */
export function pointsOf(values: readonly number[], width: number, height: number): string {
  const top = Math.max(...values, Number.MIN_VALUE)
  const step = width / (samplesMax - 1)
  const rounded = (number: number) => Math.round(number * 10) / 10
  const point = (value: number, index: number) =>
    `${rounded(width - (values.length - 1 - index) * step)},${rounded(height - (value / top) * height)}`
  return values.map(point).join(' ')
}
