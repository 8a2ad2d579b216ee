import { randomId } from '../platform/random-id.ts'
import { OffstageError } from '../shared/errors.ts'
import type { Scheduler } from '../typed-scheduler.ts'
import { takeMembers } from './batch-spec.ts'
import type { BatchCommands, BatchCounts, ShownBatch } from './batches-extension.ts'

export interface BatchHost {
  readonly scheduler: Scheduler
  readonly commands: BatchCommands
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
    // Who forgets the handle need not say so.
    const weak = new WeakRef(this)
    const { scheduler } = host
    const stops = [
      scheduler.on('batch:changed', ({ batchId, ...event }) => {
        const handle = weak.deref()
        if (!handle) for (const stop of stops) stop()
        else if (batchId === id) handle.#show(event.version, event)
      }),
      // Events that the former leading tab has sent may be lost.
      scheduler.on('leader', () => void weak.deref()?.refresh()),
    ]
  }

  readonly snapshot = (): BatchCounts => this.#counts

  readonly subscribe = (listener: () => void): (() => void) => {
    const key = {}
    this.#listeners.set(key, listener)
    // While somebody listens, the handle stays.
    const stop = this.#host.scheduler.on('batch:changed', () => void this.#version)
    return () => {
      this.#listeners.delete(key)
      stop()
    }
  }

  async append(jobs: unknown): Promise<void> {
    const members = takeMembers(jobs, `${this.id}/${randomId('more')}.`)
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
    if (shown) this.#show(shown.version, shown.counts)
  }

  #show(version: number, counts: BatchCounts): void {
    if (version <= this.#version) return
    this.#version = version
    this.#counts = taken(counts)
    for (const listener of this.#listeners.values()) listener()
  }
}

const taken = ({ total, completed, failed, cancelled, pending }: BatchCounts): BatchCounts =>
  Object.freeze({ total, completed, failed, cancelled, pending })
