import type { CloseMode, Engine, Inserted, InsertRequest } from '../engine/engine.ts'
import type { EngineHost } from '../engine/engine-host.ts'
import { closedError } from '../engine/job-errors.ts'
import { JobView } from '../engine/job-view.ts'
import { EventBus } from '../events/event-bus.ts'
import { Closers } from '../shared/closers.ts'
import type { OffstageError } from '../shared/errors.ts'
import { Client } from './client.ts'
import { makePrefix } from './requests.ts'
import type { Steer } from './steers.ts'

/** A client that is a scheduler's whole engine: it runs nothing itself, and its jobs go on when it is closed. */
export class RemoteEngine extends Client implements Engine {
  readonly #closers = new Closers()
  #closed: Promise<void> | undefined
  isEnded = false

  constructor({ clock, random, errors, reportUnheard }: EngineHost) {
    const bus = new EventBus(() => clock.now(), reportUnheard)
    super({ clock, errors, bus, idPrefix: makePrefix(random), makeJob: (record) => new JobView(record) })
  }

  override insertMany(requests: readonly InsertRequest[]): Promise<Inserted[]> {
    return this.isClosed ? Promise.reject(this.closedError()) : super.insertMany(requests)
  }

  override steer(steer: Steer): void {
    if (this.isClosed) throw this.closedError()
    super.steer(steer)
  }

  /** What can be copied can be sent; whether it can be kept is for the other side to say. */
  check(): void {}

  get isClosed(): boolean {
    return this.#closed !== undefined
  }

  closedError(): OffstageError {
    return closedError()
  }

  onClose(callback: () => void): () => void {
    return this.#closers.add(callback)
  }

  /** With `drain` it waits first until nothing is left to do on the other side. */
  close(mode: CloseMode, timeoutMs: number | undefined): Promise<void> {
    if (mode === 'now') this.hurry()
    this.#closed ??= this.#close(mode, timeoutMs)
    return this.#closed
  }

  async #close(mode: CloseMode, timeoutMs: number | undefined): Promise<void> {
    if (mode === 'drain') await this.drained(timeoutMs)
    this.isEnded = true
    this.end(this.closedError(), false)
    this.#closers.call()
  }
}
