import { html, nothing, type TemplateResult } from 'lit-html'
import type { State } from '../job/record.ts'
import { systemClock } from '../platform/host.ts'
import { printable } from '../shared/printable.ts'
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

export const linkTo = (id: string, open: (id: string) => void): Part =>
  html`<button class="link" @click=${() => open(id)}>${printable(id)}</button>`

export const button = (label: string, onClick: () => unknown, kind = ''): Part =>
  html`<button class=${kind} @click=${onClick}>${label}</button>`

/** What it is asked for, by key. */
export const fact = (name: string, value: Part | undefined): Part =>
  value === undefined || value === '' ? nothing : html`<dt>${name}</dt><dd>${value}</dd>`
