import { randomId } from '../platform/random-id.ts'
import { OffstageError } from '../shared/errors.ts'
import type { Scheduler } from '../typed-scheduler.ts'
import { takeMembers } from './batch-spec.ts'
import type { BatchCommands, BatchCounts, ShownBatch } from './batches-extension.ts'
import { type TakeJob, takeJobFrom } from './job-spec.ts'

/**
 * What the handles of the batches of one scheduler have in common. One listener serves all of them: there may be thousands. Who
 * forgets a handle need not say so.
 */
export class BatchHost {
  readonly commands: BatchCommands
  readonly takeJob: TakeJob
  readonly #handles = new Map<string, Set<WeakRef<BatchHandle>>>()
  readonly #gone = new FinalizationRegistry<string>((id) => void this.#of(id))
  /** Handles that somebody listens to. */
  readonly watched = new Set<BatchHandle>()

  constructor(scheduler: Scheduler, commands: BatchCommands) {
    this.commands = commands
    this.takeJob = takeJobFrom(scheduler)
    scheduler.on('batch:changed', ({ batchId, version, ...event }) => {
      for (const handle of this.#of(batchId)) handle.show(version, event)
    })
    // Events that the former leading tab has sent may be lost.
    scheduler.on('leader', () => {
      for (const id of this.#handles.keys()) for (const handle of this.#of(id)) handle.refresh().catch(() => {})
    })
  }

  add(handle: BatchHandle): void {
    const handles = this.#handles.get(handle.id) ?? new Set()
    this.#handles.set(handle.id, handles.add(new WeakRef(handle)))
    this.#gone.register(handle, handle.id)
  }

  /** Returns the handles of a batch. Those that are gone are forgotten. */
  #of(id: string): BatchHandle[] {
    const handles = this.#handles.get(id) ?? new Set()
    const there: BatchHandle[] = []
    for (const each of handles) {
      const handle = each.deref()
      if (handle) there.push(handle)
      else handles.delete(each)
    }
    if (handles.size === 0) this.#handles.delete(id)
    return there
  }
}

/** The handle of a batch. */
export class BatchHandle {
  readonly id: string
  disposition: 'created' | 'existing' = 'existing'
  readonly #host: BatchHost
  readonly #listeners = new Map<object, () => void>()
  #counts: BatchCounts = Object.freeze({ total: 0, completed: 0, failed: 0, cancelled: 0, pending: 0 })
  #version = -1

  constructor(host: BatchHost, id: string) {
    this.id = id
    this.#host = host
    host.add(this)
  }

  readonly snapshot = (): BatchCounts => this.#counts

  readonly subscribe = (listener: () => void): (() => void) => {
    const key = {}
    this.#listeners.set(key, listener)
    this.#host.watched.add(this)
    return () => {
      this.#listeners.delete(key)
      if (this.#listeners.size === 0) this.#host.watched.delete(this)
    }
  }

  async append(jobs: unknown): Promise<void> {
    const members = takeMembers(jobs, `${this.id}/${randomId('more')}.`, this.#host.takeJob)
    this.take(await this.#host.commands.append(this.id, members))
  }

  async seal(): Promise<void> {
    this.take(await this.#host.commands.seal(this.id))
  }

  async result(): Promise<BatchCounts> {
    const shown = await this.#host.commands.ended(this.id)
    this.take(shown)
    // As it had ended: since then, a job of it may have been retried.
    if (shown) return taken(shown.counts)
    // Nothing of it is left. Its end was heard, unless the store has refused it after it was found.
    if (this.#counts.pending > 0) throw new OffstageError('INVALID_OPTION', `There is no batch '${this.id}'.`)
    return this.#counts
  }

  async refresh(): Promise<boolean> {
    const shown = await this.#host.commands.get(this.id)
    this.take(shown)
    return shown !== undefined
  }

  take(shown: ShownBatch | undefined): void {
    if (shown) this.show(shown.version, shown.counts)
  }

  show(version: number, counts: BatchCounts): void {
    if (version <= this.#version) return
    this.#version = version
    this.#counts = taken(counts)
    for (const listener of this.#listeners.values()) listener()
  }
}

const taken = ({ total, completed, failed, cancelled, pending }: BatchCounts): BatchCounts =>
  Object.freeze({ total, completed, failed, cancelled, pending })
