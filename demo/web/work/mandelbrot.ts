import type { JobContext } from 'offstage/worker'
import { gradient } from './color.ts'

export interface TileInput {
  /** The number in its upper left corner. */
  readonly re: number
  readonly im: number
  /** From one pixel to the next. */
  readonly step: number
  /** Pixels on a side. */
  readonly size: number
  readonly iterations: number
}

const rowsPerYield = 4
const escaped = 2 ** 8

/** One square of the Mandelbrot set. */
export function* tile({ re, im, step, size, iterations }: TileInput, job: JobContext<number>) {
  const colors = new Uint32Array(size * size)
  for (let row = 0; row < size; row++) {
    paintRow(colors.subarray(row * size, (row + 1) * size), re, im - row * step, step, iterations)
    if (row % rowsPerYield === 0) yield
  }
  return job.transfer(new Uint8ClampedArray(colors.buffer), [colors.buffer])
}

function paintRow(row: Uint32Array, re: number, im: number, step: number, iterations: number): void {
  for (let at = 0; at < row.length; at++) row[at] = color(escapeTime(re + at * step, im, iterations))
}

/** Iterations until the number escapes, smoothed between whole ones; `Infinity` for numbers of the set. */
function escapeTime(re: number, im: number, iterations: number): number {
  if (isInBody(re, im)) return Number.POSITIVE_INFINITY
  let x = 0
  let y = 0
  // A number that comes back to where it was is caught for ever: most of the work inside the set is saved by that.
  let lastX = 0
  let lastY = 0
  for (let n = 1; n <= iterations; n++) {
    const xx = x * x
    const yy = y * y
    if (xx + yy > escaped) return n + 1 - Math.log2(Math.log2(xx + yy) / 2)
    y = 2 * x * y + im
    x = xx - yy + re
    if (x === lastX && y === lastY) break
    if ((n & (n - 1)) === 0) {
      lastX = x
      lastY = y
    }
  }
  return Number.POSITIVE_INFINITY
}

/** The two largest parts have a formula. */
function isInBody(re: number, im: number): boolean {
  const offset = re - 0.25
  const q = offset * offset + im * im
  return q * (q + offset) <= 0.25 * im * im || (re + 1) ** 2 + im * im <= 0.0625
}

const shades = 1_024
const cycle = gradient(shades, ['#0d1526', '#1d3f72', '#4d93ad', '#f2e8d5', '#dfa257', '#8e3b2b', '#0d1526'])
const inside = gradient(1, ['#0b0e16'])[0] as number

const color = (time: number): number =>
  time === Number.POSITIVE_INFINITY ? inside : (cycle[Math.floor(Math.sqrt(Math.max(time, 0)) * 96) % shades] as number)
