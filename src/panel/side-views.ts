import { html, nothing } from 'lit-html'
import type { QueueState } from '../engine/engine.ts'
import type { JobSnapshot } from '../engine/job-observers.ts'
import type { FlowTree } from '../flows/flow.ts'
import { systemClock } from '../platform/host.ts'
import type { Schedule } from '../schedules/schedule.ts'
import { printable } from '../shared/printable.ts'
import { type Model, numberOf } from './model.ts'
import { agoOf, linkTo, type Part, progressOf, stateOf, timeOf } from './parts.ts'
import { spanOf } from './value-text.ts'

/** Which threads there are, what runs on them, and how they ended. */
export function workersView(model: Model): Part {
  const { online, busy, starting } = model.scheduler.stats().workers
  const open = (job: string) => model.go({ view: 'jobs', job })
  const run = ({ id, name, attempt, startedAt, progress }: JobSnapshot): readonly Part[] => [
    printable(name),
    linkTo(id, open),
    String(attempt),
    startedAt === undefined ? '' : spanOf(systemClock.now() - startedAt),
    progressOf(progress),
  ]
  return html`<div class="view">
    <p>${numberOf(online)} online, ${numberOf(busy)} busy, ${numberOf(starting)} starting</p>
    <h3>What they run</h3>
    ${
      model.running.length > 0
        ? table(['Type', 'Id', 'Attempt', 'For', 'Progress'], model.running.map(run))
        : html`<p class="muted">Nothing runs.</p>`
    }
    <h3>Ended since the panel was opened</h3>
    ${
      model.exits.length > 0
        ? html`<ul>${model.exits.map(
            ({ at, what, detail }) => html`<li>
            <span class="muted">${agoOf(at)}</span> ${what}: ${printable(detail)}</li>`,
          )}</ul>`
        : html`<p class="muted">None.</p>`
    }
  </div>`
}

const table = (heads: readonly string[], rows: readonly (readonly Part[])[]): Part => html`<table>
  <thead><tr>${heads.map((head) => html`<th scope="col">${head}</th>`)}</tr></thead>
  <tbody>${rows.map((cells) => html`<tr>${cells.map((cell, index) => html`<td data-head=${heads[index]}>${cell}</td>`)}</tr>`)}</tbody>
</table>`

/** The queues, with their limits, which can be set. */
export function queuesView(model: Model): Part {
  const { queues } = model
  return html`<div class="view">
    ${table(
      ['Queue', 'Waiting', 'Running', 'Limits', 'Actions'],
      queues.map((queue) => queueRow(model, queue)),
    )}
  </div>`
}

function queueRow(
  model: Model,
  { name, isPaused, size, running, concurrency, rateLimit }: QueueState,
): readonly Part[] {
  const queue = () => model.scheduler.queue(name)
  const shown = printable(name)
  const turn = () =>
    model.do(() => (isPaused ? queue().resume() : queue().pause()), `${isPaused ? 'Resumed' : 'Paused'} ${shown}.`)
  const setLimits = (event: Event) => {
    event.preventDefault()
    const said = new FormData(event.target as HTMLFormElement)
    const number = (field: string) => Number(said.get(field) || Number.NaN)
    const limit = number('limit')
    return model.do(async () => {
      await queue().setConcurrency(number('concurrency') || Number.POSITIVE_INFINITY)
      await queue().setRateLimit(limit ? { ...rateLimit, limit, intervalMs: number('intervalMs') } : undefined)
    }, `Set the limits of ${shown}.`)
  }
  const limit = (label: string, field: string, value: number | undefined) => html`<label
    >${label}<input type="number" min="1" name=${field} aria-label="${label}, ${shown}"
      .value=${value === undefined || value === Number.POSITIVE_INFINITY ? '' : String(value)} placeholder="none"
  /></label>`
  return [
    html`${linkTo(name, () => model.go({ view: 'jobs', queue: name }))}${isPaused ? html` <span class="muted">paused</span>` : nothing}`,
    numberOf(size),
    numberOf(running),
    html`<form class="inline" @submit=${setLimits}>
      ${limit('At a time', 'concurrency', concurrency)}${limit('Starts', 'limit', rateLimit?.limit)}
      ${limit('in ms', 'intervalMs', rateLimit?.intervalMs)}<button aria-label="Set the limits of ${shown}">Set</button>
    </form>`,
    html`<span class="inline">
      <button aria-label="${isPaused ? 'Resume' : 'Pause'} ${shown}" @click=${turn}>${isPaused ? 'Resume' : 'Pause'}</button>
      <button aria-label="Reset ${shown}" title="Back to what the options of the scheduler say"
        @click=${() => model.do(() => queue().reset(), `Reset ${shown}.`)}>Reset</button>
    </span>`,
  ]
}

