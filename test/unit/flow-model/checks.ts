// What must be true whenever nothing goes on by itself.
import { expect } from 'vitest'
import type { JobRecord } from '../../../src/job/record.ts'
import { type FlowModel, isEnded, type ModelJob } from './model.ts'
import type { Start, Watch, World } from './world.ts'

/** What tells one error from another; any other value is as it is. */
function told(value: unknown): unknown {
  if (!(value instanceof Error)) return value
  return (value as { code?: string }).code ?? value.message
}

const at = (tree: unknown, path: readonly string[]): unknown =>
  path.reduce<unknown>((branch, key) => (branch as Record<string, unknown> | undefined)?.[key], tree)

const stateOf = (state: string | undefined): string | undefined =>
  state === 'queued' || state === 'running' ? 'ready' : state

/** `expect` takes its time, so it is asked only when it will say no. */
function same(actual: unknown, expected: unknown, what: () => string): void {
  if (!Object.is(actual, expected)) expect(actual, what()).toBe(expected)
}

/** A job of a call of `result()`: how it had ended first since. */
type Ends = Map<string, ModelJob>

export class Checks {
  readonly #world: World
  /** Which flows are over, as far as it was told. */
  #over = new Set<string>()
  readonly #ends = new Map<Watch, Ends>()
  readonly #attempts = new Set<string>()

  constructor(world: World) {
    this.#world = world
  }

  /** Compares everything. `isHeard`: whoever would have been told of the last command has lived on. */
  compare(model: FlowModel, what: string, isHeard = true): void {
    const { records, problems } = this.#world
    model.decide((job) => records.get(job.id)?.state ?? this.#shown(job))
    this.#compareEvents(model, what, isHeard)
    model.retire((id) => records.has(id))
    this.#compareRecords(model, what)
    this.#compareStarts(model, what)
    this.#compareHandles(model, what)
    this.#compareResults(model, what)
    same(problems.join(), '', () => what)
    if (records.size === 0) same([...this.#world.rows.keys()].join(), '', () => `${what}: rows`)
  }

  /** What the handle of a flow shows of a job that may be gone. */
  #shown({ flow, path }: ModelJob): string | undefined {
    const tree = this.#world.handles.get(flow)?.snapshot().jobs
    return (at(tree, path) as { readonly state: string } | undefined)?.state
  }

  #compareRecords(model: FlowModel, what: string): void {
    const { records, workers } = this.#world
    const { present } = model
    if (records.size !== present.length || present.some((job) => stateOf(records.get(job.id)?.state) !== job.state)) {
      const states = Object.fromEntries([...records].map(([id, { state }]) => [id, stateOf(state)]))
      expect(states, what).toEqual(Object.fromEntries(present.map(({ id, state }) => [id, state])))
    }
    let running = 0
    let ready = 0
    for (const [id, { state, failures, result, error }] of records) {
      const job = model.job(id)
      job.isRunning = state === 'running'
      if (job.isRunning) running++
      if (job.state === 'ready') ready++
      // To fail because of a parent counts as a failure, or not.
      if (!job.hasFallen) same(failures, job.failures, () => `${what}: failures of '${id}'`)
      if (isEnded(job)) same(told(state === 'completed' ? result : error), job.outcome, () => `${what}: '${id}'`)
    }
    const started = this.#world.started.splice(0)
    const hasSuspects = [...records.values()].some((record) => record.crashes > 0 && !isEnded(record))
    if (hasSuspects) return
    same(running >= Math.min(ready, workers), true, () => `${what}: ${running} of ${ready} run`)
    this.#compareOrder(model, started, what)
  }

  /** Whatever has just started comes before all that still wait. */
  #compareOrder(model: FlowModel, started: readonly string[], what: string): void {
    const waiting = model.present.filter(({ state, isRunning }) => state === 'ready' && !isRunning)
    const highest = Math.max(...waiting.map(({ priority }) => priority))
    for (const id of started)
      same(model.job(id).priority >= highest, true, () => `${what}: '${id}' goes before those that go first`)
  }

