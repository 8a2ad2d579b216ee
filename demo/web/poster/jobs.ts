// The worker module of the poster: its steps, each a job.
import { defineJobs, type JobContext, NonRetryableError } from 'offstage/worker'
import { gradient } from '../work/color.ts'
import { inked } from '../work/ink.ts'
import { print, printSize, type Sheet } from '../work/print.ts'

/** What somebody has said about the proof. */
export interface Decision {
  readonly isFine: boolean
}

export interface PosterInput {
  readonly title: string
  /** The inks of the plates, in the order of the proof. */
  readonly inks: readonly (readonly string[])[]
}

/** All plates, as they will be on the poster. */
export interface Proof {
  readonly plates: readonly Sheet[]
}

interface ProofParents {
  readonly plates: Readonly<Record<string, Sheet>>
}

const margin = 40
const footer = 96

export const jobs = defineJobs({
  // It keeps a checkpoint every few rows: a new attempt prints what is left.
  plate: print,

  /** What it has waited for is in `job.parents`, by its keys. */
  proof: ({ of }: { of: readonly string[] }, job: JobContext<never, never, ProofParents>): Proof => ({
    plates: of.map((key) => job.parents.plates[key] as Sheet),
  }),

  /** Waits for a person, and holds no thread meanwhile. Who says nothing agrees. */
  async approval({ patienceMs }: { patienceMs: number }, job: JobContext) {
    const decision = await job.waitFor<Decision>('decided', { timeoutMs: patienceMs })
    if (decision?.isFine === false) throw new NonRetryableError('It was refused.')
    return decision ? 'approved' : 'nobody objected'
  },

  async poster({ title, inks }: PosterInput, job: JobContext<never, never, { proof: Proof }>): Promise<Blob> {
    const { width, height } = printSize
    const canvas = new OffscreenCanvas(2 * width + 3 * margin, 2 * height + 3 * margin + footer)
    const context = canvas.getContext('2d') as OffscreenCanvasRenderingContext2D
    context.fillStyle = '#f7f4ec'
    context.fillRect(0, 0, canvas.width, canvas.height)
    for (const [index, { tones }] of job.parents.proof.plates.entries()) {
      const image = inked(tones, gradient(256, inks[index] ?? []), width)
      const [column, row] = [index % 2, Math.floor(index / 2)]
      context.putImageData(image, margin + column * (width + margin), margin + row * (height + margin))
    }
    context.fillStyle = '#1c1b18'
    context.font = '600 44px Georgia, "DejaVu Serif", serif'
    context.fillText(title, margin, canvas.height - margin - 12)
    return canvas.convertToBlob({ type: 'image/png' })
  },
})