/** The schedules, with when they come. */
export function schedulesView(model: Model): Part {
  const { schedules } = model
  if (schedules.length === 0) return html`<p class="empty">There are no schedules.</p>`
  const heads = ['Schedule', 'When', 'Adds', 'Next', 'Last', 'Jobs', 'Actions']
  return html`<div class="view">${table(
    heads,
    schedules.map((schedule) => scheduleRow(model, schedule)),
  )}</div>`
}

function scheduleRow(
  model: Model,
  { id, spec, job, isPaused, nextAt, lastAt, lastJobId, count }: Schedule,
): readonly Part[] {
  const shown = printable(id)
  const does = (label: string, verb: 'pause' | 'resume' | 'trigger' | 'remove', done: string) => html`<button
    class=${verb === 'remove' ? 'bad' : ''} aria-label="${label} ${shown}"
    @click=${() => model.do(() => model.extras.schedules?.[verb](id), `${done} ${shown}.`)}>${label}</button>`
  return [
    shown,
    spec.cron === undefined ? `every ${spanOf(spec.everyMs)}` : `${printable(spec.cron)} ${spec.timeZone ?? ''}`,
    printable(job.name),
    isPaused ? 'paused' : nextAt === undefined ? 'never' : html`<span title=${timeOf(nextAt)}>${agoOf(nextAt)}</span>`,
    lastAt === undefined || lastJobId === undefined
      ? ''
      : html`<button class="link" title=${printable(lastJobId)}
          @click=${() => model.go({ view: 'jobs', job: lastJobId })}>${agoOf(lastAt)}</button>`,
    numberOf(count),
    html`<span class="inline">${does('Run now', 'trigger', 'Added a job of')}
      ${isPaused ? does('Resume', 'resume', 'Resumed') : does('Pause', 'pause', 'Paused')}
      ${does('Remove', 'remove', 'Removed')}</span>`,
  ]
}

/** The flows, as trees of their jobs, and the batches, as counts. */
export function familiesView(model: Model): Part {
  const { families } = model
  const find = (event: Event) => {
    event.preventDefault()
    const id = String(new FormData(event.target as HTMLFormElement).get('id'))
    return model.do(async () => {
      if (!(await families.add(id))) throw new Error(`There is no flow and no batch with the id ${printable(id)}.`)
    }, 'Found.')
  }
  const flows = [...families.flows.values()].map((flow) => {
    const { id, state, ended, total, jobs } = flow.snapshot()
    return html`<li><details ?open=${state !== 'completed'}>
      <summary>${printable(id)} <span class="muted">${state}, ${ended} of ${total} ended</span></summary>
      ${tree(model, jobs)}
      ${
        state === 'running'
          ? html`<button aria-label="Cancel ${printable(id)}" @click=${() => model.do(() => flow.cancel(), `Cancelled ${printable(id)}.`)}>Cancel</button>`
          : nothing
      }
    </details></li>`
  })
  const batches = [...families.batches.values()].map(({ id, snapshot }) => {
    const { total, completed, failed, cancelled, pending } = snapshot()
    return [
      printable(id),
      html`<progress aria-label="Ended" max=${total || 1} .value=${total - pending}></progress>`,
      ...[total, completed, failed, cancelled, pending].map(numberOf),
    ]
  })
  return html`<div class="view">
    <form class="inline" @submit=${find}><label>Id of a flow or batch<input name="id" required /></label><button>Find</button></form>
    <h3>Flows</h3>
    ${flows.length > 0 ? html`<ul>${flows}</ul>` : html`<p class="muted">None was found.</p>`}
    <h3>Batches</h3>
    ${
      batches.length > 0
        ? table(['Batch', 'Ended', 'Jobs', 'Completed', 'Failed', 'Cancelled', 'Pending'], batches)
        : html`<p class="muted">None was found.</p>`
    }
  </div>`
}

/** A job has a state that is a text; a flow within a flow has none, or a member with that key. */
const isJob = (item: JobSnapshot | FlowTree | undefined): item is JobSnapshot => typeof item?.state === 'string'

const tree = (model: Model, jobs: FlowTree): Part => html`<ul class="tree">
  ${Object.entries(jobs).map(
    ([key, item]) =>
      html`<li>${
        isJob(item)
          ? html`${stateOf(item.state)} ${printable(key)} ${linkTo(item.id, (job) => model.go({ view: 'jobs', job }))}`
          : html`${printable(key)} ${tree(model, item)}`
      }</li>`,
  )}
</ul>`
