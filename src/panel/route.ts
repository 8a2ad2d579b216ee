import { type State, states } from '../job/record.ts'

export const views = ['jobs', 'workers', 'queues', 'schedules', 'flows'] as const
export type View = (typeof views)[number]

/** What is looked at. It is what the address keeps. */
export interface Route {
  readonly view: View
  /** Empty for all, as the other texts. */
  readonly state: State | ''
  readonly name: string
  readonly queue: string
  readonly tag: string
  readonly text: string
  /** The id of the job that is open. */
  readonly job: string
}

/** What lists all jobs. */
export const noFilter = { state: '', name: '', queue: '', tag: '', text: '' } as const
export const filterFields = Object.keys(noFilter) as (keyof typeof noFilter)[]
export const start: Route = { view: 'jobs', ...noFilter, job: '' }

/** Returns the route as a hash; an empty text for the start. `key` tells it from other hashes. */
export function hashOf(route: Route, key: string): string {
  const changed = Object.entries(route).filter(([name, value]) => value !== start[name as keyof Route])
  return changed.length > 0 ? `#${key}:${new URLSearchParams(changed)}` : ''
}

/** Whether the hash is one of ours, or nobody's, so that it may be written. */
export const isFree = (hash: string, key: string): boolean => hash.length < 2 || hash.startsWith(`#${key}:`)

/** Returns what the hash says. What it does not say, or says wrong, is as at the start. */
export function routeOf(hash: string, key: string): Route {
  if (!hash.startsWith(`#${key}:`)) return start
  const said = new URLSearchParams(hash.slice(key.length + 2))
  const known = <Value extends string>(name: string, values: readonly Value[], otherwise: Value): Value =>
    values.find((value) => value === said.get(name)) ?? otherwise
  const texts = Object.fromEntries(Object.keys(start).map((name) => [name, said.get(name) ?? '']))
  return { ...start, ...texts, view: known('view', views, 'jobs'), state: known('state', ['', ...states], '') }
}
