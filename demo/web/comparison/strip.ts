import { contextOf, cssColor, density, keepSharp, onThemeChange } from '../dom.ts'
import { type Frame, isFrozen, lateMs } from './run.ts'

/** A frame as long as this is as high as the strip. */
const tallestMs = 500

/** Frames as bars: as wide as they took, as high as it hurts, red if jobs were to blame. */
export class Strip {
  readonly #canvas: HTMLCanvasElement
  readonly #context: CanvasRenderingContext2D
  #size = { width: 0, height: 0 }
  #frames: readonly Frame[] = []
  /** What the whole width stands for. */
  #spanMs = 1
  #colors = colors()

  constructor(canvas: HTMLCanvasElement) {
    this.#canvas = canvas
    this.#context = contextOf(canvas)
    keepSharp(canvas, (width, height) => {
      this.#size = { width, height }
      this.#draw()
    })
    onThemeChange(() => {
      this.#colors = colors()
      this.#draw()
    })
  }

  show(frames: readonly Frame[], spanMs: number, description: string): void {
    this.#frames = frames
    this.#spanMs = spanMs
    this.#canvas.setAttribute('aria-label', description)
    this.#canvas.title = description
    this.#draw()
  }

  #draw(): void {
    const { width, height } = this.#size
    const context = this.#context
    const { good, frozen, muted } = this.#colors
    context.setTransform(density(), 0, 0, density(), 0, 0)
    context.clearRect(0, 0, width, height)
    let left = 0
    for (const frame of this.#frames) {
      const across = (frame.ms / this.#spanMs) * width
      const top = this.#topOf(frame.ms)
      context.fillStyle = isFrozen(frame) ? frozen : good
      context.fillRect(left, top, Math.max(0.6, across - (across > 3 ? 1 : 0.35)), height - top)
      left += across
    }
    context.fillStyle = muted
    context.globalAlpha = 0.5
    for (let x = 0; x < width; x += 6) context.fillRect(x, Math.round(this.#topOf(lateMs)), 2, 1)
    context.globalAlpha = 1
  }

  #topOf(ms: number): number {
    const { height } = this.#size
    return height - (height - 4) * Math.min(1, Math.sqrt(ms / tallestMs))
  }
}

const colors = () => ({ good: cssColor('frame'), frozen: cssColor('late'), muted: cssColor('muted') })
