import { canvasOf, contextOf, cssColor, element } from './dom.ts'
import type { Histogram, Pixels, Swatch } from './work/picture.ts'

const histogramSize = { width: 192, height: 96 }

/** What the jobs of one picture found out, each part filled in when it comes. */
export class PictureCard {
  readonly element: HTMLElement
  readonly #parts = {
    thumbnail: element('div', { className: 'part thumbnail' }),
    histogram: element('div', { className: 'part histogram' }),
    blur: element('div', { className: 'part blur' }),
    palette: element('div', { className: 'part palette' }),
  }

  constructor(title: string) {
    const { thumbnail, histogram, blur, palette } = this.#parts
    this.element = element(
      'figure',
      { className: 'card' },
      thumbnail,
      element('div', { className: 'details' }, histogram, blur),
      palette,
      element('figcaption', { textContent: title, title }),
    )
    this.clear()
  }

  clear(): void {
    for (const part of Object.values(this.#parts)) part.replaceChildren()
  }

  thumbnail(bitmap: ImageBitmap): void {
    const [canvas, context] = canvasOf(bitmap.width, bitmap.height)
    context.drawImage(bitmap, 0, 0)
    bitmap.close()
    this.#parts.thumbnail.replaceChildren(canvas)
  }

  blur({ width, height, data }: Pixels): void {
    const [canvas, context] = canvasOf(width, height)
    context.putImageData(new ImageData(data, width), 0, 0)
    this.#parts.blur.replaceChildren(canvas)
  }

  palette(swatches: readonly Swatch[]): void {
    this.#parts.palette.replaceChildren(
      ...swatches.map(({ color, share }) => {
        const swatch = element('span', { title: `${color}, ${Math.round(share * 100)} %` })
        swatch.style.background = color
        // Even a rare colour is seen.
        swatch.style.flexGrow = String(0.06 + share)
        return swatch
      }),
    )
  }

  histogram({ red, green, blue }: Histogram): void {
    const { width, height } = histogramSize
    const canvas = element('canvas', { width, height })
    const context = contextOf(canvas)
    // The largest few are often the sky or a border; they may be cut off.
    const sorted = [...red, ...green, ...blue].sort((a, b) => b - a)
    const most = sorted[4] || 1
    for (const [channel, counts] of Object.entries({ red, green, blue })) {
      context.fillStyle = cssColor(`channel-${channel}`)
      context.beginPath()
      context.moveTo(0, height)
      counts.forEach((count, bin) => {
        context.lineTo(((bin + 0.5) / counts.length) * width, height - height * Math.min(1, count / most))
      })
      context.lineTo(width, height)
      context.globalAlpha = 0.6
      context.fill()
    }
    this.#parts.histogram.replaceChildren(canvas)
  }
}
