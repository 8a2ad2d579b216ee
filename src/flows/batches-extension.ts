/**
 * Batches: jobs that are counted together. A count goes with each end, in the same commit, and so do the callbacks, which are jobs.
 *
 * There is a row for what a batch was added with, one for its counts, and one for each of its jobs, which names the batch. A batch
 * within a batch is a member of it as a job is: it ends when all of its own members have. Rows go with the last record of a batch.
 */
import { endMoves } from '../engine/end-moves.ts'
import type { Extension, ExtensionHost, ExtensionView, Move, Turn } from '../engine/extension.ts'
import { appendPrefix } from '../job/append-key.ts'
import { isTerminal, type JobRecord, type Terminal } from '../job/record.ts'
import { stepsSince } from '../job/steps.ts'
import { OffstageError } from '../shared/errors.ts'
import { type BatchNode, type CallbackName, callbackNames, takeAppended } from './batch-spec.ts'
import type { TakenJob } from './job-spec.ts'
import { delist, enlist, idsOf, type ListOptions, relist } from './row-list.ts'

/** How many jobs of a batch there are, and what has become of them. */
export interface BatchCounts {
  /** All that were added to it. */
  readonly total: number
  /** Those whose handler returned. */
  readonly completed: number
  /** The dead letters: those that failed for good. */
  readonly failed: number
  /** Those that were cancelled. */
  readonly cancelled: number
  /** Those that have not ended. */
  readonly pending: number
}

/** What a list says of a batch. */
export interface ListedBatch extends BatchCounts {
  /** The id of the batch. */
  readonly id: string
  /** `running` until it has ended; then `completed`, or `failed` if a job of it has failed, or else `cancelled` if one was. */
  readonly state: 'running' | Terminal
  /** Whether more jobs may come, until `seal()`. */
  readonly isOpen: boolean
  /** The id of the batch that it is within. */
  readonly parentId: string | undefined
}

/** What a page knows of a batch. Of two, that with the higher version is newer. */
export interface ShownBatch {
  readonly version: number
  readonly counts: BatchCounts
}

/** What a page asks the scheduler that runs the jobs. */
export interface BatchCommands {
  add(node: BatchNode): Promise<ShownBatch & { readonly isNew: boolean }>
  get(id: string): Promise<ShownBatch | undefined>
  list(options: ListOptions): Promise<readonly ListedBatch[]>
  append(id: string, members: BatchNode['members']): Promise<ShownBatch>
  /** `undefined` if nothing of the batch is there any more; also for `ended`. */
  seal(id: string): Promise<ShownBatch | undefined>
  /** Resolves when the batch has ended. */
  ended(id: string): Promise<ShownBatch | undefined>
}

interface BatchRow {
  /** The batch that it is a member of. */
  readonly parent: string | undefined
  readonly callbacks: BatchNode['callbacks']
}

type Ends = Readonly<Record<Terminal, number>>

/** How many members have ended, and how. */
interface CountRow extends Ends {
  readonly total: number
  /** Of those that have ended, the ones whose record is removed. */
  readonly gone: Ends
  readonly isOpen: boolean
  /** It was said that nothing more comes. */
  readonly isSealed: boolean
  /** A member of it has failed. */
  readonly hasDied: boolean
  /** The callbacks that were added, and how many of their records are there. */
  readonly called: readonly CallbackName[]
  readonly calls: number
  /** A callback could not be added, and is tried again. */
  readonly isOwing: boolean
  readonly version: number
}

interface JobRow {
  readonly batch: string
  readonly isCallback: boolean
}

/** Where a member is: it has not ended, or that is how it has. */
type Stage = 'pending' | Terminal

/** A callback that could not be added, because too many jobs wait, is tried again after so long. */
const retryMs = 1_000
const noEnds: Ends = { completed: 0, failed: 0, cancelled: 0 }
const ends: readonly Terminal[] = ['completed', 'failed', 'cancelled']

const batchKey = (id: string): string => `batch ${id}`
const countKey = (id: string): string => `count ${id}`
const jobKey = (jobId: string): string => `job ${jobId}`

const batchOf = ({ rows }: ExtensionView, id: string) => rows.get(batchKey(id)) as BatchRow | undefined
const countOf = ({ rows }: ExtensionView, id: string) => rows.get(countKey(id)) as CountRow | undefined
const jobOf = ({ rows }: ExtensionView, jobId: string) => rows.get(jobKey(jobId)) as JobRow | undefined

const pendingOf = ({ total, completed, failed, cancelled }: CountRow): number => total - completed - failed - cancelled
const stageOfRecord = ({ state }: JobRecord): Stage => (isTerminal(state) ? (state as Terminal) : 'pending')

