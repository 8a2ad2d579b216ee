import { byId, contextOf, cssColor, density, keepSharp, onThemeChange, prefersStillness } from './dom.ts'

interface Frame {
  /** When it was shown. */
  readonly at: number
  /** Since the frame before it. */
  readonly ms: number
}

const windowMs = 10_000
const lateMs = 50
/** A frame as long as this is as high as the strip. */
const tallestMs = 500
const readoutMs = 250
const stillMs = 1_000
/** To the right of the strip. */
const labelWidth = 48

/** The time between frames: as wide as it took, as high as it hurts. */
export class FrameStrip {
  readonly #canvas = byId<HTMLCanvasElement>('frames')
  readonly #context = contextOf(this.#canvas)
  readonly #longest = byId('frames-longest')
  readonly #late = byId('frames-late')
  readonly #blocked = byId('frames-blocked')
  #frames: Frame[] = []
  #previous = 0
  #readAt = 0
  #drawnAt = 0
  #size = { width: 0, height: 0 }
  #colors = colors()

  constructor() {
    keepSharp(this.#canvas, (width, height) => {
      this.#size = { width, height }
    })
    onThemeChange(() => {
      this.#colors = colors()
    })
    // A hidden page gets no frames; that is not the work's fault.
    document.addEventListener('visibilitychange', () => {
      this.#previous = 0
    })
    requestAnimationFrame((now) => this.#frame(now))
  }

  /** Forgets what was, so that two runs can be compared. */
  clear(): void {
    this.#frames = []
  }

  #frame(now: number): void {
    if (this.#previous) this.#frames.push({ at: now, ms: now - this.#previous })
    this.#previous = now
    const stale = this.#frames.findIndex(({ at }) => at > now - windowMs)
    if (stale > 60) this.#frames.splice(0, stale)
    if (now - this.#readAt > readoutMs) this.#read(now)
    if (now - this.#drawnAt > (prefersStillness() ? stillMs : 0)) this.#draw(now)
    requestAnimationFrame((next) => this.#frame(next))
  }

  #read(now: number): void {
    this.#readAt = now
    const times = this.#frames.filter(({ at }) => at > now - windowMs).map(({ ms }) => ms)
    const longest = Math.max(0, ...times)
    const late = times.filter((ms) => ms > lateMs)
    const blocked = late.reduce((sum, ms) => sum + ms - lateMs, 0)
    this.#longest.textContent = `${Math.round(longest)} ms`
    this.#late.textContent = String(late.length)
    this.#blocked.textContent = `${(blocked / 1_000).toFixed(1)} s`
    for (const readout of [this.#longest, this.#late, this.#blocked]) readout.classList.toggle('late', late.length > 0)
  }

  #draw(now: number): void {
    this.#drawnAt = now
    const width = this.#size.width - labelWidth
    const { height } = this.#size
    const context = this.#context
    const yOf = (ms: number) => height - (height - 8) * Math.min(1, Math.sqrt(ms / tallestMs))
    context.setTransform(density(), 0, 0, density(), 0, 0)
    context.clearRect(0, 0, width, height)
    for (const { at, ms } of this.#frames) {
      const right = width - ((now - at) / windowMs) * width
      const isLate = ms > lateMs
      context.fillStyle = isLate ? this.#colors.late : this.#colors.good
      const across = (ms / windowMs) * width
      const y = yOf(ms)
      context.fillRect(right - across, y, Math.max(0.6, across - (across > 3 ? 1 : 0.35)), height - y)
    }
    context.clearRect(width, 0, labelWidth, height)
    this.#rule(yOf(lateMs), width)
  }

  #rule(y: number, width: number): void {
    const context = this.#context
    context.fillStyle = this.#colors.muted
    context.globalAlpha = 0.5
    for (let x = 0; x < width; x += 6) context.fillRect(x, Math.round(y), 2, 1)
    context.globalAlpha = 1
    context.font = '11px system-ui, sans-serif'
    context.fillText(`${lateMs} ms`, width + 8, y + 4)
  }
}

const colors = () => ({ good: cssColor('frame'), late: cssColor('late'), muted: cssColor('muted') })
