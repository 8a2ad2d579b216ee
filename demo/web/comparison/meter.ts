import type { Frame } from './run.ts'

interface Span {
  readonly from: number
  readonly to: number
}

/**
 * Measures the time between frames, and how much of it jobs held this thread. The time alone would not do: on a busy machine
 * frames come late though this thread is free, and would be held against workers.
 */
export class Meter {
  #frames: Frame[] | undefined
  #held: Span[] = []
  #previous = 0

  constructor() {
    // A hidden page gets no frames, whatever runs.
    document.addEventListener('visibilitychange', () => {
      this.#previous = 0
    })
  }

  /** Begins to fill a list of frames, and ends the one before. */
  start(onFrame: () => void): readonly Frame[] {
    const frames: Frame[] = []
    this.#frames = frames
    this.#held = []
    this.#previous = performance.now()
    const frame = (): void => {
      if (this.#frames !== frames) return
      this.#measure(frames)
      onFrame()
      requestAnimationFrame(frame)
    }
    requestAnimationFrame(frame)
    return frames
  }

  stop(): void {
    if (this.#frames) this.#measure(this.#frames)
    this.#frames = undefined
  }

  /** A job held this thread for so long. */
  readonly hold = (from: number, to: number): void => {
    this.#held.push({ from, to })
  }

  #measure(frames: Frame[]): void {
    const [from, to] = [this.#previous, performance.now()]
    this.#previous = to
    const heldMs = this.#held.reduce((sum, span) => sum + overlap(span, { from, to }), 0)
    this.#held = []
    if (from > 0) frames.push({ ms: to - from, heldMs })
  }
}

const overlap = (a: Span, b: Span): number => Math.max(0, Math.min(a.to, b.to) - Math.max(a.from, b.from))
