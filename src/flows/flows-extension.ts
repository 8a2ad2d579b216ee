/**
 * Flows: jobs that wait for jobs. A job whose parents have not ended is `blocked`; it is queued in the commit in which the last of
 * them ends.
 *
 * What a flow is made of never changes and is kept in rows: one for the flow, one for each of its jobs. How far it is follows
 * from the records of its jobs. Only what would take long to count is kept as well: how many parents a job still waits for, if
 * they are several, and how many jobs of a flow have not ended. `open` counts both anew.
 */
import { endMoves } from '../engine/end-moves.ts'
import type { Extension, ExtensionHost, ExtensionView, Move, Turn } from '../engine/extension.ts'
import { isTerminal, type JobRecord } from '../job/record.ts'
import { OffstageError } from '../shared/errors.ts'
import { ParentBranch } from '../shared/parents.ts'
import { put } from '../shared/rebuild.ts'
import type { FlowNode, OnFailure, Path } from './flow-spec.ts'
import { delist, enlist, idsOf, type ListOptions, relist } from './row-list.ts'

/** A job of a flow, as its page sees it. */
export interface FlowMember {
  readonly path: Path
  readonly jobId: string
  /** Whether the flow fails with it: nobody waits for it, or somebody who does not go on without it. */
  readonly isNeeded: boolean
}

/** What a list says of a flow. */
export interface ListedFlow {
  /** The id of the flow. */
  readonly id: string
  /** `running` until all jobs have ended; then `completed`, or `failed` if one has failed that others needed. */
  readonly state: 'running' | 'completed' | 'failed'
  /** How many jobs have ended. */
  readonly ended: number
  /** How many jobs it has. */
  readonly total: number
}

/** What a page asks the scheduler that runs the jobs. */
export interface FlowCommands {
  /** Returns what the flow with this id is made of: the given one, or the one that is there. */
  add(
    id: string,
    nodes: readonly FlowNode[],
  ): Promise<{ readonly isNew: boolean; readonly members: readonly FlowMember[] }>
  get(id: string): Promise<readonly FlowMember[] | undefined>
  list(options: ListOptions): Promise<readonly ListedFlow[]>
  /** Resolves with how many of its jobs were cancelled. */
  cancel(id: string, reason: unknown): Promise<number>
}

interface FlowRow {
  /** In an order in which each comes after those that it waits for. */
  readonly members: readonly FlowMember[]
}

/** A job that waits for another, and what becomes of it if that fails. */
interface Child {
  readonly jobId: string
  readonly onFailure: OnFailure
}

interface JobRow {
  readonly flow: string
  readonly parents: readonly { readonly path: Path; readonly jobId: string; readonly onFailure: OnFailure }[]
  readonly children: readonly Child[]
  /** The `keepMs` of its options. Until its flow has ended it is kept. */
  readonly keepMs: number | undefined
}

/** How many jobs of a flow have not ended, and how many of its records are there. */
interface CountRow {
  readonly pending: number
  readonly kept: number
  /** Once all have ended: whether one has failed that others needed. */
  readonly isFailed: boolean
}

const flowKey = (id: string): string => `flow ${id}`
const countKey = (id: string): string => `count ${id}`
const jobKey = (jobId: string): string => `job ${jobId}`
/** For how many parents a job waits, if it has several. */
const leftKey = (jobId: string): string => `left ${jobId}`
/** A job that ended because a parent of it failed. */
const fellKey = (jobId: string): string => `fell ${jobId}`

const flowIn = (key: string): string | undefined => (key.startsWith('flow ') ? key.slice(5) : undefined)

/** Made when it is asked for: a bundler leaves out an extension that nobody uses only if nothing is made when it is loaded. */
let moves: ReadonlySet<Move> | undefined