function stageOf(row: CountRow): Stage {
  if (row.isOpen || pendingOf(row) > 0) return 'pending'
  return row.failed > 0 ? 'failed' : row.cancelled > 0 ? 'cancelled' : 'completed'
}

function countsOf(row: CountRow): BatchCounts {
  const { total, completed, failed, cancelled } = row
  return { total, completed, failed, cancelled, pending: pendingOf(row) }
}

const shownOf = (row: CountRow): ShownBatch => ({ version: row.version, counts: countsOf(row) })
const shownIn = (view: ExtensionView, id: string): ShownBatch | undefined => {
  const row = countOf(view, id)
  return row && shownOf(row)
}

function listedOf(view: ExtensionView, id: string): ListedBatch {
  const row = countOf(view, id) as CountRow
  const stage = stageOf(row)
  const state = stage === 'pending' ? 'running' : stage
  return { id, state, isOpen: row.isOpen, parentId: batchOf(view, id)?.parent, ...countsOf(row) }
}

/** Made when it is asked for: a bundler leaves out an extension that nobody uses only if nothing is made when it is loaded. */
let moves: ReadonlySet<Move> | undefined

export const batchesExtension: Extension<BatchCommands> = {
  name: 'batches',
  scope: 'marked',
  get moves() {
    moves ??= new Set([...endMoves, 'retry', 'step'])
    return moves
  },
  events: ['batch:changed'],
  open(host) {
    reconcile(host)
    /** By batch: what resolves when it has ended. */
    const awaited = new Map<string, ((ended: ShownBatch) => void)[]>()
    host.on('batch:changed', ({ batchId, isEnded, version, ...event }) => {
      if (countOf(host, batchId)?.isOwing) host.after(retryMs, () => tryAgain(host, batchId))
      if (!isEnded) return
      const { total, completed, failed, cancelled, pending } = event
      const ended = { version, counts: { total, completed, failed, cancelled, pending } }
      for (const resolve of awaited.get(batchId) ?? []) resolve(ended)
      awaited.delete(batchId)
    })
    const nextEnd = (id: string): Promise<ShownBatch> =>
      new Promise((resolve) => awaited.set(id, [...(awaited.get(id) ?? []), resolve]))
    return {
      add: (node) => host.turn((turn) => add(turn, node), { isRefusable: true }),
      get: async (id) => shownIn(host, id),
      list: async (options) => idsOf(host, options).map((id) => listedOf(host, id)),
      append: (id, members) => host.turn((turn) => appendByCall(turn, id, members), { isRefusable: true }),
      seal: (id) => host.turn((turn) => seal(turn, id)),
      ended: async (id) => {
        const row = countOf(host, id)
        return !row || stageOf(row) !== 'pending' ? row && shownOf(row) : nextEnd(id)
      },
    }
  },
  moved(turn, before, after, move) {
    if (!before) return
    const row = jobOf(turn, before.id)
    if (!row) return
    if (move === 'step') return appendByJob(turn, before, after as JobRecord, row)
    if (!after) turn.put(jobKey(before.id), undefined)
    const count = countOf(turn, row.batch)
    if (!count) return
    if (row.isCallback) {
      if (!after) write(turn, row.batch, count, { ...count, calls: count.calls - 1 })
      return
    }
    const from = stageOfRecord(before)
    // What is removed before it ended will never end otherwise.
    const to = after ? stageOfRecord(after) : from === 'pending' ? 'cancelled' : from
    if (from !== to || !after) change(turn, row.batch, from, to, !after)
  },
  parentsOf(view, { id }) {
    const { batch = '' } = jobOf(view, id) ?? {}
    const row = countOf(view, batch)
    return row && { batch: { id: batch, ...countsOf(row) } }
  },
}

// Adding.

function add(turn: Turn, node: BatchNode): ShownBatch & { isNew: boolean } {
  const there = countOf(turn, node.id)
  if (there) return { ...shownOf(there), isNew: false }
  addBatch(turn, node, undefined)
  return { ...(shownIn(turn, node.id) ?? { version: 0, counts: { total: 0, ...noEnds, pending: 0 } }), isNew: true }
}

function addBatch(turn: Turn, { id, isOpen, callbacks, members }: BatchNode, parent: string | undefined): void {
  for (const { options } of Object.values(callbacks)) assertFree(turn, id, options?.id as string)
  turn.put(batchKey(id), { parent, callbacks } satisfies BatchRow)
  enlist(turn, id)
  const row = { ...noEnds, total: 0, gone: noEnds, isSealed: false, hasDied: false, called: [], calls: 0, isOwing: false, version: 0 } // biome-ignore format: one line.
  append(turn, id, { ...row, isOpen }, members)
}

