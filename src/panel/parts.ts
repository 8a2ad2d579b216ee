import { html, nothing, type TemplateResult } from 'lit-html'
import type { State } from '../job/record.ts'
import { systemClock } from '../platform/host.ts'
import { printable } from '../shared/printable.ts'
import type { Model } from './model.ts'
import { spanOf, textOf } from './value-text.ts'

export type Part = TemplateResult | typeof nothing | string

export const stateOf = (state: State): Part => html`<span class="state ${state}">${state}</span>`

export const timeOf = (at: number): string =>
  new Date(at).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'medium' })

export const agoOf = (at: number): string => {
  const ms = systemClock.now() - at
  return ms < 0 ? `in ${spanOf(-ms)}` : ms < 1_000 ? 'just now' : `${spanOf(ms)} ago`
}

/** A share of the work as a bar, and anything else as text. */
export function progressOf(progress: unknown): Part {
  if (progress === undefined) return nothing
  return typeof progress === 'number' && progress >= 0 && progress <= 1
    ? html`<progress aria-label="Progress" .value=${progress}></progress>`
    : textOf(progress, 200).replace(/\s+/g, ' ')
}

/** `label`: default the id. */
export const linkTo = (id: string, open: (id: string) => void, label = id): Part =>
  html`<button class="link" title=${printable(id)} @click=${() => open(id)}>${printable(label)}</button>`

/** `of`: what it is done to, for those who do not see beside what it stands. */
export const button = (label: string, onClick: () => unknown, kind = '', of = ''): Part =>
  html`<button class=${kind} aria-label=${of ? `${label} ${of}` : nothing} @click=${onClick}>${label}</button>`

/** A button that does something to what has this id, and says then what it has done. */
export function doing(model: Model, label: string, id: string, act: () => unknown, done: string, kind?: string): Part {
  const shown = printable(id)
  return button(label, () => model.do(act, `${done} ${shown}.`), kind, shown)
}

/** Pauses it, or lets it go on. */
export function pausing(model: Model, isPaused: boolean, id: string, act: (verb: 'pause' | 'resume') => unknown): Part {
  return isPaused
    ? doing(model, 'Resume', id, () => act('resume'), 'Resumed')
    : doing(model, 'Pause', id, () => act('pause'), 'Paused')
}

/** What it is asked for, by key. */
export const fact = (name: string, value: Part | undefined): Part =>
  value === undefined || value === '' ? nothing : html`<dt>${name}</dt><dd>${value}</dd>`
