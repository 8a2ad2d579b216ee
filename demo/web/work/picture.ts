import type { JobContext } from 'offstage/worker'
import { kMeans } from './k-means.ts'
import { fromOklab, toOklab } from './oklab.ts'

export interface PictureInput {
  /** Moved into the job: a photograph has tens of megabytes. */
  readonly bitmap: ImageBitmap
}

export interface Histogram {
  readonly red: number[]
  readonly green: number[]
  readonly blue: number[]
}

export interface Swatch {
  readonly color: string
  /** The part of the picture that is closest to this colour. */
  readonly share: number
}

export interface Pixels {
  readonly width: number
  readonly height: number
  readonly data: Uint8ClampedArray<ArrayBuffer>
}

const bins = 64

/** The picture at the size of a card, back as an ImageBitmap that moves too. */
export function* thumbnail({ bitmap }: PictureInput, job: JobContext<number>) {
  yield 0.1
  const { canvas } = draw(bitmap, 720)
  yield 0.9
  const small = canvas.transferToImageBitmap()
  return job.transfer(small, [small])
}

/** How many pixels have how much of each channel. */
export function* histogram({ bitmap }: PictureInput, _job: JobContext<number>) {
  const { width, height, data } = read(bitmap, 1_200)
  const counts = [0, 1, 2].map(() => new Array<number>(bins).fill(0))
  for (let y = 0; y < height; y++) {
    for (let at = y * width * 4; at < (y + 1) * width * 4; at++) {
      const channel = counts[at % 4]
      if (channel) channel[(data[at] as number) >> 2]!++
    }
    yield y / height
  }
  const [red, green, blue] = counts as [number[], number[], number[]]
  return { red, green, blue } satisfies Histogram
}

/** The colours that stand for the picture, the most frequent first: k-means in a space where distances are as seen. */
export function* palette({ bitmap }: PictureInput, _job: JobContext<number>) {
  const { data } = read(bitmap, 640)
  const points = new Float32Array((data.length / 4) * 3)
  for (let pixel = 0; pixel < data.length / 4; pixel++) {
    points.set(
      toOklab(data[pixel * 4] as number, data[pixel * 4 + 1] as number, data[pixel * 4 + 2] as number),
      pixel * 3,
    )
    if (pixel % 4_096 === 0) yield (0.3 * pixel * 4) / data.length
  }
  const clusters = yield* kMeans(points, 6)
  return clusters
    .map(({ center, share }): Swatch => ({ color: fromOklab(center), share }))
    .sort((a, b) => b.share - a.share)
}

const blurRadius = 28

/** A Gaussian blur, the exact and slow way: each pixel out of its neighbours, first along rows, then along columns. */
export function* blur({ bitmap }: PictureInput, job: JobContext<number>) {
  const { width, height, data } = read(bitmap, 720)
  const weights = gaussian(blurRadius)
  const across = new Uint8ClampedArray(data.length)
  for (let y = 0; y < height; y++) {
    blurLine(data, across, weights, { start: y * width, length: width, stride: 1 })
    yield (0.5 * y) / height
  }
  for (let x = 0; x < width; x++) {
    blurLine(across, data, weights, { start: x, length: height, stride: width })
    yield 0.5 + (0.5 * x) / width
  }
  return job.transfer({ width, height, data } satisfies Pixels, [data.buffer])
}

interface Line {
  readonly start: number
  readonly length: number
  readonly stride: number
}

function blurLine(source: Uint8ClampedArray, target: Uint8ClampedArray, weights: Float32Array, line: Line): void {
  const { start, length, stride } = line
  for (let at = 0; at < length; at++) {
    let red = 0
    let green = 0
    let blue = 0
    for (let tap = 0; tap < weights.length; tap++) {
      const neighbour = Math.min(length - 1, Math.max(0, at + tap - blurRadius))
      const index = (start + neighbour * stride) * 4
      const weight = weights[tap] as number
      red += weight * (source[index] as number)
      green += weight * (source[index + 1] as number)
      blue += weight * (source[index + 2] as number)
    }
    const index = (start + at * stride) * 4
    target[index] = red
    target[index + 1] = green
    target[index + 2] = blue
    target[index + 3] = 255
  }
}

function gaussian(radius: number): Float32Array {
  const raw = Array.from({ length: radius * 2 + 1 }, (_, at) => Math.exp(-4.5 * ((at - radius) / radius) ** 2))
  const sum = raw.reduce((total, weight) => total + weight)
  return Float32Array.from(raw, (weight) => weight / sum)
}

function draw(bitmap: ImageBitmap, sideMax: number) {
  const scale = Math.min(1, sideMax / Math.max(bitmap.width, bitmap.height))
  const canvas = new OffscreenCanvas(Math.ceil(bitmap.width * scale), Math.ceil(bitmap.height * scale))
  const context = canvas.getContext('2d', { willReadFrequently: true }) as OffscreenCanvasRenderingContext2D
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height)
  bitmap.close()
  return { canvas, context }
}

function read(bitmap: ImageBitmap, sideMax: number): ImageData {
  const { canvas, context } = draw(bitmap, sideMax)
  return context.getImageData(0, 0, canvas.width, canvas.height)
}
