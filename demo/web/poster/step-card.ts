import type { JobSnapshot } from 'offstage'
import { element, percent } from '../dom.ts'
import type { Sheet } from '../work/print.ts'

/** A step as one box of the picture: what it is, how far it is, and what has come of it. */
export class StepCard {
  readonly element: HTMLLIElement
  readonly #state = element('span', { className: 'step-state' })

  /** `view`: what shows the result. */
  constructor(title: string, view: HTMLElement) {
    const text = element('div', { className: 'step-text' }, element('h3', { textContent: title }), this.#state)
    this.element = element('li', { className: 'step' }, view, text)
    this.show(undefined)
  }

  /** `note` instead of what the state says. */
  show(snapshot: JobSnapshot | undefined, note?: string): void {
    const share = snapshot?.state === 'completed' ? 1 : snapshot?.state === 'running' ? shareOf(snapshot.progress) : 0
    this.element.dataset.state = snapshot?.state ?? 'none'
    this.element.style.setProperty('--share', String(share))
    this.#state.textContent = note ?? stateText(snapshot)
  }
}

const shareOf = (progress: unknown): number => (progress as Sheet | undefined)?.share ?? 0

function stateText(snapshot: JobSnapshot | undefined): string {
  if (!snapshot) return 'not begun'
  const { name, state, attempt, progress, error } = snapshot
  const start = (progress as Sheet | undefined)?.starts.at(-1) ?? 0
  switch (state) {
    case 'blocked':
      return 'waits for others'
    case 'queued':
      return attempt > 0 ? 'interrupted' : 'in line'
    case 'scheduled':
      return 'tries again soon'
    case 'running':
      return start > 0 ? `${percent(shareOf(progress))}, from ${percent(start)}` : percent(shareOf(progress))
    case 'completed':
      // The approval begins again, too, when it has its answer.
      return name === 'plate' && attempt > 1 ? `done, interrupted ${attempt - 1} ×` : 'done'
    case 'failed':
      return `failed: ${error instanceof Error ? error.message : error}`
    case 'cancelled':
      return 'cancelled'
  }
}
