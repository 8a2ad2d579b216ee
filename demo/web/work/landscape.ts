import type { JobContext } from 'offstage/worker'
import { mix, pixel, type Rgb, rgb } from './color.ts'

export interface LandscapeInput {
  readonly width: number
  readonly height: number
  readonly seed: number
  /** Colours of the sky from top to horizon, of the sun, and of the hills in front. */
  readonly zenith: string
  readonly horizon: string
  readonly sun: string
  readonly hills: string
  /** Where the sun stands, as shares of width and height. */
  readonly sunAt: readonly [x: number, y: number]
}

const ridgeCount = 7

/** A picture of hills in haze, so that there is something to work on before anybody drops a photograph. */
export function* landscape(input: LandscapeInput, job: JobContext<number>) {
  const { width, height, seed } = input
  const colors = new Uint32Array(width * height)
  const skyline = ridges(width, height, seed)
  const scene = { input, zenith: rgb(input.zenith), horizon: rgb(input.horizon), sun: rgb(input.sun) }
  const hills = rgb(input.hills)
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const ridge = skyline.findIndex((heights) => y >= (heights[x] as number))
      const color = ridge === -1 ? sky(scene, x, y) : hill(scene, hills, ridge, y - (skyline[ridge]?.[x] as number))
      colors[y * width + x] = pixel(color)
    }
    yield y / height
  }
  return job.transfer(new Uint8ClampedArray(colors.buffer), [colors.buffer])
}

interface Scene {
  readonly input: LandscapeInput
  readonly zenith: Rgb
  readonly horizon: Rgb
  readonly sun: Rgb
}

/** The upper edge of each ridge, the nearest first. */
function ridges(width: number, height: number, seed: number): Float32Array[] {
  return Array.from({ length: ridgeCount }, (_, ridge) => {
    const distance = ridge / (ridgeCount - 1)
    const base = height * (0.96 - 0.42 * distance ** 0.8)
    const rise = height * (0.3 - 0.17 * distance)
    const frequency = (2.2 + 3.5 * distance) / width
    return Float32Array.from({ length: width }, (_, x) => base - rise * layered(x * frequency, ridge * 7.3, seed, 6))
  })
}

function sky({ input, zenith, horizon, sun }: Scene, x: number, y: number): Rgb {
  const { width, height, seed, sunAt } = input
  const height01 = y / height
  const base = mix(zenith, horizon, Math.min(1, height01 * 1.7) ** 0.8)
  const distance = Math.hypot(x - width * sunAt[0], y - height * sunAt[1]) / height
  const disc = Math.min(1, Math.max(0, (0.062 - distance) * 160))
  const glow = Math.max(0.55 * Math.exp(-distance * 3.2), disc)
  const cloud = layered((x / width) * 3 + 9, (height01 * 9) ** 1.1, seed + 5, 5)
  const veil = Math.max(0, cloud - 0.52) * 1.1 * (1 - disc)
  return mix(mix(base, sun, glow), horizon, Math.min(0.8, veil))
}

function hill({ horizon }: Scene, hills: Rgb, ridge: number, below: number): Rgb {
  const distance = (ridge + 0.4) / ridgeCount
  // Mist lies in the valleys, so a hill fades towards its foot.
  return mix(hills, horizon, Math.min(0.94, distance ** 0.85 + Math.min(0.22, below * 0.0011)))
}

/** Several octaves of smooth noise, from 0 to 1. */
function layered(x: number, y: number, seed: number, octaves: number): number {
  let sum = 0
  let weight = 0.5
  for (let octave = 0; octave < octaves; octave++) {
    sum += weight * noise(x * 2 ** octave, y * 2 ** octave, seed + octave)
    weight /= 2
  }
  return sum
}

function noise(x: number, y: number, seed: number): number {
  const left = Math.floor(x)
  const top = Math.floor(y)
  const right = ease(x - left)
  const down = ease(y - top)
  const upper = lerp(random(left, top, seed), random(left + 1, top, seed), right)
  const lower = lerp(random(left, top + 1, seed), random(left + 1, top + 1, seed), right)
  return lerp(upper, lower, down)
}

const lerp = (from: number, to: number, share: number): number => from + (to - from) * share
const ease = (share: number): number => share * share * (3 - 2 * share)

/** The same number, from 0 to 1, for the same place. */
function random(x: number, y: number, seed: number): number {
  let hash = Math.imul(x, 374_761_393) + Math.imul(y, 668_265_263) + Math.imul(seed, 1_274_126_177)
  hash = Math.imul(hash ^ (hash >>> 13), 1_274_126_177)
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32
}