/** Adds members to a batch. Those that it has already were appended by a call that is carried out again. */
function append(turn: Turn, id: string, row: CountRow, members: BatchNode['members']): void {
  const fresh = members.filter((member) => isFresh(turn, id, member))
  // It is open meanwhile: those that are not added yet may be the last.
  turn.put(countKey(id), { ...row, total: row.total + fresh.length, isOpen: true } satisfies CountRow)
  let missing = fresh.length
  try {
    for (const member of fresh) {
      if ('members' in member) addBatch(turn, member, id)
      else insert(turn, id, member)
      missing--
    }
  } finally {
    const open = countOf(turn, id) as CountRow
    write(turn, id, open, { ...open, total: open.total - missing, isOpen: row.isOpen })
  }
}

function isFresh(turn: Turn, id: string, member: BatchNode['members'][number]): boolean {
  if ('members' in member) {
    const there = batchOf(turn, member.id)
    if (there && there.parent !== id)
      throw duplicate(`The batch '${id}' has a batch '${member.id}', and there is another with that id.`, member.id)
    return !there
  }
  const { id: jobId } = member.options ?? {}
  if (jobId === undefined) return true
  const { callbacks } = batchOf(turn, id) as BatchRow
  if (Object.values(callbacks).some(({ options }) => options?.id === jobId)) throw taken(id, jobId)
  if (!turn.job(jobId)) return true
  if (jobOf(turn, jobId)?.batch !== id) assertFree(turn, id, jobId)
  return false
}

function insert(turn: Turn, id: string, { name, input, options }: TakenJob): void {
  const { job, disposition } = turn.insert({ name, input, options, isMarked: true })
  if (disposition !== 'created') throw taken(id, job.id)
  turn.put(jobKey(job.id), { batch: id, isCallback: false } satisfies JobRow)
}

function appendByCall(turn: Turn, id: string, members: BatchNode['members']): ShownBatch {
  const row = countOf(turn, id)
  const isOver = !row || row.isSealed || stageOf(row) !== 'pending'
  // A call that is carried out again may find that its jobs have ended.
  if (row && isOver && members.length > 0 && members.every((member) => !isFresh(turn, id, member))) return shownOf(row)
  if (isOver) throw over(id, row?.isSealed)
  append(turn, id, row, members)
  return shownIn(turn, id) as ShownBatch
}

/** A job appends to its batch in the commit of the step in which it says so; a later attempt finds that step recorded. */
function appendByJob(
  turn: Turn,
  before: JobRecord,
  { id: jobId, steps }: JobRecord,
  { batch, isCallback }: JobRow,
): void {
  const all = steps as ReadonlyMap<string, unknown>
  const fresh = (before.steps && stepsSince(all, before.steps)) ?? [...all].filter(([key]) => !before.steps?.has(key))
  for (const [key, jobs] of fresh) {
    if (!key.startsWith(appendPrefix)) continue
    try {
      const row = countOf(turn, batch)
      // A callback is no job of the batch, and comes when it has ended, or may end.
      if (!row || isCallback) throw over(batch, false)
      append(turn, batch, row, takeAppended(jobs))
    } catch (error) {
      // What was added before that stays, and is counted. A handler that did not wait for it may have ended: then all falls.
      if (!turn.move(jobId, { type: 'cancel', reason: error })) throw error
    }
  }
}

function seal(turn: Turn, id: string): ShownBatch | undefined {
  const row = countOf(turn, id)
  if (row && !row.isSealed) write(turn, id, row, { ...row, isOpen: false, isSealed: true })
  return shownIn(turn, id) ?? (row && shownOf({ ...row, isOpen: false }))
}

// Counting.

/** A member has come from one stage to another. `isGone`: its record is removed. */
function change(turn: Turn, id: string, from: Stage, to: Stage, isGone: boolean): void {
  const row = countOf(turn, id)
  if (!row) return
  const next: { -readonly [Name in keyof CountRow]: CountRow[Name] } = { ...row }
  if (from !== 'pending') next[from]--
  if (to !== 'pending') next[to]++
  if (isGone) next.gone = { ...row.gone, [to]: row.gone[to as Terminal] + 1 }
  write(turn, id, row, next)
}

/** Writes the counts, and does all that follows from them. */
function write(turn: Turn, id: string, before: CountRow, after: CountRow): void {
  const { parent, callbacks } = batchOf(turn, id) as BatchRow
  const stage = stageOf(after)
  const hasDied = after.hasDied || after.failed > 0
  const row = called(turn, id, callbacks, { ...after, hasDied, version: before.version + 1 })
  turn.put(countKey(id), row)
  turn.tell({
    type: 'batch:changed',
    batchId: id,
    version: row.version,
    isEnded: stage !== 'pending',
    ...countsOf(row),
  })
  if (parent !== undefined && stageOf(before) !== stage) change(turn, parent, stageOf(before), stage, false)
  if (stage === 'pending' || row.isOwing || row.calls > 0 || ends.some((end) => row[end] > row.gone[end])) return
  // Nothing of it is left but its rows.
  turn.put(batchKey(id), undefined)
  turn.put(countKey(id), undefined)
  delist(turn, id)
  if (parent !== undefined) change(turn, parent, stage, stage, true)
}