export const flowsExtension: Extension<FlowCommands> = {
  name: 'flows',
  scope: 'marked',
  get moves() {
    moves ??= new Set([...endMoves, 'retry', 'snooze'])
    return moves
  },
  events: ['flow:completed', 'flow:failed'],
  open(host) {
    reconcile(host)
    return {
      add: (id, nodes) => host.turn((turn) => add(turn, id, nodes), { isRefusable: true }),
      get: async (id) => flowOf(host, id)?.members,
      list: async (options) => idsOf(host, options).map((id) => listedOf(host, id)),
      cancel: (id, reason) => host.turn((turn) => cancel(turn, id, reason)),
    }
  },
  moved(turn, before, after, move) {
    if (!before) return
    const row = jobOf(turn, before.id)
    if (!row) return
    if (move === 'retry') retried(turn, before.id, row)
    else if (!after) removed(turn, before, row)
    else if (isTerminal(after.state)) ended(turn, after, row)
    else waitAgain(turn, before.id)
  },
  parentsOf(view, { id }) {
    const { parents = [] } = jobOf(view, id) ?? {}
    if (parents.length === 0) return undefined
    const all: Record<string, unknown> = {}
    for (const { path, jobId } of parents) {
      const { state, result, error } = view.job(jobId) ?? {}
      place(all, path, state === 'completed' ? result : error)
    }
    return all
  },
}

function place(all: Record<string, unknown>, [key = '', ...rest]: Path, value: unknown): void {
  if (rest.length === 0) return put(all, key, value)
  if (!Object.hasOwn(all, key)) put(all, key, new ParentBranch())
  place(all[key] as Record<string, unknown>, rest, value)
}

const flowOf = ({ rows }: ExtensionView, id: string) => rows.get(flowKey(id)) as FlowRow | undefined
const countOf = ({ rows }: ExtensionView, id: string) => rows.get(countKey(id)) as CountRow
const jobOf = ({ rows }: ExtensionView, jobId: string) => rows.get(jobKey(jobId)) as JobRow | undefined

function listedOf(view: ExtensionView, id: string): ListedFlow {
  const { pending, kept, isFailed } = countOf(view, id)
  const state = pending > 0 ? 'running' : isFailed ? 'failed' : 'completed'
  return { id, state, ended: kept - pending, total: kept }
}

// Adding.

function add(turn: Turn, id: string, nodes: readonly FlowNode[]) {
  const there = flowOf(turn, id)
  if (there) return { isNew: false, members: there.members }
  const ids = nodes.map(({ path, options }) => options?.id ?? `${id}/${path.join('.')}`)
  const children = childrenOf(nodes, ids)
  const strict = nodes.flatMap(({ parents }) => parents.filter(({ onFailure }) => onFailure !== 'continue'))
  const needed = new Set(strict.map(({ index }) => index))
  const members = nodes.map(({ path }, index) => ({
    path,
    jobId: ids[index] as string,
    isNeeded: children[index]?.length === 0 || needed.has(index),
  }))
  turn.put(flowKey(id), { members } satisfies FlowRow)
  turn.put(countKey(id), { pending: nodes.length, kept: nodes.length, isFailed: false } satisfies CountRow)
  enlist(turn, id)
  nodes.forEach(({ path, name, input, options, parents }, index) => {
    const jobId = ids[index] as string
    if (turn.job(jobId)) throw taken(id, path, jobId, jobOf(turn, jobId)?.flow)
    turn.put(jobKey(jobId), {
      flow: id,
      parents: parents.map(({ path, index, onFailure }) => ({ path, jobId: ids[index] as string, onFailure })),
      children: children[index] as Child[],
      keepMs: options?.keepMs,
    } satisfies JobRow)
    if (parents.length > 1) turn.put(leftKey(jobId), parents.length)
    const kept = { ...options, id: jobId, keepMs: Number.POSITIVE_INFINITY }
    turn.insert({ name, input, options: kept, isBlocked: parents.length > 0, isMarked: true })
  })
  return { isNew: true, members }
}

function childrenOf(nodes: readonly FlowNode[], ids: readonly string[]): Child[][] {
  const children: Child[][] = nodes.map(() => [])
  nodes.forEach(({ parents }, index) => {
    for (const { index: parent, onFailure } of parents)
      children[parent]?.push({ jobId: ids[index] as string, onFailure })
  })
  return children
}

// Ends.

function ended(turn: Turn, record: JobRecord, row: JobRow): void {
  for (const child of row.children) release(turn, child, record)
  count(turn, row.flow, -1, 0, record)
}