  #compareStarts(model: FlowModel, what: string): void {
    for (const start of this.#world.starts.splice(0)) {
      this.#note(start, model, what)
      const job = model.job(start.jobId)
      same(job.state, 'ready', () => `${what}: '${job.id}' starts`)
      for (const edge of job.parents) {
        const parent = model.parentOutcome(edge)
        if (parent)
          same(told(at(start.parents, edge.path)), parent.value, () => `${what}: '${job.id}' gets '${edge.jobId}'`)
        else same(job.isForced, true, () => `${what}: '${job.id}' starts before '${edge.jobId}' has ended`)
      }
    }
  }

  /** No attempt starts twice, in whatever process. */
  noteStarts(model: FlowModel, what: string): void {
    for (const start of this.#world.starts.splice(0)) this.#note(start, model, what)
  }

  #note({ jobId, attempt }: Start, model: FlowModel, what: string): void {
    const key = `${jobId} ${model.job(jobId).seq} ${attempt}`
    same(this.#attempts.has(key), false, () => `${what}: '${jobId}' starts its attempt ${attempt} twice`)
    this.#attempts.add(key)
  }

  /** One event for each flow that has come to its end. */
  #compareEvents(model: FlowModel, what: string, isHeard: boolean): void {
    const events = this.#world.flowEvents.splice(0)
    const flows = new Set([...model.jobs.values()].map(({ flow }) => flow))
    for (const flow of flows) {
      const told = events.filter(({ flowId }) => flowId === flow)
      const wasOver = this.#over.has(flow)
      const isOver = model.isOver(flow)
      if (isOver) this.#over.add(flow)
      else this.#over.delete(flow)
      if (!isOver || wasOver) same(told.length, 0, () => `${what}: events of '${flow}'`)
      else if (isHeard || told.length > 0) this.#compareEnd(model, flow, told, what)
    }
  }

  #compareEnd(model: FlowModel, flow: string, told: World['flowEvents'], what: string): void {
    const failures = model.firstFailures(flow)
    const expected = failures.length > 0 ? 'flow:failed' : 'flow:completed'
    same(told.map(({ type }) => type).join(), expected, () => `${what}: events of '${flow}'`)
    if (failures.length === 0) return
    const { jobId, key } = told[0] as (typeof told)[number]
    const isFirst = failures.some(({ id, path }) => id === jobId && path.join('.') === key)
    same(isFirst, true, () => `${what}: '${flow}' has failed with '${jobId}', key '${key}'`)
  }

  #compareHandles(model: FlowModel, what: string): void {
    for (const [id, handle] of this.#world.handles) {
      const snapshot = handle.snapshot()
      const jobs = [...model.jobs.values()].filter(({ flow, path }) => flow === id && at(snapshot.jobs, path))
      const isOver = jobs.every(isEnded)
      const isFailed = jobs.some(({ isNeeded, state }) => isNeeded && (state === 'failed' || state === 'cancelled'))
      const { jobs: tree, state: flowState, ended, total } = snapshot
      const shown = `${snapshot.id} ${flowState} ${ended} ${total}`
      const expected = !isOver ? 'running' : isFailed ? 'failed' : 'completed'
      const label = () => `${what}: snapshot of '${id}'`
      same(shown, `${id} ${expected} ${jobs.filter(isEnded).length} ${jobs.length}`, label)
      for (const { id: jobId, path, state, isGone } of jobs) {
        const shownState = (at(tree, path) as { readonly state: string }).state
        same(stateOf(shownState), state, label)
        if (!isGone) same(shownState, this.#world.records.get(jobId)?.state, label)
      }
    }
  }

  /** A call of `result()` settles with the first end of each job since then. */
  #compareResults(model: FlowModel, what: string): void {
    const { watches } = this.#world
    for (const watch of [...watches]) {
      const { jobs } = watch.flow
      const ends: Ends = this.#ends.get(watch) ?? new Map()
      this.#ends.set(watch, ends)
      const all = [...model.jobs.values()].filter(({ flow, path }) => flow === watch.flow.id && at(jobs, path))
      for (const job of all) if (isEnded(job) && !ends.has(job.id)) ends.set(job.id, { ...job })
      const isOver = ends.size === all.length
      same(watch.outcome !== undefined, isOver, () => `${what}: result of '${watch.flow.id}' settles`)
      if (!isOver) continue
      this.#compareResult(watch, [...ends.values()], what)
      this.#ends.delete(watch)
      watches.splice(watches.indexOf(watch), 1)
    }
  }

  #compareResult({ flow, outcome }: Watch, ends: readonly ModelJob[], what: string): void {
    const bad = ends.filter(({ isNeeded, state }) => isNeeded && state !== 'completed')
    const label = () => `${what}: result of '${flow.id}'`
    if (bad.length === 0)
      for (const { path, outcome: expected } of ends) same(told(at(outcome?.value, path)), expected, label)
    else
      same(
        bad.some((job) => job.outcome === told(outcome?.error)),
        true,
        label,
      )
  }
}

/** Whether these records can be what a process has left that ended when the model was so. */
export function fits(model: FlowModel, records: readonly JobRecord[]): boolean {
  const byId = new Map(records.map((record) => [record.id, record]))
  model.decide(({ id }) => byId.get(id)?.state)
  if (records.some(({ id }) => !model.jobs.has(id) || model.job(id).isGone)) return false
  const { must, some } = model.retired()
  const mayBeGone = new Set([...must, ...some.flatMap(({ of }) => of)])
  return model.present.every((job) => {
    const record = byId.get(job.id)
    if (!record) return mayBeGone.has(job)
    const isDue = record.state === 'scheduled' && (record.runAt ?? 0) <= model.now
    if ((isDue ? 'ready' : stateOf(record.state)) !== job.state) return false
    if (!isEnded(job)) return record.failures === job.failures
    return told(job.state === 'completed' ? record.result : record.error) === job.outcome
  })
}
