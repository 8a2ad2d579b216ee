/** What must be true of flows and batches, by the calls that were made, and by records and rows. */
import type { Step } from '../../src/engine/steps.ts'
import type { BatchCounts } from '../../src/flows/batches-extension.ts'
import type { FlowSnapshot } from '../../src/flows/flow.ts'
import type { OnFailure } from '../../src/flows/flow-spec.ts'
import { appendPrefix } from '../../src/job/append-key.ts'
import { isTerminal, type JobRecord, type Terminal } from '../../src/job/record.ts'
import type { OffstageError } from '../../src/shared/errors.ts'
import type { Row } from '../../src/store/store.ts'
import { isEqual, show } from './equal.ts'
import { inputOf, isHeldBack, isOf } from './kinds.ts'
import type { Stats } from './stats.ts'
import { assert } from './truth.ts'

interface Parent {
  readonly jobId: string
  readonly onFailure: OnFailure
}

/** A call that adds a flow: its jobs, and for which each waits. */
export interface FlowCall {
  readonly id: string
  readonly tags: number[]
  readonly nodes: Map<string, readonly Parent[]>
}

type CallbackName = 'onSuccess' | 'onComplete' | 'onDeath'

/** A call that adds a batch: all tags in it, and which of them are callbacks. */
export interface BatchCall {
  readonly id: string
  isOpen: boolean
  readonly parent: string | undefined
  readonly tags: number[]
  readonly callbacks: Partial<Record<CallbackName, number>>
}

interface CountRow extends Readonly<Record<Terminal, number>> {
  readonly total: number
  readonly gone: Readonly<Record<Terminal, number>>
  readonly isOpen: boolean
  readonly hasDied: boolean
  readonly called: readonly CallbackName[]
  readonly isOwing: boolean
}

type Rows = ReadonlyMap<string, Row>
type Records = ReadonlyMap<number, JobRecord>
type Stage = 'pending' | Terminal

const ends: readonly Terminal[] = ['completed', 'failed', 'cancelled']
const countOf = (rows: Rows, id: string) => rows.get(`batches/count ${id}`)?.value as CountRow | undefined
const pendingOf = (row: CountRow): number => row.total - row.completed - row.failed - row.cancelled
const stageOf = (row: CountRow): Stage =>
  row.isOpen || pendingOf(row) > 0
    ? 'pending'
    : row.failed > 0
      ? 'failed'
      : row.cancelled > 0
        ? 'cancelled'
        : 'completed'
/** Returns the ids of a list, the newest first. */
function listedIn(table: string, rows: Rows): string[] {
  const ids: string[] = []
  const olderOf = (id: string) => (rows.get(`${table}place ${id}`)?.value as { readonly older?: string })?.older
  for (let id = olderOf(''); id; id = olderOf(id)) ids.push(id)
  return ids
}

const stageOfRecord = ({ state }: JobRecord): Stage => (isTerminal(state) ? (state as Terminal) : 'pending')

export class FlowOracle {
  readonly #stats: Stats
  readonly #removed: ReadonlySet<string>
  readonly #flows = new Map<string, FlowCall>()
  readonly #batches = new Map<string, BatchCall>()
  /** What somebody has asked to be sealed, in any life. */
  readonly #sealing = new Set<string>()
  /** By the id of a job: what it waits for. */
  readonly #parents = new Map<string, readonly Parent[]>()
  /** Jobs that somebody had run again by hand, or that had started before a parent of theirs ran again. */
  readonly #again = new Set<string>()
  /** Tags that are stored, in any batch so far. */
  readonly #inserted: { has(tag: number): boolean }

  constructor(stats: Stats, removed: ReadonlySet<string>, inserted: { has(tag: number): boolean }) {
    this.#stats = stats
    this.#removed = removed
    this.#inserted = inserted
  }

  // Calls.

  askedFlow(call: FlowCall): void {
    this.#flows.set(call.id, call)
    for (const [jobId, parents] of call.nodes) this.#parents.set(jobId, parents)
  }