/** A parent of this job has ended. */
function release(turn: Turn, { jobId: childId, onFailure }: Child, parent: JobRecord): void {
  if (turn.job(childId)?.state !== 'blocked') return
  if (parent.state === 'completed' || onFailure === 'continue') {
    const left = turn.rows.get(leftKey(childId)) as number | undefined
    if (left !== undefined && left > 1) return turn.put(leftKey(childId), left - 1)
    // Most children have one parent, and so no row: ten thousand of them are released in one task.
    if (left !== undefined) turn.put(leftKey(childId), undefined)
    turn.move(childId, { type: 'unblock' })
  } else {
    turn.put(fellKey(childId), true)
    const error = dependencyFailed(childId, parent)
    turn.move(childId, onFailure === 'fail' ? { type: 'fail', error } : { type: 'cancel', reason: error })
  }
}

/** A job runs again, so what fell with it waits for it again. */
function retried(turn: Turn, id: string, row: JobRow): void {
  turn.put(fellKey(id), undefined)
  if (turn.rows.has(countKey(row.flow))) count(turn, row.flow, 1, 0)
  waitAgain(turn, id)
  for (const { jobId: childId } of row.children) {
    // It would wait for ever for another that has failed. When that one runs again, it comes back.
    if (isHopeless(turn, childId)) continue
    if (turn.rows.has(fellKey(childId))) turn.move(childId, { type: 'retry' })
    const isWaiting = turn.move(childId, { type: 'block' }) || turn.job(childId)?.state === 'blocked'
    if (isWaiting) waitFor(turn, childId)
  }
}

/**
 * A job is to be tried once more, and parents of it may run again, or not have ended yet. One that is retried by hand in spite of
 * a parent that has failed waits for none.
 */
function waitAgain(turn: Turn, jobId: string): void {
  const state = turn.job(jobId)?.state
  if (state !== 'queued' && state !== 'scheduled') return
  if (!isHopeless(turn, jobId) && waitFor(turn, jobId) > 0) turn.move(jobId, { type: 'block' })
}

/** Whether a parent of this job has failed without which it does not go on. */
function isHopeless(turn: Turn, jobId: string): boolean {
  return (jobOf(turn, jobId)?.parents ?? []).some((parent) => {
    const record = turn.job(parent.jobId)
    return record && isTerminal(record.state) && !isDone(turn, parent)
  })
}

/** Counts for how many parents a blocked job waits. */
function waitFor(turn: Turn, jobId: string): number {
  const { parents = [] } = jobOf(turn, jobId) ?? {}
  const left = parents.filter((parent) => !isDone(turn, parent)).length
  const row = parents.length > 1 && left > 0 ? left : undefined
  if (row !== turn.rows.get(leftKey(jobId))) turn.put(leftKey(jobId), row)
  return left
}

/** Whether a parent is no longer waited for. One that is removed never comes; had it not ended before, its children fell then. */
function isDone(view: ExtensionView, { jobId, onFailure }: JobRow['parents'][number]): boolean {
  const state = view.job(jobId)?.state ?? 'completed'
  return state === 'completed' || (isTerminal(state) && onFailure === 'continue')
}

/** A job is cancelled before it is removed, so it has ended. */
function removed(turn: Turn, { id }: JobRecord, row: JobRow): void {
  for (const key of [jobKey, leftKey, fellKey]) turn.put(key(id), undefined)
  count(turn, row.flow, 0, -1)
}

/** Notes that so many more jobs of a flow have not ended, and that so many more are there. */
function count(turn: Turn, id: string, pending: number, kept: number, last?: JobRecord): void {
  const before = countOf(turn, id)
  const row = { ...before, pending: before.pending + pending, kept: before.kept + kept }
  if (row.kept === 0) return forget(turn, id)
  turn.put(countKey(id), row)
  if (before.pending > 0 && row.pending === 0) finish(turn, id, last)
  else if (before.pending === 0 && row.pending > 0) hold(turn, id, true)
}

/** Nothing of a flow is there any more. */
function forget(turn: Turn, id: string): void {
  turn.put(flowKey(id), undefined)
  turn.put(countKey(id), undefined)
  delist(turn, id)
}

