import type { JobSnapshot } from '../engine/job-observers.ts'
import { isTerminal } from '../job/record.ts'
import { inSlices } from '../platform/in-slices.ts'
import { OffstageError } from '../shared/errors.ts'
import { put } from '../shared/rebuild.ts'
import type { Job } from '../typed-job.ts'
import type { Scheduler } from '../typed-scheduler.ts'
import type { Path } from './flow-spec.ts'
import type { FlowCommands, FlowMember, ListedFlow } from './flows-extension.ts'

/** What can be seen of the jobs of a flow, by key; of a nested flow, its own such object. */
export interface FlowTree {
  readonly [key: string]: JobSnapshot | FlowTree
}

/** What can be seen of a flow. */
export interface FlowSnapshot extends ListedFlow {
  /** The snapshots of its jobs, by key. */
  readonly jobs: FlowTree
}

interface FlowHost {
  readonly scheduler: Scheduler
  readonly commands: FlowCommands
}

interface Member {
  readonly path: Path
  readonly job: Job
  readonly isNeeded: boolean
}

/** The handle of a flow. */
export class FlowHandle {
  readonly id: string
  readonly disposition: 'created' | 'existing'
  readonly jobs: object
  readonly #host: FlowHost
  readonly #members: readonly Member[]
  #shown: readonly JobSnapshot[] = []
  #snapshot: FlowSnapshot | undefined

  static async of(
    host: FlowHost,
    id: string,
    disposition: 'created' | 'existing',
    members: readonly FlowMember[],
  ): Promise<FlowHandle> {
    // All are asked for before the first answer is awaited: in a tab that follows, each answer is a message.
    const asked = await inSlices(members, ({ jobId }) => ({ job: host.scheduler.get(jobId) }))
    const jobs = await Promise.all(asked.map(({ job }) => job))
    const there = members.flatMap(({ path, isNeeded }, index) => {
      const job = jobs[index]
      return job ? [{ path, isNeeded, job: job as Job }] : []
    })
    return new FlowHandle(host, id, disposition, there)
  }

  private constructor(host: FlowHost, id: string, disposition: 'created' | 'existing', members: readonly Member[]) {
    this.id = id
    this.disposition = disposition
    this.#host = host
    this.#members = members
    this.jobs = treeOf(members.map(({ path, job }) => [path, job]))
  }

  async result(): Promise<object> {
    const outcomes = await Promise.allSettled(this.#members.map(({ job }) => job.result()))
    const failed = outcomes.findIndex(({ status }, index) => status === 'rejected' && this.#members[index]?.isNeeded)
    if (failed !== -1) throw (outcomes[failed] as PromiseRejectedResult).reason
    return treeOf(
      outcomes.map((outcome, index) => [
        this.#members[index]?.path as Path,
        outcome.status === 'fulfilled' ? outcome.value : outcome.reason,
      ]),
    )
  }

  readonly snapshot = (): FlowSnapshot => {
    const shown = this.#members.map(({ job }) => job.snapshot())
    if (this.#snapshot && shown.every((each, index) => each === this.#shown[index])) return this.#snapshot
    this.#shown = shown
    const ended = shown.filter(({ state }) => isTerminal(state)).length
    const isFailed = shown.some(
      ({ state }, index) => (state === 'failed' || state === 'cancelled') && this.#members[index]?.isNeeded,
    )
    this.#snapshot = Object.freeze({
      id: this.id,
      state: ended < shown.length ? 'running' : isFailed ? 'failed' : 'completed',
      ended,
      total: shown.length,
      jobs: treeOf(shown.map((each, index) => [this.#members[index]?.path as Path, each])) as FlowTree,
    })
    return this.#snapshot
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    const stops = this.#members.map(({ job }) => job.subscribe(listener))
    return () => stops.forEach((stop) => void stop())
  }

  async cancel(reason?: unknown): Promise<number> {
    return this.#host.commands.cancel(this.id, reason ?? new OffstageError('JOB_CANCELLED', 'The flow was cancelled.'))
  }
}

/** Values by key; below a key of a nested flow, by its keys. Frozen. */
function treeOf(values: readonly (readonly [path: Path, value: unknown])[]): object {
  const tree: Record<string, unknown> = {}
  const branches: object[] = [tree]
  for (const [path, value] of values) {
    let branch = tree
    for (const key of path.slice(0, -1)) {
      if (!Object.hasOwn(branch, key)) {
        put(branch, key, {})
        branches.push(branch[key] as object)
      }
      branch = branch[key] as Record<string, unknown>
    }
    put(branch, path.at(-1) as string, value)
  }
  for (const branch of branches) Object.freeze(branch)
  return tree
}
