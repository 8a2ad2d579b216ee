import type { JobContext } from 'offstage/worker'

type Span = readonly [from: number, to: number]

export interface PrintInput {
  readonly title: string
  /** Whose turn it is, over and over: `AAB` is twice the growth across, then once the growth upwards. */
  readonly sequence: string
  readonly across: Span
  readonly upwards: Span
}

/** The picture as far as it is printed: what is reported, what is kept for the next attempt, and in the end the result. */
export interface Sheet {
  /** How much of it is printed, from 0 to 1. */
  readonly share: number
  /** How much was there when each attempt began: 0, then where the others went on. */
  readonly starts: readonly number[]
  /** A tone for each pixel, 0 to 255: up to 127 chaos, above it order. */
  readonly tones: Uint8Array<ArrayBuffer>
}

export const printSize = { width: 432, height: 288 }

const rowsPerCheckpoint = 8
const samplesPerSide = 2
const settling = 200
const iterations = 1_600

/**
 * A Lyapunov fractal: a population whose growth changes in turns settles down in some places and never does in others.
 * Every few rows the sheet is kept, so that the job loses no more than these when its tab is gone.
 */
export async function* print(input: PrintInput, job: JobContext<Sheet>) {
  const { width, height } = printSize
  const kept = job.checkpointed as Sheet | undefined
  const tones = new Uint8Array(width * height)
  tones.set(kept?.tones ?? [])
  let rows = (kept?.tones.length ?? 0) / width
  const starts = [...(kept?.starts ?? []), rows / height]
  const sheet = (): Sheet => ({ share: rows / height, starts, tones: tones.slice(0, rows * width) })
  yield sheet()
  while (rows < height) {
    printRow(tones.subarray(rows * width, (rows + 1) * width), rows, input)
    rows++
    yield
    if (rows % rowsPerCheckpoint !== 0) continue
    await job.checkpoint(sheet())
    // Only now: what is seen is safe.
    yield sheet()
  }
  return sheet()
}

function printRow(tones: Uint8Array, row: number, { sequence, across, upwards }: PrintInput): void {
  const turns = [...sequence].map((turn) => turn === 'A')
  const samples = samplesPerSide ** 2
  for (let column = 0; column < tones.length; column++) {
    let sum = 0
    for (let sample = 0; sample < samples; sample++) {
      const x = (column + ((sample % samplesPerSide) + 0.5) / samplesPerSide) / printSize.width
      const y = (row + (Math.floor(sample / samplesPerSide) + 0.5) / samplesPerSide) / printSize.height
      sum += toneOf(exponent(turns, at(across, x), at(upwards, 1 - y)))
    }
    tones[column] = sum / samples
  }
}

const at = ([from, to]: Span, share: number): number => from + (to - from) * share

/** Below 0 where the population settles down, above it where the smallest difference grows. */
function exponent(turns: readonly boolean[], a: number, b: number): number {
  let size = 0.5
  let sum = 0
  // Logarithms are slow: one for each turn of the sequence, not one for each step.
  let product = 1
  for (let step = 0, turn = 0; step < settling + iterations; step++) {
    const growth = turns[turn] ? a : b
    size = growth * size * (1 - size)
    if (step >= settling) product *= Math.abs(growth * (1 - 2 * size))
    if (++turn < turns.length) continue
    turn = 0
    sum += Math.log(Math.max(product, 1e-30))
    product = 1
  }
  return sum / iterations
}

const toneOf = (exponent: number): number =>
  exponent > 0 ? 127 * (1 - Math.min(1, exponent / 0.6) ** 0.6) : 128 + 127 * Math.min(1, -exponent / 2.2) ** 0.5
