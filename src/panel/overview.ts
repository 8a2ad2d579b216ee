import { html, nothing } from 'lit-html'
import type { Stats } from '../engine/engine.ts'
import type { State } from '../job/record.ts'
import { printable } from '../shared/printable.ts'
import type { Model } from './model.ts'
import { numberOf } from './model.ts'
import { button, type Part } from './parts.ts'
import { type View, views } from './route.ts'
import { pointsOf } from './samples.ts'
import { spanOf } from './value-text.ts'

/** What needs attention comes first. */
const order: readonly State[] = ['failed', 'running', 'queued', 'scheduled', 'blocked', 'completed', 'cancelled']

const labels: Record<View, string> = {
  jobs: 'Jobs',
  workers: 'Workers',
  queues: 'Queues',
  schedules: 'Schedules',
  flows: 'Flows and batches',
}

/** What one sees first: how many jobs are in which state, how fast they go, and where to look closer. */
export function overview(model: Model): Part {
  const { route, scheduler, extras } = model
  const { counts, isPaused, isIdle } = scheduler.snapshot()
  const show = (state: State) => () =>
    model.go({ view: 'jobs', state: route.view === 'jobs' && route.state === state ? '' : state })
  const isThere = { schedules: extras.schedules, flows: extras.flows ?? extras.batches }
  const shown = views.filter((view) => !(view in isThere) || isThere[view as keyof typeof isThere])
  const turn = () =>
    model.do(() => (isPaused ? scheduler.resume() : scheduler.pause()), isPaused ? 'Resumed.' : 'Paused.')
  return html`<div class="top">
    <div class="bar" role="group" aria-label="Jobs by state">
      ${order.map(
        (state) => html`<button
          class=${state === 'failed' && counts.failed > 0 ? 'bad' : ''}
          aria-pressed=${route.view === 'jobs' && route.state === state}
          @click=${show(state)}>${state}<b> ${numberOf(counts[state])}</b></button>`,
      )}
      <span class="end muted">${isPaused ? 'Paused' : isIdle ? 'Idle' : 'At work'}</span>
      ${button(isPaused ? 'Resume all' : 'Pause all', turn)}
    </div>
    <div class="figures">
      ${figure(model, 'Completed', ({ rates }) => rates.completed, perSecond)}
      ${figure(model, 'Failed', ({ rates }) => rates.failed, perSecond, 'bad')}
      ${figure(model, 'Queued', ({ depth }) => depth, numberOf)}
      ${figure(model, 'Wait, p95', ({ latencies }) => latencies.wait.p95, spanOf)}
      ${figure(model, 'Run, p95', ({ latencies }) => latencies.run.p95, spanOf)}
    </div>
    <nav class="bar" aria-label="Views">
      ${shown.map(
        (view) => html`<button
          aria-current=${route.view === view ? 'page' : nothing}
          @click=${() => model.go({ view })}>${labels[view]}</button>`,
      )}
      <span class="end ${model.isError ? 'bad' : 'muted'}" role="status">${printable(model.status)}</span>
    </nav>
  </div>`
}

const perSecond = (rate: number): string => `${Math.round(rate * 10) / 10}/s`

/** A figure over the last minute. */
function figure(
  { samples }: Model,
  label: string,
  of: (sample: Stats) => number,
  text: (value: number) => string,
  kind = '',
): Part {
  const values = samples.map(of)
  const now = text(values.at(-1) ?? 0)
  const most = text(Math.max(0, ...values))
  return html`<figure>
    <figcaption>${label} <b>${now}</b></figcaption>
    <svg viewBox="0 0 100 28" preserveAspectRatio="none" role="img" aria-label="${label} in the last minute: at most ${most}">
      <polyline class=${kind} points=${pointsOf(values, 100, 28)} />
    </svg>
  </figure>`
}
