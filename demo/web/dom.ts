type Children = readonly (Node | string)[]

/** A new element with properties and children. */
export function element<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  properties: Partial<HTMLElementTagNameMap[Tag]> = {},
  ...children: Children
): HTMLElementTagNameMap[Tag] {
  const made = Object.assign(document.createElement(tag), properties)
  made.append(...children)
  return made
}

/** The element of that id, which index.html has. */
export function byId<Kind extends HTMLElement = HTMLElement>(id: string): Kind {
  const found = document.getElementById(id)
  if (!found) throw new Error(`index.html has no element #${id}.`)
  return found as Kind
}

/** A canvas of so many pixels, to put pictures on. */
export function canvasOf(width: number, height: number): [HTMLCanvasElement, CanvasRenderingContext2D] {
  const canvas = element('canvas', { width, height })
  return [canvas, contextOf(canvas)]
}

export const contextOf = (canvas: HTMLCanvasElement): CanvasRenderingContext2D =>
  canvas.getContext('2d') as CanvasRenderingContext2D

/** Screen pixels to a CSS pixel; more than two cannot be seen. */
export const density = (): number => Math.min(2, devicePixelRatio || 1)

/** Keeps a canvas as sharp as the screen. Calls back with its size in CSS pixels, at once and when that changes. */
export function keepSharp(canvas: HTMLCanvasElement, onResize: (width: number, height: number) => void): void {
  const resize = (): void => {
    const { clientWidth, clientHeight } = canvas
    const [width, height] = [Math.round(clientWidth * density()), Math.round(clientHeight * density())]
    if (canvas.width === width && canvas.height === height) return
    Object.assign(canvas, { width, height })
    onResize(clientWidth, clientHeight)
  }
  resize()
  new ResizeObserver(resize).observe(canvas)
}

/** A colour of style.css, which knows of light and dark. */
export const cssColor = (name: string): string =>
  getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim()

export const percent = (share: number): string => `${Math.round(share * 100)} %`

const still = matchMedia('(prefers-reduced-motion: reduce)')
export const prefersStillness = (): boolean => still.matches

export function onThemeChange(listener: () => void): void {
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', listener)
}

/** Calls `work` once in the next frame, however often it is asked to until then. */
export function oncePerFrame(work: (now: number) => void): () => void {
  let isAsked = false
  return () => {
    if (isAsked) return
    isAsked = true
    requestAnimationFrame((now) => {
      isAsked = false
      work(now)
    })
  }
}
