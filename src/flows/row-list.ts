/**
 * What an extension has, the newest first. A row for each names its neighbours, so that to add one, to drop one and to read a page
 * costs the same however many there are.
 */
import type { ExtensionView, Turn } from '../engine/extension.ts'
import * as check from '../shared/check.ts'

/** Which part of a list to return. */
export interface ListOptions {
  /** How many to return at most, from 1. Default 1,000. */
  readonly limit?: number | undefined
  /** The id of the last one of the page before: returns those that were added before it. */
  readonly after?: string | undefined
}

interface Place {
  readonly older?: string
  readonly newer?: string
}

const listChecks: check.Checks = { limit: check.integerOrInfinity(1), after: check.string(1_024) }
/** Stands for both ends of the list, where the newest and the oldest meet: no id is empty. */
const ends = ''

const placeKey = (id: string): string => `place ${id}`
const placeOf = ({ rows }: ExtensionView, id: string) => rows.get(placeKey(id)) as Place | undefined

function join(turn: Turn, older: string, newer: string): void {
  // Nothing is left.
  if (older === newer) return turn.put(placeKey(ends), undefined)
  const [lower, upper] = [placeOf(turn, older), placeOf(turn, newer)]
  if (lower?.newer !== newer) turn.put(placeKey(older), { ...lower, newer } satisfies Place)
  if (upper?.older !== older) turn.put(placeKey(newer), { ...placeOf(turn, newer), older } satisfies Place)
}

export function enlist(turn: Turn, id: string): void {
  join(turn, placeOf(turn, ends)?.older ?? ends, id)
  join(turn, id, ends)
}

export function delist(turn: Turn, id: string): void {
  const { older = ends, newer = ends } = placeOf(turn, id) ?? {}
  join(turn, older, newer)
  turn.put(placeKey(id), undefined)
}

/** Lists all that are there, should one of them not be listed: a salvaged journal may have lost its place. */
export function relist(turn: Turn, ids: readonly string[]): void {
  const there = new Set(ids)
  const all = new Set([...idsOf(turn, { limit: ids.length }).reverse(), ...ids])
  let older = ends
  for (const id of [...all, ends]) {
    if (id !== ends && !there.has(id)) continue
    join(turn, older, id)
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

/** What a page asks for. Each is frozen. */
export async function listedBy<Item>(
  list: (options: ListOptions) => Promise<readonly Item[]>,
  options: ListOptions = {},
): Promise<Item[]> {
  check.checkOptions(options, listChecks)
  return (await list({ ...options })).map((item) => Object.freeze(item))
}
