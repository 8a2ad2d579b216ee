import type { FindOptions, JobFilter } from './engine/engine.ts'
import { idCheck } from './job/job-options.ts'
import { states, terminalStates } from './job/record.ts'
import * as check from './shared/check.ts'

/** Which jobs a live list shows: the first `limit` that match, in the order of adding. */
// biome-ignore lint/suspicious/noExplicitAny: a filter that knows of no table fits every scheduler's.
export type WatchFilter<Name extends string = any> = Omit<FindOptions<Name>, 'after'>

const filterChecks: check.Checks = {
  state: check.someOf(...states),
  name: check.text,
  queue: check.text,
  tag: check.text,
}
const actChecks: check.Checks = { ...filterChecks, all: (value) => (value === true ? undefined : 'true') }
export const watchChecks: check.Checks = { ...filterChecks, limit: check.integerOrInfinity(1) }
export const findChecks: check.Checks = { ...watchChecks, after: idCheck }

export const cleanChecks: check.Checks = {
  ...filterChecks,
  state: check.someOf(...terminalStates),
  olderThanMs: check.durationMs,
}

/** Refuses a filter without fields, or with a field that has no value: `undefined` must never widen a filter. */
export function targetOf(idOrFilter: string | JobFilter): string | JobFilter {
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
