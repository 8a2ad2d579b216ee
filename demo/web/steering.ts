export interface Steering {
  /** So many times as large, around a point given in CSS pixels from the middle. */
  zoom(factor: number, x: number, y: number): void
  pan(x: number, y: number): void
  home(): void
  /** Where the pointer is, in CSS pixels from the upper left corner. */
  aim(pointer: Point | undefined): void
  /** The wheel was turned over a canvas that does not have it: the page scrolls. */
  wheelPassed(): void
  /** After each of these. Direct: the picture sticks to the fingers; otherwise it may take its time. */
  changed(isDirect: boolean): void
}

interface Point {
  readonly x: number
  readonly y: number
}

const keyStep = 80
const keyZoom = 1.6

/** Wheel, drag, pinch and keys on a canvas. */
export function steer(canvas: HTMLCanvasElement, steering: Steering): void {
  steerByWheel(canvas, steering)
  steerByPointers(canvas, steering)
  steerByKeys(canvas, steering)
}

function steerByWheel(canvas: HTMLCanvasElement, steering: Steering): void {
  const onWheel = (event: WheelEvent) => {
    // Not taken from those who only scroll past. A pinch on a touchpad is a wheel with the control key, too.
    if (document.activeElement !== canvas && !event.ctrlKey) return steering.wheelPassed()
    event.preventDefault()
    const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1
    const { x, y } = fromMiddle(canvas, event)
    // A pinch comes in smaller steps.
    steering.zoom(Math.exp(-event.deltaY * lines * (event.ctrlKey ? 0.01 : 0.0022)), x, y)
    steering.changed(false)
  }
  canvas.addEventListener('wheel', onWheel, { passive: false })
}

function steerByPointers(canvas: HTMLCanvasElement, steering: Steering): void {
  const down = new Map<number, Point>()
  canvas.addEventListener('pointerdown', (event) => {
    canvas.setPointerCapture(event.pointerId)
    down.set(event.pointerId, event)
    canvas.classList.add('grabbed')
  })
  canvas.addEventListener('pointermove', (event) => {
    const { left, top } = canvas.getBoundingClientRect()
    steering.aim({ x: event.clientX - left, y: event.clientY - top })
    const before = [...down.values()]
    if (!down.has(event.pointerId)) return
    down.set(event.pointerId, { x: event.x, y: event.y })
    follow(canvas, steering, before, [...down.values()])
  })
  // One finger scrolls the page up and down (style.css says so); two are for the picture, also while they move that way.
  const keepTwoFingers = (event: TouchEvent) => {
    if (event.touches.length > 1 && event.cancelable) event.preventDefault()
  }
  canvas.addEventListener('touchmove', keepTwoFingers, { passive: false })
  const lift = (event: PointerEvent) => {
    down.delete(event.pointerId)
    if (down.size === 0) canvas.classList.remove('grabbed')
  }
  canvas.addEventListener('lostpointercapture', lift)
  canvas.addEventListener('pointerleave', () => steering.aim(undefined))
  canvas.addEventListener('dblclick', (event) => {
    const { x, y } = fromMiddle(canvas, event)
    steering.zoom(event.shiftKey ? 1 / 2.5 : 2.5, x, y)
    steering.changed(false)
  })
}

/** One finger pans; two also zoom. */
function follow(
  canvas: HTMLCanvasElement,
  steering: Steering,
  before: readonly Point[],
  after: readonly Point[],
): void {
  const [from, to] = [middleOf(before), middleOf(after)]
  steering.pan(to.x - from.x, to.y - from.y)
  if (after.length === 2) {
    const { x, y } = fromMiddle(canvas, { clientX: to.x, clientY: to.y })
    steering.zoom(apart(after) / apart(before), x, y)
  }
  steering.changed(true)
}

function steerByKeys(canvas: HTMLCanvasElement, steering: Steering): void {
  const keys: Record<string, () => void> = {
    ArrowLeft: () => steering.pan(keyStep, 0),
    ArrowRight: () => steering.pan(-keyStep, 0),
    ArrowUp: () => steering.pan(0, keyStep),
    ArrowDown: () => steering.pan(0, -keyStep),
    '+': () => steering.zoom(keyZoom, 0, 0),
    '=': () => steering.zoom(keyZoom, 0, 0),
    '-': () => steering.zoom(1 / keyZoom, 0, 0),
    '0': () => steering.home(),
  }
  canvas.addEventListener('keydown', (event) => {
    const act = keys[event.key]
    if (!act || event.ctrlKey || event.metaKey) return
    event.preventDefault()
    act()
    steering.changed(false)
  })
}

function fromMiddle(canvas: HTMLCanvasElement, { clientX, clientY }: { clientX: number; clientY: number }): Point {
  const { left, top, width, height } = canvas.getBoundingClientRect()
  return { x: clientX - left - width / 2, y: clientY - top - height / 2 }
}

const middleOf = (points: readonly Point[]): Point => ({
  x: points.reduce((sum, { x }) => sum + x, 0) / points.length,
  y: points.reduce((sum, { y }) => sum + y, 0) / points.length,
})

const apart = ([a, b]: readonly Point[]): number => Math.max(1, Math.hypot(a!.x - b!.x, a!.y - b!.y))
