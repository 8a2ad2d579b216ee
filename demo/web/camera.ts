/** What is looked at: the number in the middle, and how much a CSS pixel spans. */
export interface View {
  readonly re: number
  readonly im: number
  readonly scale: number
}

/** Below this, neighbouring pixels are the same number. */
const scaleMin = 4 / 2 ** 41 / 128
const scaleMax = 1 / 40
const easeMs = 70

/** A view that moves smoothly to where it should be. */
export class Camera {
  view: View
  #goal: View
  /** The fastest zoom, as a power of e in a millisecond. */
  #speed = 0

  constructor(view: View) {
    this.view = view
    this.#goal = view
  }

  /** Makes things so many times as large, around a point given in CSS pixels from the middle. */
  zoomBy(factor: number, x: number, y: number): void {
    const { re, im, scale } = this.#goal
    const next = clamp(scale / factor)
    this.#goal = { re: re + x * (scale - next), im: im - y * (scale - next), scale: next }
    this.#speed = 0.012
  }

  panBy(x: number, y: number): void {
    const { re, im, scale } = this.#goal
    this.#goal = { re: re - x * scale, im: im + y * scale, scale }
  }

  flyTo(view: View): void {
    this.#goal = { ...view, scale: clamp(view.scale) }
    this.#speed = 0.0024
  }

  /** Without any movement in between. */
  arrive(): void {
    this.view = this.#goal
  }

  /** Moves on by so much time. Answers whether there is more to come. */
  step(ms: number): boolean {
    const { view } = this
    const goal = this.#goal
    const distance = Math.log(goal.scale / view.scale)
    const offset = Math.hypot(goal.re - view.re, goal.im - view.im) / goal.scale
    if (Math.abs(distance) < 0.002 && offset < 0.3) {
      this.arrive()
      return false
    }
    const share = 1 - Math.exp(-ms / easeMs)
    const change = Math.sign(distance) * Math.min(Math.abs(distance) * share, this.#speed * ms)
    const scale = view.scale * Math.exp(change)
    // In step with the scale, so that the point that is zoomed into stays where it is.
    const along = Math.abs(distance) < 0.002 ? share : (view.scale - scale) / (view.scale - goal.scale)
    this.view = { re: view.re + (goal.re - view.re) * along, im: view.im + (goal.im - view.im) * along, scale }
    return true
  }
}

const clamp = (scale: number): number => Math.min(scaleMax, Math.max(scaleMin, scale))
