import { html, nothing } from 'lit-html'
import type { QueueState } from '../engine/engine.ts'
import type { JobSnapshot } from '../engine/job-observers.ts'
import type { ListedBatch } from '../flows/batches-extension.ts'
import type { ListedFlow } from '../flows/flows-extension.ts'
import { systemClock } from '../platform/host.ts'
import type { Schedule } from '../schedules/schedule.ts'
import { printable } from '../shared/printable.ts'
import { jobsOf } from './families.ts'
import { type Exit, jobs, type Model, numberOf } from './model.ts'
import { agoOf, button, doing, linkTo, type Part, pausing, progressOf, stateOf, timeOf } from './parts.ts'
import { spanOf } from './value-text.ts'

/** No more jobs of a flow than this are shown. */
const flowJobsMax = 200

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
    ${table(['Type', 'Id', 'Attempt', 'For', 'Progress'], model.running.map(run))}
    <h3>Ended since the panel was opened</h3>
    ${table(['Worker', 'When', 'Why'], model.exits.map(exit))}
  </div>`
}

const exit = ({ at, workerId, why }: Exit): readonly Part[] => [String(workerId), agoOf(at), printable(why)]

const table = (heads: readonly string[], rows: readonly (readonly Part[])[]): Part =>
  rows.length === 0
    ? html`<p class="muted">None.</p>`
    : html`<table>
        <thead><tr>${heads.map((head) => html`<th scope="col">${head}</th>`)}</tr></thead>
        <tbody>${rows.map((cells) => html`<tr>${cells.map((cell, index) => html`<td data-head=${heads[index]}>${cell}</td>`)}</tr>`)}</tbody>
      </table>`

/** The queues, with their limits, which can be set. */
export function queuesView(model: Model): Part {
  return html`<div class="view">
    ${table(
      ['Queue', 'Waiting', 'Running', 'Limits', 'Actions'],
      model.queues.map((queue) => queueRow(model, queue)),
    )}
  </div>`
}

function queueRow(
  model: Model,
  { name, isPaused, size, running, concurrency, rateLimit }: QueueState,
): readonly Part[] {
  const queue = () => model.scheduler.queue(name)
  const shown = printable(name)
  const setLimits = (event: Event) => {
    event.preventDefault()
    const entered = new FormData(event.target as HTMLFormElement)
    const number = (field: string) => Number(entered.get(field) || Number.NaN)
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
      ${pausing(model, isPaused, name, (verb) => queue()[verb]())}
      ${doing(model, 'Reset to options', name, () => queue().reset(), 'Reset')}
    </span>`,
  ]
}

/** The schedules: when they come next, and when they came last. */
export function schedulesView(model: Model): Part {
  return html`<div class="view">
    ${table(
      ['Schedule', 'When', 'Adds', 'Next', 'Last', 'Jobs', 'Actions'],
      model.schedules.map((schedule) => scheduleRow(model, schedule)),
    )}
  </div>`
}

function scheduleRow(
  model: Model,
  { id, spec, job, isPaused, nextAt, lastAt, lastJobId, count }: Schedule,
): readonly Part[] {
  const act = (verb: 'pause' | 'resume' | 'trigger' | 'remove') => model.extras.schedules?.[verb](id)
  return [
    printable(id),
    spec.cron === undefined ? `every ${spanOf(spec.everyMs)}` : `${printable(spec.cron)} ${spec.timeZone ?? ''}`,
    printable(job.name),
    isPaused ? 'paused' : nextAt === undefined ? 'never' : html`<span title=${timeOf(nextAt)}>${agoOf(nextAt)}</span>`,
    lastAt === undefined || lastJobId === undefined
      ? ''
      : linkTo(lastJobId, (job) => model.go({ view: 'jobs', job }), agoOf(lastAt)),
    numberOf(count),
    html`<span class="inline">${doing(model, 'Run now', id, () => act('trigger'), 'Added a job of')}
      ${pausing(model, isPaused, id, act)}${doing(model, 'Remove', id, () => act('remove'), 'Removed', 'bad')}</span>`,
  ]
}

/** The flows, the batches, and the jobs of the flow that is open. */
export function familiesView(model: Model): Part {
  const { flows, batches, flow, familiesMax } = model
  const flowRow = ({ id, state, ended, total }: ListedFlow): readonly Part[] => [
    html`<button class="link" aria-expanded=${flow?.id === id} @click=${() => model.openFlow(id)}>${printable(id)}</button>`,
    stateOf(state),
    numberOf(total),
    numberOf(ended),
  ]
  const batchRow = ({
    id,
    state,
    isOpen,
    total,
    completed,
    failed,
    cancelled,
    pending,
  }: ListedBatch): readonly Part[] => [
    printable(id),
    html`${stateOf(state)}${isOpen ? html` <span class="muted">open</span>` : nothing}`,
    ...[total, completed, failed, cancelled, pending].map(numberOf),
  ]
  return html`<div class="view">
    <h3>Flows</h3>
    ${table(['Flow', 'State', 'Jobs', 'Ended'], flows.map(flowRow))}
    ${flow ? flowView(model, flow) : nothing}
    <h3>Batches</h3>
    ${table(['Batch', 'State', 'Jobs', 'Completed', 'Failed', 'Cancelled', 'Pending'], batches.map(batchRow))}
    ${Math.max(flows.length, batches.length) < familiesMax ? nothing : button('Show more', () => model.moreFamilies())}
  </div>`
}

/** The jobs of one flow; if there are thousands, the first ones. */
function flowView(model: Model, flow: NonNullable<Model['flow']>): Part {
  const rows: (readonly Part[])[] = []
  for (const [key, job] of jobsOf(flow.jobs)) {
    if (rows.length === flowJobsMax) break
    rows.push([printable(key), stateOf(job.snapshot().state), linkTo(job.id, (job) => model.go({ view: 'jobs', job }))])
  }
  const isRunning = model.flows.some(({ id, state }) => id === flow.id && state === 'running')
  return html`<div class="bar">
      <h3>${printable(flow.id)}</h3>
      ${isRunning ? doing(model, 'Cancel', flow.id, () => flow.cancel(), 'Cancelled') : nothing}
    </div>
    ${table(['Key', 'State', 'Id'], rows)}
    ${rows.length < flowJobsMax ? nothing : html`<p class="muted">These are the first ${jobs(flowJobsMax)}.</p>`}`
}