  /** Somebody asks for it to be sealed. */
  askedToSeal(id: string): void {
    this.#sealing.add(id)
  }

  askedBatch(call: BatchCall): void {
    this.#batches.set(call.id, call)
  }

  jobsOf(flowId: string): Iterable<string> {
    return this.#flows.get(flowId)?.nodes.keys() ?? []
  }

  addedFlow({ id, nodes, tags }: FlowCall, { total }: FlowSnapshot): void {
    this.#stats.count('flows: added')
    assert(total <= nodes.size, 'I25', () => `'${id}' has ${total} jobs, of ${nodes.size}`)
    for (const tag of tags) assert(this.#inserted.has(tag), 'I1', () => `'${id}' is added, and its job ${tag} is not`)
  }

  addedBatch({ id }: BatchCall): void {
    this.#stats.count('batches: added')
    void id
  }

  appended(tags: readonly number[]): void {
    this.#stats.count('batches: appended')
    for (const tag of tags)
      assert(this.#inserted.has(tag), 'I1', () => `${tag} is said to be appended, and is not there`)
  }

  sealed(id: string, rows: Rows): void {
    this.#stats.count('batches: sealed')
    assert(!countOf(rows, id)?.isOpen, 'I4', () => `'${id}' is said to be sealed, and is open`)
  }

  ended(id: string, counts: BatchCounts): void {
    this.#stats.count('batches: ended and told')
    assert(counts.pending === 0, 'I4', () => `'${id}' is said to have ended: ${show(counts)}`)
  }

  refused(code: string): void {
    this.#stats.count(`flows and batches refused: ${code}`)
  }

  openBatches(rows: Rows): string[] {
    return [...this.#batches.keys()].filter((id) => countOf(rows, id)?.isOpen)
  }

  // Moves.

  judge(step: Step, model: Records, steps: readonly Step[]): void {
    const { type, before, after } = step
    const record = after ?? before
    if (!record) return
    // A parent has ended and is asked to run again, all in one batch.
    const isTakenBack = steps.slice(steps.indexOf(step)).some(takesBack(type, record))
    if (isOf(record, 'flow') && !isTakenBack) this.#judgeFlowMove(type, before, after, model)
    if (isOf(record, 'batch') && type === 'step' && after) this.#judgeAppend(before as JobRecord, after, steps)
  }

  #judgeFlowMove(
    type: Step['type'],
    before: JobRecord | undefined,
    after: JobRecord | undefined,
    model: Records,
  ): void {
    const { id, state } = (after ?? before) as JobRecord
    const what = () => `${type} of '${id}'`
    if (!after) return this.#judgeRemoval(before as JobRecord, model, what)
    const parents = this.#parents.get(id)
    if (!parents) return
    const byId = new Map([...model.values()].map((each) => [each.id, each]))
    const left = parents.filter((parent) => !isDone(byId, parent))
    if (type === 'insert')
      assert(
        (state === 'blocked') === parents.length > 0,
        'I25',
        () => `${what()}, which waits for ${show(parents)}, is ${state}`,
      )
    if (type === 'unblock') {
      this.#stats.count('flows: unblocked')
      assert(left.length === 0, 'I25', () => `${what()} before ${show(left)} are done`)
    }
    if (type === 'retry') this.#again.add(id)
    // Those that run go on, also if their worker gives them back, which takes their attempt back.
    if (type === 'retry')
      for (const [childId, parents] of this.#parents)
        if (byId.get(childId)?.state === 'running' && parents.some(({ jobId }) => jobId === id))
          this.#again.add(childId)
    if (type === 'start' && before?.attempt === 0 && !this.#again.has(id))
      assert(left.length === 0, 'I25', () => `${what()} before ${show(left)} are done`)
    if (type !== 'fail' || (after.error as OffstageError | undefined)?.code !== 'DEPENDENCY_FAILED') return
    this.#stats.count('flows: fell with another')
    const isFallen = parents.some(({ jobId, onFailure }) => {
      const parent = byId.get(jobId)
      return onFailure === 'fail' && (!parent || parent.state === 'failed' || parent.state === 'cancelled')
    })
    assert(isFallen, 'I25', () => `${what()}, and nothing that it needs has failed: ${show(parents)}`)
  }

  /** What others may still need stays, whatever `keep` says. */
  #judgeRemoval({ id, input }: JobRecord, model: Records, what: () => string): void {
    if (this.#removed.has(id)) return
    const { within } = inputOf({ input })
    const waits = [...model.values()].find((each) => inputOf(each).within === within && !isTerminal(each.state))
    assert(!waits, 'I25', () => `${what()} while '${waits?.id}' of its flow is ${waits?.state}`)
  }

  #judgeAppend(before: JobRecord, after: JobRecord, steps: readonly Step[]): void {
    for (const [key, value] of after.steps ?? []) {
      if (!key.startsWith(appendPrefix) || before.steps?.has(key)) continue
      const tags = (value as readonly { readonly input: { readonly tag: number } }[]).map(({ input }) => input.tag)
      const missing = tags.find(
        (tag) => !steps.some((step) => step.type === 'insert' && step.after && inputOf(step.after).tag === tag),
      )
      // One that has not waited for it may have ended; then the scheduler reports it.
      const isCancelled = steps.some((step) => step.after?.id === after.id && isTerminal(step.after.state))
      this.#stats.count(isCancelled ? 'batches: append refused' : 'batches: appended by a job')
      assert(
        missing === undefined || isCancelled,
        'I26',
        () => `'${after.id}' has appended ${missing}, which is not there`,
      )
    }
  }

  // Batches of the store.

  /** What must be true behind each batch. */
  judgeBatch(steps: readonly Step[], model: Records, rowsBefore: Rows, rows: Rows): void {
    const byId = new Map([...model.values()].map((record) => [record.id, record]))
    for (const record of model.values())
      if (isHeldBack(record) && isOf(record, 'flow')) this.#judgeBlocked(record, byId, rows)
    for (const { id, nodes } of this.#flows.values()) this.#judgeCount(id, nodes, byId, rows)
    for (const { type, after } of steps)
      if (type === 'retry' && after && isOf(after, 'flow')) this.#judgeReturn(after.id, steps, byId, rowsBefore)
    const members = new Map<string, JobRecord[]>()
    for (const record of model.values()) {
      const { of, within = '' } = inputOf(record)
      if (of === 'batch') members.set(within, [...(members.get(within) ?? []), record])
    }
    for (const call of this.#batches.values()) this.#judgeBatchRows(call, members, steps, rowsBefore, rows)
    this.#judgeList('flows/', 'I25', rowsBefore, rows)
    this.#judgeList('batches/', 'I26', rowsBefore, rows)
  }

  /** A list has all that are there, those that are new before the others, whose order stays. */
  #judgeList(table: string, invariant: 'I25' | 'I26', rowsBefore: Rows, rows: Rows): void {
    const listed = listedIn(table, rows)
    const there = [...rows.keys()].filter((key) => key.startsWith(`${table}count `))
    const ids = there.map((key) => key.slice(`${table}count `.length))
    const what = () => `the list of ${table} ${show(listed)}`
    assert(isEqual([...listed].sort(), ids.sort()), invariant, () => `${what()} has not exactly ${show(ids)}`)
    const old = listedIn(table, rowsBefore).filter((id) => ids.includes(id))
    const isInOrder = isEqual(listed.slice(listed.length - old.length), old)
    assert(isInOrder, invariant, () => `${what()} does not end with ${show(old)}`)
    if (old.length > 0 && listed.length > old.length) this.#stats.count(`${table} listed before others`)
  }

  #judgeBlocked({ id }: JobRecord, byId: ReadonlyMap<string, JobRecord>, rows: Rows): void {
    const parents = this.#parents.get(id) ?? []
    const left = parents.filter((parent) => !isDone(byId, parent))
    const isHopeless = left.some(({ jobId }) => isTerminal((byId.get(jobId) as JobRecord).state))
    assert(left.length > 0, 'I25', () => `'${id}' waits for nobody, of ${show(parents)}`)
    assert(!isHopeless, 'I25', () => `'${id}' waits for what has failed, of ${show(parents)}`)
    if (parents.length < 2) return
    const counted = rows.get(`flows/left ${id}`)?.value
    assert(counted === left.length, 'I25', () => `'${id}' waits for ${left.length}, and its row says ${show(counted)}`)
  }

  /** What fell with a job comes back with it, unless it needs another that has failed. */
  #judgeReturn(jobId: string, steps: readonly Step[], byId: ReadonlyMap<string, JobRecord>, rowsBefore: Rows): void {
    for (const [childId, parents] of this.#parents) {
      const child = byId.get(childId)
      const isFallen = child && isTerminal(child.state) && rowsBefore.has(`flows/fell ${childId}`)
      if (!isFallen || !parents.some((parent) => parent.jobId === jobId)) continue
      this.#stats.count('flows: a parent of what fell runs again')
      const isBack = steps.some(({ type, after }) => type === 'retry' && after?.id === childId)
      const isHopeless = parents.some((parent) => {
        const record = byId.get(parent.jobId)
        return record && isTerminal(record.state) && !isDone(byId, parent)
      })
      assert(isBack || isHopeless, 'I25', () => `'${jobId}' runs again, and '${childId}', which fell with it, does not`)
    }
  }

  #judgeCount(id: string, nodes: FlowCall['nodes'], byId: ReadonlyMap<string, JobRecord>, rows: Rows): void {
    const there = [...nodes.keys()].flatMap((jobId) => byId.get(jobId) ?? [])
    const pending = there.filter(({ state }) => !isTerminal(state)).length
    const row = rows.get(`flows/count ${id}`)?.value as { readonly isFailed: boolean } | undefined
    const failed = there.find(({ id: jobId, state }) => {
      const children = [...nodes.values()].flat().filter((parent) => parent.jobId === jobId)
      const isNeeded = children.length === 0 || children.some(({ onFailure }) => onFailure !== 'continue')
      return isNeeded && (state === 'failed' || state === 'cancelled')
    })
    // What it ended with stays when records are removed, and means nothing while it runs again.
    const isFailed = pending > 0 || there.length < nodes.size ? row?.isFailed : failed !== undefined
    const expected = there.length === 0 ? undefined : { pending, kept: there.length, isFailed }
    assert(isEqual(row, expected), 'I25', () => `the row of '${id}' says ${show(row)}, not ${show(expected)}`)
  }

  #judgeBatchRows(
    { id, isOpen, callbacks }: BatchCall,
    members: ReadonlyMap<string, readonly JobRecord[]>,
    steps: readonly Step[],
    rowsBefore: Rows,
    rows: Rows,
  ): void {
    const row = countOf(rows, id)
    const own = members.get(id) ?? []
    const what = () => `'${id}' (${show(row)})`
    if (!row) {
      assert(own.length === 0, 'I26', () => `${what()} is forgotten, and '${own[0]?.id}' is there`)
      if (!countOf(rowsBefore, id)) return
      this.#stats.count('batches: forgotten')
      return this.#judgeCalled(callbacks.onComplete, steps, () => `${what()} is forgotten without onComplete`)
    }
    assert(
      row.isOpen || !isOpen || this.#sealing.has(id),
      'I26',
      () => `${what()} is no longer open, and nobody sealed it`,
    )
    const inner = [...this.#batches.values()].flatMap(({ id: nested, parent }) =>
      parent === id ? (countOf(rows, nested) ?? []) : [],
    )
    const stages = [...own.map(stageOfRecord), ...inner.map(stageOf)]
    for (const end of ends) {
      const there = stages.filter((stage) => stage === end).length
      assert(
        row[end] - row.gone[end] === there,
        'I26',
        () =>
          `${what()} counts ${row[end]} ${end}; there are ${there}: ${own.map(({ id: jobId, state }) => `${jobId} ${state}`)}, ${show(inner)}`,
      )
    }
    const pending = stages.filter((stage) => stage === 'pending').length
    assert(pendingOf(row) === pending, 'I26', () => `${what()} has ${pendingOf(row)} pending; there are ${pending}`)
    const stage = stageOf(row)
    const isDue = { onDeath: row.failed > 0, onComplete: stage !== 'pending', onSuccess: stage === 'completed' }
    for (const [name, tag] of Object.entries(callbacks) as [CallbackName, number][]) {
      const isCalled = row.called.includes(name)
      if (row.isOwing) this.#stats.count('batches: owing a callback')
      assert(isCalled || row.isOwing || !isDue[name], 'I26', () => `${what()} has not added ${name}`)
      if (isCalled) this.#judgeCalled(tag, steps, () => `${what()} says that it has added ${name}`)
      else assert(!this.#isThere(tag, steps), 'I26', () => `${what()} has added ${name}, and does not know`)
      if (!isCalled || countOf(rowsBefore, id)?.called.includes(name)) continue
      this.#stats.count(`batches: ${name}`)
      // Somebody may have had a job run again in this very batch, or appended.
      const isOvertaken = steps.some(({ type }) => type === 'retry' || type === 'insert')
      assert(isDue[name] || row.hasDied || isOvertaken, 'I26', () => `${what()} has added ${name} too early`)
    }
  }

  #isThere(tag: number | undefined, steps: readonly Step[]): boolean {
    const isNew = steps.some(({ type, after }) => type === 'insert' && after && inputOf(after).tag === tag)
    return tag !== undefined && (isNew || this.#inserted.has(tag))
  }

  #judgeCalled(tag: number | undefined, steps: readonly Step[], what: () => string): void {
    assert(tag === undefined || this.#isThere(tag, steps), 'I26', what)
  }

  /** What a handler must find in `job.parents`: the results of those that are completed. */
  judgeParents(record: JobRecord, found: unknown, byId: (id: string) => JobRecord | undefined): void {
    const { of, within } = inputOf(record)
    if (of === 'batch') {
      const { batch } = (found ?? {}) as { readonly batch?: { readonly id: string } }
      const owner = within?.replace(/^on\w+ /, '')
      return assert(batch?.id === owner, 'I26', () => `'${record.id}' finds ${show(found)}, and is of '${owner}'`)
    }
    for (const { jobId } of this.#parents.get(record.id) ?? []) {
      const parent = byId(jobId)
      // What is being removed by hand is found no more.
      if (parent?.state !== 'completed' || this.#removed.has(jobId)) continue
      const path = jobId.slice(jobId.indexOf('/') + 1).split('.')
      // Within one nested flow a key is enough.
      const value = [path, path.slice(1)].map((keys) => valueAt(found, keys)).find((each) => each !== undefined)
      this.#stats.count('flows: results of parents')
      assert(
        isEqual(value, parent.result),
        'I25',
        () => `'${record.id}' finds ${show(found)}, not the result of '${jobId}'`,
      )
    }
  }
}

const valueAt = (tree: unknown, keys: readonly string[]): unknown =>
  keys.length === 0
    ? undefined
    : keys.reduce<unknown>((branch, key) => (branch as Record<string, unknown> | undefined)?.[key], tree)

const isDone = (byId: ReadonlyMap<string, JobRecord>, { jobId, onFailure }: Parent): boolean => {
  const state = byId.get(jobId)?.state ?? 'completed'
  return state === 'completed' || (isTerminal(state) && onFailure === 'continue')
}

const takesBack = (type: Step['type'], { id }: JobRecord) => {
  const back = type === 'unblock' ? 'block' : type === 'fail' || type === 'cancel' ? 'retry' : undefined
  return ({ type, after }: Step): boolean => type === back && after?.id === id
}
