import { html, nothing } from 'lit-html'
import { printable } from '../shared/printable.ts'
import { type Bulk, verbs } from './bulk.ts'
import { jobView } from './job-view.ts'
import { filterView, gridView, type Sight } from './list-view.ts'
import { jobs, type Model, numberOf } from './model.ts'
import { overview } from './overview.ts'
import type { Part } from './parts.ts'
import type { View } from './route.ts'
import { familiesView, queuesView, schedulesView, workersView } from './side-views.ts'

/** What the element does for what is drawn. */
export interface Hands {
  readonly sight: Sight
  readonly onScroll: (event: Event) => void
  readonly download: (id?: string) => void
}

const side: Record<Exclude<View, 'jobs'>, (model: Model) => Part> = {
  workers: workersView,
  queues: queuesView,
  schedules: schedulesView,
  flows: familiesView,
}

/** The whole panel. */
export function panelView(model: Model, { sight, onScroll, download }: Hands): Part {
  const { route, job } = model
  return html`${overview(model)}
    ${
      route.view === 'jobs'
        ? html`${filterView(model, () => download())}
            <div class="split">
              ${gridView(model, sight, onScroll)}${job ? jobView(model, job, () => download(job.id)) : nothing}
            </div>`
        : side[route.view](model)
    }
    ${dialog(model)}`
}

/** Asks before anything is done to many jobs, or to one that cannot come back. */
function dialog(model: Model): Part {
  const { bulk } = model
  const keep = (event: Event) => {
    event.preventDefault()
    model.dismiss()
  }
  const confirm = (event: Event) => {
    event.preventDefault()
    return model.confirm(Number(new FormData(event.target as HTMLFormElement).get('priority') ?? 0))
  }
  // It stays when it is closed: that is how the focus finds back.
  return html`<dialog aria-labelledby="question" @cancel=${keep}>${bulk ? question(bulk, keep, confirm) : nothing}</dialog>`
}

function question(
  { verb, stage, count, sample, isCut, done }: Bulk,
  keep: (event: Event) => void,
  confirm: (event: Event) => void,
): Part {
  const { label } = verbs[verb]
  return html`<form @submit=${confirm}>
      <h2 id="question">${label}${verb === 'setPriority' ? ' of' : ''} ${jobs(count)}${stage === 'counting' ? ' …' : '?'}</h2>
      ${isCut ? html`<p>More jobs match, which stay as they are.</p>` : nothing}
      <ul>
        ${sample.map((id) => html`<li>${printable(id)}</li>`)}
        ${count > sample.length ? html`<li class="muted">and ${numberOf(count - sample.length)} more</li>` : nothing}
      </ul>
      ${
        verb === 'setPriority'
          ? html`<label>Priority, higher goes first <input name="priority" type="number" step="any" required value="0" /></label>`
          : nothing
      }
      ${verb === 'remove' ? html`<p>Their records are gone for good. Jobs that have not ended are cancelled.</p>` : nothing}
      ${
        stage === 'acting'
          ? html`<progress aria-label="Done" max=${count} .value=${done}></progress><p role="status">${numberOf(done)} of ${numberOf(count)}</p>`
          : nothing
      }
      <div class="bar">
        <button type="button" @click=${keep}>${stage === 'acting' ? 'Stop' : 'Keep as they are'}</button>
        <button class=${verb === 'remove' ? 'bad' : ''} ?disabled=${stage !== 'ready' || count === 0}>${label} ${jobs(count)}</button>
      </div>
    </form>`
}
