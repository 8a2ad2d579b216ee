import type { JobFilter as EngineJobFilter } from './engine/engine.ts'
import { idCheck } from './job/job-options.ts'
import { type State, states } from './job/record.ts'
import * as check from './shared/check.ts'

interface Fields<Name extends string> {
  /** The state, or one of several. */
  readonly state: State | readonly State[]
  /** The job type. */
  readonly name: Name
  /** The name of the queue. */
  readonly queue: string
  /** A tag that the job has, perhaps among others. */
  readonly tag: string
}

/**
 * Which jobs to change: those that match every given field. At least one field is required, so that a value that happens to be
 * `undefined` never means all jobs; `{ all: true }` does.
 */
// biome-ignore lint/suspicious/noExplicitAny: a filter that knows of no table fits every scheduler's.
export type JobFilter<Name extends string = any> =
  | {
      [Field in keyof Fields<Name>]: Pick<Fields<Name>, Field> & Partial<Fields<Name>> & { readonly all?: never }
    }[keyof Fields<Name>]
  | ({ readonly all: true } & { readonly [Field in keyof Fields<Name>]?: never })

/** Which jobs to look up: those that match every given field. A field that is `undefined` filters nothing. */
// biome-ignore lint/suspicious/noExplicitAny: as above.
export type FindOptions<Name extends string = any> = {
  readonly [Field in keyof Fields<Name>]?: Fields<Name>[Field] | undefined
} & {
  /** How many jobs to return at most, from 1. Default 1,000. */
  readonly limit?: number | undefined
  /**
   * The id of a job: returns the jobs that were added after it, even if it is removed by now. Rejects with `INVALID_OPTION` if
   * nothing is known about the id any more.
   */
  readonly after?: string | undefined
}

/** Which jobs a live list shows: the first `limit` that match, in the order of adding. */
// biome-ignore lint/suspicious/noExplicitAny: as above.
export type WatchFilter<Name extends string = any> = Omit<FindOptions<Name>, 'after'>

const filterChecks: check.Checks = {
  state: check.someOf(states, 'states'),
  name: check.text,
  queue: check.text,
  tag: check.text,
}
const actChecks: check.Checks = { ...filterChecks, all: (value) => (value === true ? undefined : 'true') }
export const watchChecks: check.Checks = { ...filterChecks, limit: check.integerOrInfinity(1) }
export const findChecks: check.Checks = { ...watchChecks, after: idCheck }

/** Refuses a filter without fields, or with a field that has no value: `undefined` must never widen a filter. */
export function targetOf(idOrFilter: string | JobFilter): string | EngineJobFilter {
  if (typeof idOrFilter === 'string') {
    check.checkArgument('id', idCheck, idOrFilter)
    return idOrFilter
  }
  const isFilter = (value: unknown) => check.object(value) && "a job's id or a filter"
  check.checkArgument('idOrFilter', isFilter, idOrFilter)
  const filter = check.copyOptions(idOrFilter, actChecks)
  const names = Object.keys(filter)
  for (const name of names)
    check.checkArgument(name, actChecks[name] as check.Check, filter[name as keyof typeof filter])
  const isClear = names.length === 1 || (names.length > 1 && filter.all === undefined)
  const clearFilter = 'a filter with at least one field, or `{ all: true }` and nothing else'
  check.checkArgument('idOrFilter', () => (isClear ? undefined : clearFilter), idOrFilter)
  return filter
}
