import { html, nothing } from 'lit-html'
import type { JobSnapshot } from '../engine/job-observers.ts'
import { isTerminal, isWaiting } from '../job/record.ts'
import { printable } from '../shared/printable.ts'
import { isObject } from '../shared/show.ts'
import { verbs } from './bulk.ts'
import { type Model, numberOf } from './model.ts'
import { type Moment, type OpenJob, titleOf } from './open-job.ts'
import { agoOf, button, fact, linkTo, type Part, progressOf, stateOf, timeOf } from './parts.ts'
import { cut, spanOf, textOf } from './value-text.ts'

/** Of what there may be thousands of, the newest are drawn. */
const drawnMax = 200

/** Everything about one job. */
export function jobView(model: Model, open: OpenJob, onExport: () => void): Part {
  const { job, id } = open
  const seen = job?.snapshot()
  return html`<section class="job" aria-label="Job" tabindex="0">
    <div class="bar">
      ${seen ? stateOf(seen.state) : nothing}<span class="end"></span>
      <button aria-label="Close the job" @click=${() => model.go({ job: '' })}>✕</button>
    </div>
    <h2>${seen ? printable(seen.name) : ''} <span class="muted">${printable(id)}</span></h2>
    ${seen && job ? body(model, open, seen, onExport) : html`<p class="muted">${job === null ? 'There is no job with this id.' : 'Looking …'}</p>`}
  </section>`
}

function body(model: Model, open: OpenJob, seen: JobSnapshot, onExport: () => void): Part {
  const { state, tags, headers, parentId, error, progress } = seen
  const byTag = (tag: string) => button(printable(tag), () => model.go({ tag, state: '', job: '' }), 'link')
  const named = Object.entries(headers).map(([name, value]) => `${name}: ${value}`)
  const { why, recorded, past, logs } = open
  return html`${actions(model, seen, onExport)}
    <dl>
      ${fact('Queue', printable(seen.queue))}${fact('Group', seen.group && printable(seen.group))}
      ${fact('Tags', tags.length > 0 ? html`${tags.map((tag) => html`${byTag(tag)} `)}` : undefined)}
      ${fact('Priority', String(seen.priority))}${fact('Attempt', String(seen.attempt))}
      ${fact('Parent', parentId === undefined ? undefined : linkTo(parentId, (job) => model.go({ job })))}
      ${fact('Headers', printable(named.join(', ')))}
      ${timeFact('Added', seen.addedAt)}${timeFact('Due', seen.runAt)}${timeFact('Started', seen.startedAt)}
      ${timeFact('Ended', seen.finishedAt)}${fact('Ran for', ranFor(seen))}
      ${progress === undefined ? nothing : fact('Progress', progressOf(progress))}
    </dl>
    ${section(
      'Why it waits',
      isWaiting(state) &&
        why.length > 0 &&
        html`<ul>${why.map(({ detail }) => html`<li>${printable(detail)}</li>`)}</ul>`,
    )}
    ${section('Error', (error !== undefined || state === 'failed') && errorView(error))}
    ${section('Input', value(open.input))}
    ${section('Result', state === 'completed' && value(open.result))}
    ${section('Checkpoint', recorded?.checkpoint !== undefined && value(recorded.checkpoint))}
    ${section(
      'Steps',
      recorded !== undefined &&
        recorded.steps.size > 0 &&
        html`${earlier(recorded.steps.size)}<dl>${[...recorded.steps].slice(-drawnMax).map(([key, step]) => fact(printable(key), value(step)))}</dl>`,
    )}
    ${section('Timeline', moments(past))}
    ${section('Log', logs.length > 0 && moments(logs))}
    ${isTerminal(state) || logs.length > 0 ? nothing : html`<p class="muted">What it logs from now on is shown here.</p>`}`
}

function actions(model: Model, { id, state, priority }: JobSnapshot, onExport: () => void): Part {
  const can = (verb: keyof typeof verbs) => verbs[verb].states.includes(state)
  const does = (verb: 'retry' | 'cancel' | 'promote') =>
    can(verb) ? button(verbs[verb].label, () => model.act(verb, id)) : nothing
  const setPriority = (event: Event) => model.act('setPriority', id, Number((event.target as HTMLInputElement).value))
  return html`<div class="bar" role="group" aria-label="This job">
    ${does('retry')}${does('cancel')}${does('promote')}
    ${
      can('setPriority')
        ? html`<label>Priority <input type="number" step="any" .value=${String(priority)} @change=${setPriority} /></label>`
        : nothing
    }
    ${button('Export JSON', onExport)}${button('Remove…', () => model.askToRemove(id), 'bad')}
  </div>`
}

const section = (title: string, content: Part | false): Part =>
  content === false ? nothing : html`<h3>${title}</h3>${content}`

const value = (value: unknown): Part => html`<pre tabindex="0">${textOf(value)}</pre>`

const timeFact = (name: string, at: number | undefined): Part =>
  fact(name, at === undefined ? undefined : html`${timeOf(at)} <span class="muted">${agoOf(at)}</span>`)

const ranFor = ({ startedAt, finishedAt }: JobSnapshot): string | undefined =>
  startedAt === undefined || finishedAt === undefined ? undefined : spanOf(finishedAt - startedAt)

const earlier = (count: number): Part =>
  count > drawnMax ? html`<p class="muted">${numberOf(count - drawnMax)} earlier ones are not shown.</p>` : nothing

const moments = (past: readonly Moment[]): Part =>
  html`${earlier(past.length)}<ol class="past">${past.slice(-drawnMax).map(
    ({ at, what, attempt, detail }) => html`<li>
      <time class="muted" title=${timeOf(at)}>${new Date(at).toLocaleTimeString()}</time>
      <span>${what}${attempt ? html` <span class="muted">attempt ${attempt}</span>` : nothing} ${printable(detail)}</span>
    </li>`,
  )}</ol>`

/** The error, and then what has caused it, each with the worker's stack. */
function errorView(error: unknown): Part {
  const chain = [error]
  for (let each = error; isObject(each) && each.cause !== undefined && !chain.includes(each.cause); each = each.cause)
    chain.push(each.cause)
  return html`${chain.map((each, index) => html`<pre tabindex="0" class="bad">${index > 0 ? 'Caused by: ' : ''}${stackOf(each)}</pre>`)}`
}

/** The stack, which begins with name and message in some browsers. Lines stay lines, and nothing in them turns what follows. */
function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return textOf(error)
  const { code, stack = '' } = error as Error & { readonly code?: unknown }
  const head = titleOf(error)
  const lines = cut(`${stack.startsWith(head) ? '' : `${head}\n`}${stack}`.trim())
    .split('\n')
    .map(printable)
  if (code !== undefined) lines.push(`Code: ${textOf(code, 100)}`)
  if ('errors' in error) lines.push(textOf(error.errors))
  return lines.join('\n')
}
