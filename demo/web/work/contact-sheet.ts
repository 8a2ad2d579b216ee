import type { JobContext } from 'offstage/worker'
import { printSize, type Sheet } from './print.ts'

export interface ContactInput {
  readonly title: string
  /** The titles of the sheets that are on it, from left to right. */
  readonly of: readonly string[]
}

const shrunk = 3
const cell = { width: printSize.width / shrunk, height: printSize.height / shrunk }

/** With so many sheets. */
export const contactSize = (count: number) => ({ width: count * cell.width, height: cell.height })

/** All sheets that the job has waited for, side by side. One that was cancelled leaves its place empty. */
export function contactSheet({ of }: ContactInput, job: JobContext<Sheet>): Sheet {
  const { width, height } = contactSize(of.length)
  const tones = new Uint8Array(width * height)
  for (const [index, title] of of.entries()) {
    const sheet = job.parents[title] as Partial<Sheet>
    if (sheet.tones) shrink(sheet.tones, tones.subarray(index * cell.width), width)
  }
  return { share: 1, starts: [], tones }
}

/** Each pixel is the mean of a square. */
function shrink(from: Uint8Array, to: Uint8Array, rowLength: number): void {
  for (let y = 0; y < cell.height; y++) {
    for (let x = 0; x < cell.width; x++) {
      let sum = 0
      for (let row = y * shrunk; row < (y + 1) * shrunk; row++)
        for (let column = x * shrunk; column < (x + 1) * shrunk; column++)
          sum += from[row * printSize.width + column] as number
      to[y * rowLength + x] = sum / shrunk ** 2
    }
  }
}
