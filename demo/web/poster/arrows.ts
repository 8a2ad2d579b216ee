const svg = 'http://www.w3.org/2000/svg'

/** An arrow from one box to another; done when the first is. */
export interface Arrow {
  readonly from: HTMLElement
  readonly to: HTMLElement
}

/** Draws arrows between the boxes in a frame, across or downwards, however these lie. */
export class Arrows {
  readonly #frame: HTMLElement
  readonly #drawing = document.createElementNS(svg, 'svg')
  readonly #paths: ReadonlyMap<Arrow, SVGPathElement>

  constructor(frame: HTMLElement, arrows: readonly Arrow[]) {
    this.#frame = frame
    this.#paths = new Map(arrows.map((arrow) => [arrow, document.createElementNS(svg, 'path')]))
    this.#drawing.setAttribute('aria-hidden', 'true')
    this.#drawing.classList.add('arrows')
    this.#drawing.append(...this.#paths.values())
    frame.prepend(this.#drawing)
    const observer = new ResizeObserver(() => this.#draw())
    for (const box of [frame, ...arrows.flatMap(({ from, to }) => [from, to])]) observer.observe(box)
  }

  /** Follows what the boxes say about their state. */
  show(): void {
    for (const [{ from, to }, path] of this.#paths) {
      path.classList.toggle('done', from.dataset.state === 'completed')
      path.classList.toggle('flowing', from.dataset.state === 'completed' && to.dataset.state === 'running')
    }
  }

  #draw(): void {
    const frame = this.#frame.getBoundingClientRect()
    for (const [{ from, to }, path] of this.#paths) {
      path.setAttribute('d', curve(from.getBoundingClientRect(), to.getBoundingClientRect(), frame))
    }
  }
}

function curve(from: DOMRect, to: DOMRect, frame: DOMRect): string {
  const isAcross = to.left >= from.right
  const [startX, startY] = isAcross
    ? [from.right, from.top + from.height / 2]
    : [from.left + from.width / 2, from.bottom]
  const [endX, endY] = isAcross ? [to.left, to.top + to.height / 2] : [to.left + to.width / 2, to.top]
  const [x1, y1, x2, y2] = [startX - frame.left, startY - frame.top, endX - frame.left, endY - frame.top]
  const [middleX, middleY] = [(x1 + x2) / 2, (y1 + y2) / 2]
  return isAcross
    ? `M ${x1} ${y1} C ${middleX} ${y1}, ${middleX} ${y2}, ${x2} ${y2}`
    : `M ${x1} ${y1} C ${x1} ${middleY}, ${x2} ${middleY}, ${x2} ${y2}`
}
