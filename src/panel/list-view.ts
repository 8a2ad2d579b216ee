import { html, nothing } from 'lit-html'
import type { JobSnapshot } from '../engine/job-observers.ts'
import { systemClock } from '../platform/host.ts'
import { printable } from '../shared/printable.ts'
import { matchFor, type Verb, verbs } from './bulk.ts'
import { jobs, type Model, numberOf } from './model.ts'
import { agoOf, button, type Part, progressOf, stateOf } from './parts.ts'
import { filterFields, noFilter } from './route.ts'
import { spanOf } from './value-text.ts'

/** The part of the list that is in sight. */
export interface Sight {
  top: number
  height: number
  isNarrow: boolean
}

/** Rows beyond what is in sight, so that a fast scroll shows some. */
const spareRows = 6

export const rowHeightOf = ({ isNarrow }: Sight): number => (isNarrow ? 56 : 34)

/** Returns which rows are drawn: those in sight and a few more, however long the list is. */
export function rowsInSight(sight: Sight, size: number): { readonly first: number; readonly end: number } {
  const rowHeight = rowHeightOf(sight)
  const first = Math.max(0, Math.min(Math.floor(sight.top / rowHeight), size - 1) - spareRows)
  return { first, end: Math.min(size, first + Math.ceil(sight.height / rowHeight) + 2 * spareRows) }
}

/** Those with `more` are left out where there is no room for them. */
const columns = [
  ['State', ''],
  ['Type', ''],
  ['Id', 'id muted'],
  ['Queue', 'more'],
  ['Progress', 'more progress'],
  ['Try', 'more num'],
  ['When', 'time num muted'],
] as const

/** The filter, and what can be done to all jobs that it shows. */
export function filterView(model: Model, exportAll: () => void): Part {
  const { list, match } = model
  const possible = (Object.keys(verbs) as Verb[]).filter((verb) => matchFor(verb, match))
  return html`<div class="filters" role="search">
      ${field(model, 'text', 'Search in ids and inputs')} ${field(model, 'name', 'Type')}
      ${field(model, 'queue', 'Queue')} ${field(model, 'tag', 'Tag')} ${button('Clear', () => model.go(noFilter))}
    </div>
    <div class="acts bar" role="group" aria-label="All jobs that are listed">
      <span class="muted" aria-live=${list.looked === undefined || list.isSearching ? 'off' : 'polite'}>${countOf(model)}</span><span class="end"></span>
      ${
        list.size > 0
          ? html`${possible.map((verb) =>
              button(`${verbs[verb].label} all…`, () => model.ask(verb), verb === 'remove' ? 'bad' : ''),
            )}
            ${button('Export JSON', exportAll)}`
          : nothing
      }
    </div>`
}

/** A field of the filter, which counts when it is left or confirmed. */
function field(model: Model, name: 'text' | 'name' | 'queue' | 'tag', label: string): Part {
  const take = (event: Event) => model.go({ [name]: (event.target as HTMLInputElement).value.trim() })
  return html`<label>${label}<input type="search" name=${name} list="${name}s" autocomplete="off"
    .value=${model.route[name]} @change=${take}
  /><datalist id="${name}s">${[...model.seen[name]].map((each) => html`<option value=${each}></option>`)}</datalist></label>`
}

/** Says how many jobs are listed, and whether that is all. */
function countOf({ list }: Model): string {
  const count = `${jobs(list.size)}${list.hasMore && !list.isSearching ? ', and more' : ''}`
  if (list.looked === undefined) return list.hasMore ? `The first ${count}` : count
  return `${count} found; ${list.isSearching ? 'searching' : 'searched'} ${numberOf(list.looked)}${list.isSearching ? ' …' : ''}`
}

/** The list. However long it is, only what is in sight is drawn. */
export function gridView(model: Model, sight: Sight, onScroll: (event: Event) => void): Part {
  const { list, route } = model
  const isFiltered = filterFields.some((field) => route[field] !== '')
  return html`<div
    class="list ${model.job ? 'half' : ''}"
    role="grid"
    tabindex="0"
    aria-label="Jobs"
    aria-rowcount=${list.hasMore ? -1 : list.size + 1}
    aria-activedescendant=${list.size > 0 ? 'active' : nothing}
    @scroll=${onScroll}
  >
    <div class="head" role="rowgroup">
      <div role="row" aria-rowindex="1">
        ${columns.map(([label, kind]) => html`<span role="columnheader" class=${kind}>${label}</span>`)}
      </div>
    </div>
    ${
      list.size > 0
        ? rows(model, sight)
        : html`<div role="rowgroup"><div role="row" class="empty"><span role="gridcell">${
            list.isSearching ? 'Searching …' : isFiltered ? 'No job matches.' : 'There are no jobs yet.'
          }</span></div></div>`
    }
  </div>`
}

function rows(model: Model, sight: Sight): Part {
  const { list } = model
  const height = rowHeightOf(sight)
  const { first, end } = rowsInSight(sight, list.size)
  const drawn: Part[] = []
  for (let index = first; index < end; index++) {
    const job = list.at(index)
    if (job) drawn.push(row(model, job, index))
  }
  return html`<div class="body" role="rowgroup" .style=${`height:${list.size * height}px`}>
    <div role="none" .style=${`transform:translateY(${first * height}px)`}>${drawn}</div>
  </div>`
}

function row(model: Model, job: JobSnapshot, index: number): Part {
  model.see(job)
  const open = () => {
    model.active = index
    model.go({ job: job.id })
  }
  const isActive = index === model.active
  return html`<div
    role="row"
    id=${isActive ? 'active' : nothing}
    aria-rowindex=${index + 2}
    aria-selected=${job.id === model.route.job}
    @click=${open}
  >
    ${cellsOf(job).map(
      (cell, column) =>
        html`<span role="gridcell" class=${columns[column]?.[1]} title=${typeof cell === 'string' ? cell : nothing}>${cell}</span>`,
    )}
  </div>`
}

const cellsOf = (job: JobSnapshot): readonly Part[] => [
  stateOf(job.state),
  printable(job.name),
  printable(job.id),
  printable(job.queue),
  progressOf(job.progress),
  String(job.attempt || ''),
  whenOf(job),
]

/** When it ended; while it runs, for how long it has; otherwise when it is due, or since when it waits. */
function whenOf({ state, addedAt, startedAt, finishedAt, runAt }: JobSnapshot): string {
  if (state === 'running' && startedAt !== undefined) return spanOf(systemClock.now() - startedAt)
  return agoOf(finishedAt ?? (state === 'scheduled' ? runAt : undefined) ?? addedAt)
}