/** Adds the callbacks whose time has come, each once. */
function called(turn: Turn, id: string, callbacks: BatchRow['callbacks'], row: CountRow): CountRow {
  const stage = stageOf(row)
  const isDue: Record<CallbackName, boolean> = {
    onDeath: row.hasDied,
    onComplete: stage !== 'pending',
    onSuccess: stage === 'completed',
  }
  let { called, calls } = row
  let isOwing = false
  for (const name of callbackNames) {
    const callback = callbacks[name]
    if (!callback || !isDue[name] || called.includes(name)) continue
    try {
      const { job } = turn.insert({ ...callback, isMarked: true })
      if (!jobOf(turn, job.id)) calls++
      turn.mark(job.id)
      turn.put(jobKey(job.id), { batch: id, isCallback: true } satisfies JobRow)
      called = [...called, name]
    } catch {
      isOwing = true
    }
  }
  return { ...row, called, calls, isOwing }
}

function tryAgain(host: ExtensionHost, id: string): void {
  const again = host.turn((turn) => {
    const row = countOf(turn, id)
    if (row?.isOwing) write(turn, id, row, row)
  })
  // When the scheduler is closed, the next one finds what is owing.
  again.catch(() => {})
}

// Opening.

/** Jobs may have ended, and been removed, while this extension was not attached. */
function reconcile(host: ExtensionHost): void {
  if (host.rows.size === 0) return
  const members = new Map<string, string[]>()
  for (const key of host.rows.keys()) if (key.startsWith('batch ')) members.set(key.slice('batch '.length), [])
  for (const [key, value] of host.rows) if (key.startsWith('job ')) members.get((value as JobRow).batch)?.push(key)
  const ids = [...members.keys()]
  const depthOf = (id: string): number => {
    const { parent } = batchOf(host, id) ?? {}
    return parent === undefined ? 0 : 1 + depthOf(parent)
  }
  // Those within others first.
  const inwards = [...ids].sort((one, other) => depthOf(other) - depthOf(one))
  const again = host.turn((turn) => {
    relist(turn, ids)
    for (const id of inwards) recount(turn, id, inwards, members)
  })
  again.catch(() => {})
}

/** Counts the members of a batch anew. */
function recount(
  turn: Turn,
  id: string,
  ids: readonly string[],
  members: ReadonlyMap<string, readonly string[]>,
): void {
  const row = countOf(turn, id) as CountRow
  const next: { -readonly [Name in keyof CountRow]: CountRow[Name] } = { ...row, ...row.gone }
  for (const inner of ids) {
    const stage = batchOf(turn, inner)?.parent === id ? stageOf(countOf(turn, inner) as CountRow) : 'pending'
    if (stage !== 'pending') next[stage]++
  }
  const lost: string[] = []
  for (const key of members.get(id) ?? []) {
    const record = turn.job(key.slice('job '.length))
    const { isCallback } = turn.rows.get(key) as JobRow
    if (!record) turn.put(key, undefined)
    if (isCallback) next.calls -= record ? 0 : 1
    else if (!record) lost.push(key)
    else if (isTerminal(record.state)) next[record.state as Terminal]++
  }
  for (const _ of lost) {
    // It was counted when it ended, or nobody was there to do so.
    const end = ends.find((each) => next[each] < row[each]) ?? 'completed'
    next[end]++
    next.gone = { ...next.gone, [end]: next.gone[end] + 1 }
  }
  const isSame = row.calls === next.calls && ends.every((end) => row[end] === next[end])
  if (!isSame || lost.length > 0 || row.isOwing) write(turn, id, row, next)
}

const over = (id: string, isSealed: boolean | undefined): OffstageError =>
  new OffstageError(
    'BATCH_SEALED',
    `The batch '${id}' ${isSealed ? 'is sealed' : 'has ended'}: nothing can be appended to it.`,
  )

const duplicate = (message: string, jobId: string): OffstageError =>
  new OffstageError('DUPLICATE_ID', message, { jobId })

const taken = (id: string, jobId: string): OffstageError =>
  duplicate(`A job of the batch '${id}' has the id '${jobId}', which a job has already.`, jobId)

function assertFree(turn: Turn, id: string, jobId: string): void {
  if (turn.job(jobId)) throw taken(id, jobId)
}
