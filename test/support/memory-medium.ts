import type { Draft, Medium } from '../../src/store/medium.ts'

/** The simplest place for a journal's frames: arrays, one for each generation, shared by all who name the same. */
export class MemoryMedium implements Medium {
  readonly place = 'memory'
  readonly remedy = ''
  readonly #generations: Uint8Array[][]
  #isDead = false

  constructor(generations: Uint8Array[][]) {
    this.#generations = generations
  }

  get #frames(): Uint8Array[] {
    return this.#generations.at(-1) as Uint8Array[]
  }

  open(onPiece: (piece: Uint8Array) => void): Promise<void> {
    return this.read(onPiece)
  }

  async read(onPiece: (piece: Uint8Array) => void): Promise<void> {
    for (const frame of this.#frames) onPiece(frame)
  }

  async secure(): Promise<void> {}

  /** Frames are whole or not there, so it is always between two. */
  async cut(offset: number): Promise<undefined> {
    const frames = this.#frames
    let end = 0
    const kept = frames.findIndex(({ length }) => {
      end += length
      return end > offset
    })
    if (kept !== -1) frames.splice(kept)
  }

  /** Its process is dead: nothing is written any more, and nothing answered. */
  kill(): void {
    this.#isDead = true
  }

  async append(frame: Uint8Array): Promise<void> {
    if (this.#isDead) return new Promise(() => {})
    this.#frames.push(frame)
  }

  async draft(): Promise<Draft> {
    const frames: Uint8Array[] = []
    return {
      append: async (frame) => void frames.push(frame),
      publish: async () => void this.#generations.push(frames),
      discard: async () => {},
    }
  }

  async close(): Promise<void> {}
}
