import type { Job, JobSnapshot } from 'offstage'
import { element, percent } from './dom.ts'
import type { Sheet } from './work/print.ts'

/** A job of any type, as far as the list goes. */
export type ListedJob = Pick<Job, 'id' | 'name' | 'snapshot' | 'subscribe' | 'cancel' | 'setPriority'>

export interface RowActions {
  /** By so many places: −1 is one up. */
  move(row: JobRow, by: number): void
  drag(row: JobRow, event: PointerEvent): void
}

/** One job as one line of the list. */
export class JobRow {
  readonly job: ListedJob
  readonly element: HTMLLIElement
  readonly #actions: RowActions
  readonly #state = element('span', { className: 'state' })
  readonly #priority = element('span', { className: 'priority', title: 'Priority' })
  readonly #note = element('span', { className: 'note' })
  readonly #bar = element('span', { className: 'bar' })
  readonly #buttons: {
    readonly handle: HTMLElement
    readonly up: HTMLElement
    readonly down: HTMLElement
    readonly cancel: HTMLElement
  }
  #shown: JobSnapshot | undefined

  constructor(job: ListedJob, subject: string, actions: RowActions) {
    this.job = job
    this.#actions = actions
    const title = `${job.name} ${subject}`
    this.#buttons = {
      handle: button('⠿', `Move ${title}: drag, or use the arrow keys`, 'handle'),
      up: button('↑', `Move ${title} up`),
      down: button('↓', `Move ${title} down`),
      cancel: button('✕', `Cancel ${title}`),
    }
    const { handle, up, down, cancel } = this.#buttons
    this.element = element(
      'li',
      { className: 'row' },
      handle,
      element(
        'span',
        { className: 'what' },
        element('span', { className: 'kind', textContent: job.name }),
        element('span', { className: 'subject', textContent: subject }),
        this.#note,
      ),
      this.#state,
      this.#priority,
      element('span', { className: 'buttons' }, up, down, cancel),
      this.#bar,
    )
    this.element.dataset.job = job.id
    this.#listen()
  }

  /** Shows the newest snapshot; cheap when it is the same as before. */
  show(): JobSnapshot {
    const snapshot = this.job.snapshot()
    if (snapshot === this.#shown) return snapshot
    this.#shown = snapshot
    const { state, priority, error } = snapshot
    const { share, start } = state === 'running' ? progressOf(snapshot.progress) : nothing
    this.element.dataset.state = state
    this.element.title = state === 'failed' ? String((error as Error)?.message ?? error) : ''
    this.#state.textContent = stateText(snapshot, share)
    this.#note.textContent = noteText(snapshot, start)
    this.#priority.textContent = state === 'queued' ? String(priority) : ''
    this.#bar.style.setProperty('--share', String(share))
    this.#bar.style.setProperty('--start', String(start))
    return snapshot
  }

  /** The ends of the line have nowhere to go. */
  placeAt(index: number, last: number): void {
    this.#buttons.up.toggleAttribute('disabled', index === 0)
    this.#buttons.down.toggleAttribute('disabled', index === last)
  }

  #listen(): void {
    const { handle, up, down, cancel } = this.#buttons
    up.addEventListener('click', () => this.#actions.move(this, -1))
    down.addEventListener('click', () => this.#actions.move(this, 1))
    cancel.addEventListener('click', () => this.job.cancel('by hand'))
    handle.addEventListener('pointerdown', (event) => this.#actions.drag(this, event))
    handle.addEventListener('keydown', (event) => {
      if (event.key !== 'ArrowUp' && event.key !== 'ArrowDown') return
      event.preventDefault()
      this.#actions.move(this, event.key === 'ArrowUp' ? -1 : 1)
    })
  }
}

interface Progress {
  readonly share: number
  /** Where this attempt went on from. */
  readonly start: number
}

const nothing: Progress = { share: 0, start: 0 }

/** Some jobs report a number, others a whole sheet. */
function progressOf(progress: unknown): Progress {
  if (typeof progress === 'number') return { share: progress, start: 0 }
  const { share, starts } = (progress ?? {}) as Partial<Sheet>
  return { share: share ?? 0, start: starts?.at(-1) ?? 0 }
}

function stateText({ state, startedAt, finishedAt }: JobSnapshot, share: number): string {
  if (state === 'running') return percent(share)
  if (state !== 'completed' || startedAt === undefined || finishedAt === undefined) return state
  const ms = finishedAt - startedAt
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`
}

function noteText({ state, attempt }: JobSnapshot, start: number): string {
  if (state === 'queued' && attempt > 0) return 'interrupted'
  if (state === 'completed' && attempt > 1) return `${attempt} attempts`
  return state === 'running' && start > 0 ? `from ${percent(start)}` : ''
}

const button = (text: string, label: string, className = ''): HTMLButtonElement => {
  const made = element('button', { type: 'button', textContent: text, className, title: label })
  made.setAttribute('aria-label', label)
  return made
}
