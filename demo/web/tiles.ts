import type { View } from './camera.ts'
import { density } from './dom.ts'
import type { TileInput } from './work/mandelbrot.ts'

/** One square of the plane. Squares of one level are half as wide as those of the level before. */
export interface Tile {
  readonly key: string
  readonly level: number
  /** Its place in the grid of its level, to the right and downwards from zero. */
  readonly column: number
  readonly row: number
  /** Its upper left corner and its width, in the plane. */
  readonly re: number
  readonly im: number
  readonly span: number
}

export interface Box {
  readonly x: number
  readonly y: number
  readonly size: number
}

/** About so many CSS pixels on a side. */
const side = 128
const spanOfAll = 4

export const levelOf = ({ scale }: View): number => Math.max(0, Math.round(Math.log2(spanOfAll / (scale * side))))

/** The tiles that cover a view of this size, in CSS pixels. */
export function tilesIn(view: View, width: number, height: number): Map<string, Tile> {
  const level = levelOf(view)
  const span = spanOfAll / 2 ** level
  const [left, right] = [view.re - (width / 2) * view.scale, view.re + (width / 2) * view.scale]
  const [top, bottom] = [view.im + (height / 2) * view.scale, view.im - (height / 2) * view.scale]
  const tiles = new Map<string, Tile>()
  for (let row = Math.floor(-top / span); -row * span > bottom; row++) {
    for (let column = Math.floor(left / span); column * span < right; column++) {
      const key = keyOf(level, column, row)
      tiles.set(key, { key, level, column, row, re: column * span, im: -row * span, span })
    }
  }
  return tiles
}

/** The tile so many levels above that holds this one, and which part of it that is, in shares of its side. */
export function ancestorOf(
  { level, column, row }: Tile,
  levels: number,
): { key: string; x: number; y: number; part: number } {
  const part = 2 ** -levels
  const [left, top] = [column * part, row * part]
  const [ancestorColumn, ancestorRow] = [Math.floor(left), Math.floor(top)]
  return {
    key: keyOf(level - levels, ancestorColumn, ancestorRow),
    x: left - ancestorColumn,
    y: top - ancestorRow,
    part,
  }
}

const keyOf = (level: number, column: number, row: number): string => `${level}/${column}/${row}`

/** Where a tile is, in CSS pixels from the upper left corner. */
export const boxOf = ({ re, im, span }: Tile, view: View, width: number, height: number): Box => ({
  x: (re - view.re) / view.scale + width / 2,
  y: (view.im - im) / view.scale + height / 2,
  size: span / view.scale,
})

export function inputOf({ re, im, span, level }: Tile): TileInput {
  const size = Math.round(side * density())
  const step = span / size
  return { re: re + step / 2, im: im - step / 2, step, size, iterations: Math.min(4_000, 160 + 60 * level) }
}
