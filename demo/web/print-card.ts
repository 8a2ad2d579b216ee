import type { JobOf, WaitReason } from 'offstage'
import { canvasOf, element, percent } from './dom.ts'
import type { Motif } from './motifs.ts'
import type { jobs } from './print-jobs.ts'
import { gradient } from './work/color.ts'
import { inked } from './work/ink.ts'
import { printSize, type Sheet } from './work/print.ts'

export type PrintJob = JobOf<typeof jobs, 'print'>

interface Result {
  readonly job: PrintJob
  /** Undefined until it is fetched. */
  sheet: Sheet | undefined
}

/** One motif: an empty sheet that can be clicked, or as much of it as is printed. */
export class PrintCard {
  readonly title: string
  readonly element: HTMLElement
  readonly #ink: Uint32Array
  readonly #context: CanvasRenderingContext2D
  readonly #sheet: HTMLButtonElement
  readonly #state = element('span', { className: 'state' })
  readonly #seams = element('span', { className: 'seams' })
  readonly #jobs = new Set<PrintJob>()
  #result: Result | undefined
  #drawn: Sheet | undefined
  /** Why its job waits. */
  #why = ''

  constructor({ input, ink }: Motif, onPrint: () => void) {
    const { title } = input
    const [canvas, context] = canvasOf(printSize.width, printSize.height)
    this.title = title
    this.#ink = gradient(256, ink)
    this.#context = context
    const call = element('span', { className: 'call', textContent: 'Print' })
    this.#sheet = element(
      'button',
      { type: 'button', className: 'sheet empty-sheet', onclick: onPrint },
      canvas,
      this.#seams,
      call,
    )
    this.#sheet.setAttribute('aria-label', `Print ${title}`)
    const caption = element(
      'figcaption',
      { className: 'below-sheet' },
      element('span', { textContent: title }),
      this.#state,
    )
    this.element = element('li', {}, element('figure', { className: 'print' }, this.#sheet, caption))
  }

  add(job: PrintJob): void {
    this.#jobs.add(job)
  }

  remove(job: PrintJob): void {
    this.#jobs.delete(job)
  }

  get isUnderWay(): boolean {
    return [...this.#jobs].some((job) => job.snapshot().finishedAt === undefined)
  }

  /** Is anything there that can be cleared away? */
  get hasEnded(): boolean {
    return [...this.#jobs].some((job) => job.snapshot().finishedAt !== undefined)
  }

  /** A job may be gone when it is asked about. */
  async askWhy(ask: (id: string) => Promise<readonly WaitReason[]>): Promise<void> {
    const waiting = [...this.#jobs].find((job) => job.snapshot().state === 'queued')
    const reasons = waiting ? await ask(waiting.id).catch(() => []) : []
    this.#why = reasons.map(({ detail }) => detail).join(' ')
  }

  /** What runs, or else what was printed last. */
  show(): void {
    const jobs = [...this.#jobs].map((job) => ({ job, snapshot: job.snapshot() }))
    const running = jobs.find(({ snapshot }) => snapshot.state === 'running')
    const printed = jobs
      .filter(({ snapshot }) => snapshot.state === 'completed')
      .sort((a, b) => (b.snapshot.finishedAt as number) - (a.snapshot.finishedAt as number))[0]
    const sheet = running ? running.snapshot.progress : printed && this.#resultOf(printed.job)
    this.#sheet.disabled = this.isUnderWay
    this.#sheet.classList.toggle('running', running !== undefined)
    this.#state.textContent = running ? percent(sheet?.share ?? 0) : this.isUnderWay ? this.#why || 'waits' : ''
    // Until there is something new, as between two attempts, what is there stays.
    if (sheet || !(printed || this.isUnderWay)) this.#draw(sheet)
  }

  /** Fetched once. */
  #resultOf(job: PrintJob): Sheet | undefined {
    if (this.#result?.job === job) return this.#result.sheet
    const result: Result = { job, sheet: undefined }
    this.#result = result
    const arrived = (sheet: Sheet) => {
      result.sheet = sheet
      this.show()
    }
    // It is there, for the job has ended well; only the end of the scheduler comes in between.
    job.result().then(arrived, () => {})
    return undefined
  }

  #draw(sheet: Sheet | undefined): void {
    if (sheet === this.#drawn) return
    this.#drawn = sheet
    const { width, height } = printSize
    this.#context.clearRect(0, 0, width, height)
    this.#sheet.classList.toggle('empty-sheet', !sheet?.share)
    this.#sheet.style.setProperty('--share', String(sheet?.share ?? 0))
    this.#seams.replaceChildren(...(sheet?.starts ?? []).filter((start) => start > 0).map(seam))
    if (!sheet?.share) return
    this.#context.putImageData(inked(sheet.tones, this.#ink, width), 0, 0)
  }
}

/** Where an attempt went on. */
function seam(start: number): HTMLElement {
  const made = element('span', {
    className: 'seam',
    title: `A tab was gone at ${percent(start)}, and it went on from here.`,
  })
  made.style.top = percent(start).replace(' ', '')
  return made
}