/** `last`: the job that ended last, which may be removed already. */
function finish(turn: Turn, id: string, last?: JobRecord): void {
  const { members } = flowOf(turn, id) ?? { members: [] }
  const failed = members.find(({ jobId, isNeeded }) => {
    const { state } = (jobId === last?.id ? last : turn.job(jobId)) ?? {}
    return isNeeded && (state === 'failed' || state === 'cancelled')
  })
  turn.put(countKey(id), { ...countOf(turn, id), isFailed: failed !== undefined } satisfies CountRow)
  hold(turn, id, false)
  if (failed) turn.tell({ type: 'flow:failed', flowId: id, key: failed.path.join('.'), jobId: failed.jobId })
  else turn.tell({ type: 'flow:completed', flowId: id })
}

/** Whether the records of a flow are kept, whatever `keep` says. */
function hold(turn: Turn, id: string, isHeld: boolean): void {
  for (const { jobId } of flowOf(turn, id)?.members ?? [])
    turn.move(jobId, { type: 'keep', keepMs: isHeld ? Number.POSITIVE_INFINITY : jobOf(turn, jobId)?.keepMs })
}

function cancel(turn: Turn, id: string, reason: unknown): number {
  // From the end, so that none falls with the one that it waits for.
  const ids = [...(flowOf(turn, id)?.members ?? [])].reverse()
  return ids.filter(({ jobId }) => turn.move(jobId, { type: 'cancel', reason })).length
}

// Opening.

/** Jobs may have ended, and been removed, while this extension was not attached. */
function reconcile(host: ExtensionHost): void {
  if (host.rows.size === 0) return
  const ids = [...host.rows.keys()].flatMap((key) => flowIn(key) ?? [])
  const again = host.turn((turn) => {
    relist(turn, ids)
    for (const id of ids) recount(turn, id)
  })
  again.catch(() => {})
}

function recount(turn: Turn, id: string): void {
  const { members } = flowOf(turn, id) as FlowRow
  const there = members.filter(({ jobId }) => turn.job(jobId))
  for (const { jobId } of members)
    if (!turn.job(jobId) && jobOf(turn, jobId))
      for (const key of [jobKey, leftKey, fellKey]) turn.put(key(jobId), undefined)
  if (there.length === 0) return forget(turn, id)
  const pending = there.filter(({ jobId }) => !isTerminal((turn.job(jobId) as JobRecord).state)).length
  const before = countOf(turn, id)
  if (before.pending !== pending || before.kept !== there.length)
    turn.put(countKey(id), { ...before, pending, kept: there.length } satisfies CountRow)
  if (before.pending > 0 && pending === 0) finish(turn, id)
  for (const { jobId } of there) waitAgain(turn, jobId)
  // All of them, before one ends here: that is counted down when its end is followed.
  const waiting = there.filter(({ jobId }) => turn.job(jobId)?.state === 'blocked')
  const left = waiting.map(({ jobId }) => waitFor(turn, jobId))
  waiting.forEach(({ jobId }, index) => void resume(turn, jobId, left[index] as number))
}

/** A blocked job waits for what is left to wait for, if anything is. */
function resume(turn: Turn, jobId: string, left: number): void {
  if (left === 0) return void turn.move(jobId, { type: 'unblock' })
  for (const parent of jobOf(turn, jobId)?.parents ?? []) {
    const record = turn.job(parent.jobId)
    if (record && isTerminal(record.state) && !isDone(turn, parent))
      return release(turn, { jobId, onFailure: parent.onFailure }, record)
  }
}

const taken = (flow: string, path: Path, jobId: string, other: string | undefined): OffstageError =>
  new OffstageError(
    'DUPLICATE_ID',
    `The job '${path.join('.')}' of the flow '${flow}' has the id '${jobId}', which ${other === undefined ? 'a job' : `a job of the flow '${other}'`} has already.`,
    { jobId },
  )

const dependencyFailed = (jobId: string, { id, state, error }: JobRecord): OffstageError =>
  new OffstageError(
    'DEPENDENCY_FAILED',
    `It waited for the job '${id}', which ${state === 'failed' ? 'has failed' : 'was cancelled'}.`,
    { jobId, cause: error },
  )
