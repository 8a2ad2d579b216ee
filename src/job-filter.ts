import type { JobFilter as EngineJobFilter } from './engine/engine.ts'
import { idCheck } from './job/job-options.ts'
import { type State, states } from './job/record.ts'
import * as check from './shared/check.ts'

interface Fields<Name extends string> {
  /** In this state, or in one of these. */
  readonly state: State | readonly State[]
  /** Of this type. */
  readonly name: Name
  /** In this queue. */
  readonly queue: string
  /** With this tag, perhaps among others. */
  readonly tag: string
}

/**
 * Which jobs are to be changed: those that fit all that is given. At least one field, so that a value that happens to be
 * `undefined` never means all jobs; `{ all: true }` does.
 */
// biome-ignore lint/suspicious/noExplicitAny: a filter that knows of no table fits every scheduler's.
export type JobFilter<Name extends string = any> =
  | {
      [Field in keyof Fields<Name>]: Pick<Fields<Name>, Field> & Partial<Fields<Name>> & { readonly all?: never }
    }[keyof Fields<Name>]
  | ({ readonly all: true } & { readonly [Field in keyof Fields<Name>]?: never })

/** Which jobs to look up: those that fit all that is given. A field that is `undefined` is no filter. */
// biome-ignore lint/suspicious/noExplicitAny: as above.
export type FindOptions<Name extends string = any> = {
  readonly [Field in keyof Fields<Name>]?: Fields<Name>[Field] | undefined
} & {
  /** At most so many, from 1. Default 1,000. */
  readonly limit?: number | undefined
  /** Goes on behind this job, even when it is gone. Rejects with `INVALID_OPTION` when nothing is known of it any more. */
  readonly after?: string | undefined
}

/** Which jobs a live list shows: the first that fit, in the order of adding. */
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

/** What `undefined` must never widen: a filter that names nothing, or names a field without a value, is refused. */
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
