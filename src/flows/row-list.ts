/**
 * A list of ids in the rows of an extension, the newest first. Each id has a row that names its neighbours, so it costs the same to
 * add one, to drop one and to read a page, however long the list is.
 */
import type { ExtensionView, Turn } from '../engine/extension.ts'
import * as check from '../shared/check.ts'

/** Which part of a list to return. */
export interface ListOptions {
  /** How many to return at most, from 1. Default 1,000. */
  readonly limit?: number | undefined
  /**
   * The id of the last one of the page before: returns those that were added before it. Rejects with `INVALID_OPTION` if it is not
   * there any more.
   */
  readonly after?: string | undefined
}

/** The neighbours of an id. */
interface Place {
  readonly older?: string
  readonly newer?: string
}

const listChecks: check.Checks = { limit: check.integerOrInfinity(1), after: check.string(1_024) }
/** Stands for both ends of the list, where the newest and the oldest meet: no id is empty. */
const ends = ''

const placeKey = (id: string): string => `place ${id}`
const placeOf = ({ rows }: ExtensionView, id: string) => rows.get(placeKey(id)) as Place | undefined

/** Makes two ids neighbours. */
function link(turn: Turn, older: string, newer: string): void {
  // The list is empty now.
  if (older === newer) return turn.put(placeKey(ends), undefined)
  const [lower, upper] = [placeOf(turn, older), placeOf(turn, newer)]
  if (lower?.newer !== newer) turn.put(placeKey(older), { ...lower, newer } satisfies Place)
  if (upper?.older !== older) turn.put(placeKey(newer), { ...placeOf(turn, newer), older } satisfies Place)
}

/** Adds an id as the newest one. */
export function enlist(turn: Turn, id: string): void {
  link(turn, placeOf(turn, ends)?.older ?? ends, id)
  link(turn, id, ends)
}

/** Drops an id from the list. */
export function delist(turn: Turn, id: string): void {
  const { older = ends, newer = ends } = placeOf(turn, id) ?? {}
  link(turn, older, newer)
  turn.put(placeKey(id), undefined)
}

/**
 * Makes the list anew, of just these ids: a salvaged journal may have lost the row of one. Those that are listed keep their order.
 */
export function relist(turn: Turn, ids: readonly string[]): void {
  const there = new Set(ids)
  const all = new Set([...idsOf(turn, { limit: ids.length }).reverse(), ...ids])
  let older = ends
  for (const id of [...all, ends]) {
    if (id !== ends && !there.has(id)) continue
    link(turn, older, id)
    older = id
  }
}

/** Returns the ids of a page. */
export function idsOf(view: ExtensionView, { after = ends, limit = 1_000 }: ListOptions): string[] {
  const isListed = () => (placeOf(view, after) || after === ends ? undefined : 'the id of one that is there')
  check.checkArgument('after', isListed, after)
  const ids: string[] = []
  for (let id = placeOf(view, after)?.older; id && ids.length < limit; id = placeOf(view, id)?.older) ids.push(id)
  return ids
}

/** Checks the options of a call of `list`, and returns what the extension lists, each item frozen. */
export async function listedBy<Item>(
  list: (options: ListOptions) => Promise<readonly Item[]>,
  options: ListOptions = {},
): Promise<Item[]> {
  check.checkOptions(options, listChecks)
  return (await list({ ...options })).map((item) => Object.freeze(item))
}
