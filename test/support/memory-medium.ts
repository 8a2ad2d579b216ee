import type { Attachment } from '../../src/store/attachments.ts'
import type { Draft, Medium, OnAttachment } from '../../src/store/medium.ts'

/**
 * The simplest place for a journal's frames: arrays, one for each generation, and for its attachments: a map. They are shared by
 * all who name the same.
 */
export class MemoryMedium implements Medium {
  readonly place = 'memory'
  readonly remedy = ''
  readonly #generations: Uint8Array[][]
  readonly attachments: Map<number, object>
  #isDead = false

  constructor(generations: Uint8Array[][], attachments = new Map<number, object>()) {
    this.#generations = generations
    this.attachments = attachments
  }

  get #frames(): Uint8Array[] {
    return this.#generations.at(-1) as Uint8Array[]
  }

  open(onPiece: (piece: Uint8Array) => void, _host?: unknown, onAttachment?: OnAttachment): Promise<void> {
    for (const [key, object] of this.attachments) onAttachment?.(key, object)
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

  async append(frame: Uint8Array, _isSeal?: boolean, named?: readonly Attachment[]): Promise<void> {
    if (this.#isDead) return new Promise(() => {})
    this.#keep(named)
    this.#frames.push(frame)
  }

  #keep(named: readonly Attachment[] = []): void {
    for (const { key, object } of named) this.attachments.set(key, object)
  }

  async removeAttachments(keys: readonly number[]): Promise<void> {
    if (this.#isDead) return new Promise(() => {})
    for (const key of keys) this.attachments.delete(key)
  }

  placeOf(key: number): string {
    return `attachment ${key}`
  }

  async draft(): Promise<Draft> {
    const frames: Uint8Array[] = []
    return {
      append: async (frame, named) => {
        this.#keep(named)
        frames.push(frame)
      },
      publish: async () => void this.#generations.push(frames),
      discard: async () => {},
    }
  }

  async close(): Promise<void> {}
}
