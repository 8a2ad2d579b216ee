import type { Stats } from '../engine/engine.ts'

/** What is drawn, each a figure of `Stats` over time. */
export interface Sample {
  readonly completed: number
  readonly failed: number
  readonly depth: number
  readonly wait: number
  readonly run: number
}

/** A sample is taken each second, and these many are kept. */
export const samplesMax = 60

export const sampleOf = ({ rates, depth, latencies }: Stats): Sample => ({
  completed: rates.completed,
  failed: rates.failed,
  depth,
  wait: latencies.wait.p95,
  run: latencies.run.p95,
})

export const withSample = (samples: readonly Sample[], sample: Sample): readonly Sample[] =>
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
