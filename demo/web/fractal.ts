import { Camera, type View } from './camera.ts'
import { byId, canvasOf, contextOf, cssColor, density, keepSharp, oncePerFrame, prefersStillness } from './dom.ts'
import type { Performance } from './stage.ts'
import { steer } from './steering.ts'
import { TileQueue } from './tile-queue.ts'
import { ancestorOf, type Box, boxOf, levelOf, type Tile, tilesIn } from './tiles.ts'

interface Drawn {
  readonly tile: Tile
  readonly canvas: HTMLCanvasElement
  /** Of an earlier run: shown until its successor is there. */
  isStale: boolean
}

const home: View = { re: -0.65, im: 0, scale: 3.1 / 860 }
const drawnMax = Math.round(480 / density())
/** Tiles this many levels away are still worth showing while better ones are on their way. */
const coarserMax = 8
const finerMax = 2
const hintMs = 1_600

/** The Mandelbrot set in tiles: those at hand are drawn, those that are missing are jobs. */
export class Fractal {
  readonly #canvas = byId<HTMLCanvasElement>('fractal')
  readonly #context = contextOf(this.#canvas)
  readonly #place = byId('fractal-place')
  readonly #hint = byId('fractal-hint')
  #hintTimer = 0
  readonly #outlines = byId<HTMLInputElement>('outlines')
  readonly #camera = new Camera(home)
  /** The least recently shown first. */
  readonly #drawn = new Map<string, Drawn>()
  readonly #performance: () => Performance
  #size = { width: 0, height: 0 }
  #pointer: { readonly x: number; readonly y: number } | undefined
  #framedAt = 0
  readonly #render = oncePerFrame((now) => this.#frame(now))
  readonly queue: TileQueue

