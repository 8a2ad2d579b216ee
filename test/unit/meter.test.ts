// How long things take, in few bytes: percentiles that are right within an eighth.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Histogram } from '../../src/engine/meter.ts'

const share = (actual: number, expected: number): number => Math.abs(actual - expected) / expected

test('percentiles are within an eighth of the true ones', () => {
  const durations = fc.array(fc.double({ min: 0.001, max: 100_000, noNaN: true }), { minLength: 1, maxLength: 200 })
  fc.assert(
    fc.property(durations, (values) => {
      const histogram = new Histogram()
      for (const value of values) histogram.add(value)
      const sorted = [...values].sort((a, b) => a - b)
      for (const [percentile, at] of [
        ['p50', 0.5],
        ['p95', 0.95],
        ['p99', 0.99],
      ] as const) {
        const exact = sorted[Math.ceil(sorted.length * at) - 1] as number
        // Whole microseconds are counted.
        if (exact >= 0.1) expect(share(histogram.percentiles()[percentile], exact)).toBeLessThan(0.14)
      }
    }),
  )
})

test('nothing, no time at all, and more than half an hour have their places', () => {
  const histogram = new Histogram()
  expect(histogram.percentiles().p50).toBe(0)
  histogram.add(0)
  expect(histogram.percentiles().p50).toBeLessThan(0.002)
  for (let again = 0; again < 9; again++) histogram.add(1e9)
  expect(histogram.percentiles().p99).toBeGreaterThan(1_800_000)
})
