import type { Job, JobOf, JobSnapshot } from 'offstage'
import { canvasOf, element } from '../dom.ts'
import type { Motif } from '../motifs.ts'
import { gradient } from '../work/color.ts'
import { inked } from '../work/ink.ts'
import { printSize, type Sheet } from '../work/print.ts'
import type { Decision, jobs, Proof } from './jobs.ts'
import { StepCard } from './step-card.ts'

type Table = typeof jobs

/** One step of the flow as it is shown. */
interface Step<Shown> {
  readonly element: HTMLElement
  /** Undefined while there is no flow. */
  show(job: Shown | undefined): void
}

type ShownJob<Value> = Pick<Job<Value>, 'snapshot' | 'result'>

/** What a job has returned: fetched once, when it is there. */
class Result<Value> {
  #job: ShownJob<Value> | undefined

  /** Calls back with it, and with undefined when the job has none yet. */
  follow(job: ShownJob<Value> | undefined, onResult: (value: Value | undefined) => void): void {
    const done = job?.snapshot().state === 'completed' ? job : undefined
    if (done === this.#job) return
    this.#job = done
    if (!done) return onResult(undefined)
    // It is there, for the job has ended well; only the end of the scheduler comes in between.
    done.result().then(onResult, () => {})
  }
}

/** A plate, as far as it is printed. */
export class PlateStep implements Step<JobOf<Table, 'plate'>> {
  readonly #canvas = canvasOf(printSize.width, printSize.height)
  readonly #card: StepCard
  readonly #ink: Uint32Array
  readonly #result = new Result<Sheet>()
  #drawn: Sheet | undefined

  constructor({ input, ink }: Motif) {
    this.#ink = gradient(256, ink)
    this.#card = new StepCard(input.title, pictureOf(this.#canvas[0]))
  }

  get element(): HTMLElement {
    return this.#card.element
  }

  show(job: JobOf<Table, 'plate'> | undefined): void {
    const snapshot = job?.snapshot()
    this.#card.show(snapshot)
    if (snapshot?.state === 'running' && snapshot.progress) this.#draw(snapshot.progress)
    if (!snapshot || snapshot.attempt === 0) this.#draw(undefined)
    this.#result.follow(job, (sheet) => sheet && this.#draw(sheet))
  }

  #draw(sheet: Sheet | undefined): void {
    if (sheet === this.#drawn) return
    this.#drawn = sheet
    const [, context] = this.#canvas
    context.clearRect(0, 0, printSize.width, printSize.height)
    if (sheet?.tones.length) context.putImageData(inked(sheet.tones, this.#ink, printSize.width), 0, 0)
  }
}

/** All plates together. */
export class ProofStep implements Step<JobOf<Table, 'proof'>> {
  readonly #canvas = canvasOf(2 * printSize.width, 2 * printSize.height)
  readonly #card = new StepCard('Proof', pictureOf(this.#canvas[0]))
  readonly #inks: readonly Uint32Array[]
  readonly #result = new Result<Proof>()

  constructor(motifs: readonly Motif[]) {
    this.#inks = motifs.map(({ ink }) => gradient(256, ink))
  }

  get element(): HTMLElement {
    return this.#card.element
  }

  show(job: JobOf<Table, 'proof'> | undefined): void {
    this.#card.show(job?.snapshot())
    this.#result.follow(job, (proof) => this.#draw(proof))
  }

  #draw(proof: Proof | undefined): void {
    const [canvas, context] = this.#canvas
    const { width, height } = printSize
    context.clearRect(0, 0, canvas.width, canvas.height)
    for (const [index, { tones }] of (proof?.plates ?? []).entries()) {
      const image = inked(tones, this.#inks[index] as Uint32Array, width)
      context.putImageData(image, (index % 2) * width, Math.floor(index / 2) * height)
    }
  }
}

/** The step that waits for whoever looks at it. */
export class ApprovalStep implements Step<JobOf<Table, 'approval'>> {
  readonly #approve = element('button', { type: 'button', className: 'primary', textContent: 'Approve' })
  readonly #refuse = element('button', { type: 'button', textContent: 'Refuse' })
  readonly #card = new StepCard('Your approval', element('div', { className: 'decide' }, this.#approve, this.#refuse))
  #job: JobOf<Table, 'approval'> | undefined

  constructor(onDecided: (job: JobOf<Table, 'approval'>, decision: Decision) => void) {
    this.#approve.addEventListener('click', () => this.#job && onDecided(this.#job, { isFine: true }))
    this.#refuse.addEventListener('click', () => this.#job && onDecided(this.#job, { isFine: false }))
  }

  get element(): HTMLElement {
    return this.#card.element
  }

  show(job: JobOf<Table, 'approval'> | undefined): void {
    this.#job = job
    const snapshot = job?.snapshot()
    const isAsked = snapshot !== undefined && isWaiting(snapshot)
    this.#card.element.classList.toggle('asks', isAsked)
    for (const button of [this.#approve, this.#refuse]) button.disabled = !isAsked
    this.#card.show(snapshot, isAsked ? `waits for you: ${secondsTo(snapshot.runAt as number)} s` : undefined)
  }
}

/** It is scheduled for the end of its patience. */
const isWaiting = ({ state, runAt }: JobSnapshot): boolean => state === 'scheduled' && runAt !== undefined

const secondsTo = (time: number): number => Math.max(0, Math.ceil((time - Date.now()) / 1_000))

/** What all of it was for. */
export class PosterStep implements Step<JobOf<Table, 'poster'>> {
  readonly #image = element('img', { alt: 'The poster', hidden: true })
  readonly #save = element('a', { className: 'button', textContent: 'Save it', download: 'poster.png' })
  readonly #card = new StepCard('Poster', pictureOf(this.#image, 'poster-picture'))
  readonly #result = new Result<Blob>()

  get element(): HTMLElement {
    return this.#card.element
  }

  show(job: JobOf<Table, 'poster'> | undefined): void {
    this.#card.show(job?.snapshot())
    this.#result.follow(job, (blob) => this.#put(blob))
  }

  #put(blob: Blob | undefined): void {
    URL.revokeObjectURL(this.#image.src)
    const url = blob ? URL.createObjectURL(blob) : ''
    this.#image.src = url
    this.#save.href = url
    this.#image.hidden = !blob
    // A link that leads nowhere is none.
    if (blob) this.#card.element.append(this.#save)
    else this.#save.remove()
  }
}

const pictureOf = (inside: HTMLElement, kind = ''): HTMLElement =>
  element('div', { className: `step-picture ${kind}` }, inside)