  constructor(performance: () => Performance, onChange: () => void) {
    this.#performance = performance
    this.queue = new TileQueue({
      onTile: (tile, pixels) => this.#keep(tile, pixels),
      onChange: () => {
        onChange()
        this.#render()
      },
    })
    keepSharp(this.#canvas, (width, height) => {
      const isFirst = this.#size.width === 0
      this.#size = { width, height }
      if (!isFirst) return this.#render()
      this.home()
      this.#camera.arrive()
    })
    steer(this.#canvas, {
      zoom: (factor, x, y) => this.#camera.zoomBy(factor, x, y),
      pan: (x, y) => this.#camera.panBy(x, y),
      home: () => this.home(),
      aim: (pointer) => this.#aim(pointer),
      wheelPassed: () => this.#showHint(),
      changed: (isDirect) => {
        if (isDirect || prefersStillness()) this.#camera.arrive()
        this.#render()
      },
    })
    this.#outlines.addEventListener('change', this.#render)
  }

  flyTo(view: View): void {
    this.#camera.flyTo(view)
    if (prefersStillness()) this.#camera.arrive()
    this.#render()
  }

  home(): void {
    this.flyTo({ ...home, scale: Math.max(3.1 / this.#size.width, 2.5 / this.#size.height) })
  }

  zoomBy(factor: number): void {
    this.#camera.zoomBy(factor, 0, 0)
    if (prefersStillness()) this.#camera.arrive()
    this.#render()
  }

  /** Computes the whole set, so that two runs have the same to do. Resolves when all of it is drawn. */
  perform(): Promise<void> {
    this.queue.clear()
    for (const drawn of this.#drawn.values()) drawn.isStale = true
    this.home()
    this.#camera.arrive()
    this.#request()
    return this.queue.whenIdle()
  }

  #showHint(): void {
    this.#hint.classList.add('shown')
    clearTimeout(this.#hintTimer)
    this.#hintTimer = window.setTimeout(() => this.#hint.classList.remove('shown'), hintMs)
  }

  #frame(now: number): void {
    const isMoving = this.#camera.step(Math.min(100, now - this.#framedAt))
    this.#framedAt = now
    this.#request()
    this.#draw()
    if (isMoving) this.#render()
  }

  #request(): void {
    const { width, height } = this.#size
    const wanted = tilesIn(this.#camera.view, width, height)
    for (const key of wanted.keys()) if (this.#drawn.get(key)?.isStale === false) wanted.delete(key)
    this.queue.want(wanted, this.#priorityOf, this.#performance())
  }

  /** The negative distance from the pointer, or from the middle while there is none, in CSS pixels. */
  readonly #priorityOf = (tile: Tile): number => {
    const { x, y, size } = this.#boxOf(tile)
    const { width, height } = this.#size
    const { x: toX, y: toY } = this.#pointer ?? { x: width / 2, y: height / 2 }
    return -Math.round(Math.hypot(x + size / 2 - toX, y + size / 2 - toY))
  }

  #aim(pointer: { readonly x: number; readonly y: number } | undefined): void {
    this.#pointer = pointer
    this.queue.aim(this.#priorityOf, this.#performance())
  }

  #keep(tile: Tile, pixels: Uint8ClampedArray<ArrayBuffer>): void {
    const size = Math.sqrt(pixels.length / 4)
    const [canvas, context] = canvasOf(size, size)
    context.putImageData(new ImageData(pixels, size), 0, 0)
    this.#drawn.delete(tile.key)
    this.#drawn.set(tile.key, { tile, canvas, isStale: false })
    for (const key of this.#drawn.keys()) {
      if (this.#drawn.size <= drawnMax) break
      this.#drawn.delete(key)
    }
  }

  #boxOf(tile: Tile): Box {
    return boxOf(tile, this.#camera.view, this.#size.width, this.#size.height)
  }

  // Drawing.

  #draw(): void {
    const { width, height } = this.#size
    const { view } = this.#camera
    const tiles = [...tilesIn(view, width, height).values()]
    this.#context.setTransform(density(), 0, 0, density(), 0, 0)
    this.#context.fillStyle = '#0b0e16'
    this.#context.fillRect(0, 0, width, height)
    const missing = tiles.filter(({ key }) => !this.#drawn.has(key))
    for (const tile of missing) this.#drawPreview(tile)
    if (missing.length > 0) this.#drawFiner(levelOf(view))
    for (const tile of tiles) this.#drawPart(tile, tile.key, 0, 0, 1)
    if (this.#outlines.checked) this.#drawOutlines()
    this.#place.textContent = placeText(view, home.scale)
  }

  /** The part of a coarser tile that lies where a tile is missing. */
  #drawPreview(tile: Tile): void {
    for (let levels = 1; levels <= Math.min(coarserMax, tile.level); levels++) {
      const { key, x, y, part } = ancestorOf(tile, levels)
      if (this.#drawPart(tile, key, x, y, part)) return
    }
  }

  /** What is left of a closer look. */
  #drawFiner(level: number): void {
    const finer = [...this.#drawn.values()].filter(({ tile }) => tile.level > level && tile.level <= level + finerMax)
    for (const { tile } of finer) this.#drawPart(tile, tile.key, 0, 0, 1)
  }

  /** Draws a part of what is kept under `key` in the place of `tile`. Answers whether there was anything. */
  #drawPart(tile: Tile, key: string, x: number, y: number, part: number): boolean {
    const drawn = this.#drawn.get(key)
    if (!drawn) return false
    // Used last, so forgotten last.
    this.#drawn.delete(key)
    this.#drawn.set(key, drawn)
    const box = this.#boxOf(tile)
    // On whole pixels, or seams would show.
    const snap = (value: number) => Math.round(value * density()) / density()
    const [left, top] = [snap(box.x), snap(box.y)]
    const [width, height] = [snap(box.x + box.size) - left, snap(box.y + box.size) - top]
    const { width: size } = drawn.canvas
    this.#context.drawImage(drawn.canvas, x * size, y * size, part * size, part * size, left, top, width, height)
    return true
  }

  #drawOutlines(): void {
    const context = this.#context
    for (const { tile, isRunning } of this.queue.pending) {
      const { x, y, size } = this.#boxOf(tile)
      context.lineWidth = isRunning ? 2 : 1
      context.strokeStyle = isRunning ? cssColor('spot') : 'rgb(255 255 255 / 0.22)'
      context.strokeRect(Math.round(x) + 1.5, Math.round(y) + 1.5, Math.round(size) - 3, Math.round(size) - 3)
    }
  }
}

function placeText({ re, im, scale }: View, whole: number): string {
  const zoom = Math.max(1, whole / scale)
  const digits = Math.min(15, Math.max(3, Math.ceil(Math.log10(1 / scale))))
  const power = Math.floor(Math.log10(zoom))
  const times =
    power < 4
      ? `${zoom < 10 ? zoom.toFixed(1) : Math.round(zoom)}`
      : `${(zoom / 10 ** power).toFixed(1)} · 10${superscript(power)}`
  return `× ${times}   ${re < 0 ? '−' : ''}${Math.abs(re).toFixed(digits)} ${im < 0 ? '−' : '+'} ${Math.abs(im).toFixed(digits)} i`
}

const superscript = (value: number): string => [...String(value)].map((digit) => '⁰¹²³⁴⁵⁶⁷⁸⁹'[Number(digit)]).join('')
