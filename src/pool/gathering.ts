import type { Timer, TimerQueue } from '../timers/timer-queue.ts'
import type { Attempt, PoolWorker } from './pool-worker.ts'
import type { Together } from './protocol.ts'
import { SharedCall } from './shared-call.ts'

/** A call that others may join. */
interface Open {
  readonly name: string
  readonly call: SharedCall<Attempt>
  readonly worker: PoolWorker
  readonly together: Together
  readonly timer: Timer | undefined
}

/**
 * Gathers attempts for handlers that take many jobs in one call: at most one call of each type at a time. It is sent when it is full,
 * or its time is over, and the starts of all its attempts are committed.
 */
export class Gathering {
  readonly #timers: TimerQueue
  /** By job type. */
  readonly #open = new Map<string, Open>()

  constructor(timers: TimerQueue) {
    this.#timers = timers
  }

  /** Returns the worker whose call an attempt of this type may join. */
  workerFor(name: string): PoolWorker | undefined {
    const worker = this.#open.size > 0 ? this.#open.get(name)?.worker : undefined
    return worker?.maySendMore ? worker : undefined
  }

  /** Has the attempt join a call, if its handler takes many jobs. It is not yet counted on its worker. */
  join(attempt: Attempt): void {
    const { worker, record, isAlone } = attempt
    const together = worker.together?.get(record.name)
    if (!together || isAlone) return
    const there = this.#open.get(record.name)
    if (there && there.worker !== worker) this.#close(there)
    const open = there?.worker === worker ? there : this.#begin(record.name, worker, together)
    attempt.call = open.call
    open.call.join(attempt)
    if (open.call.size >= together.max) this.#close(open)
  }

  #begin(name: string, worker: PoolWorker, together: Together): Open {
    const { waitMs } = together
    const timer = waitMs > 0 ? this.#timers.after(waitMs, () => this.#close(open)) : undefined
    const open: Open = { name, call: new SharedCall(), worker, together, timer }
    this.#open.set(name, open)
    return open
  }

  #close(open: Open): void {
    open.call.isOpen = false
    this.#timers.cancel(open.timer)
    if (this.#open.get(open.name) === open) this.#open.delete(open.name)
    this.#send(open.call, open.worker)
  }

  #send(call: SharedCall<Attempt>, worker: PoolWorker): void {
    if (!call.isOpen && call.isReady) worker.sendTogether(call.unsent)
  }

  /** The start of an attempt is committed. */
  send({ worker, call }: Attempt): void {
    if (call) this.#send(call, worker)
  }

  /** Sends the calls that do not wait for others: what could start at once has started. */
  flush(): void {
    for (const open of this.#open.values()) if (open.together.waitMs === 0 && open.call.isReady) this.#close(open)
  }

  /** An attempt has left its worker. The others go without it. */
  left(attempt: Attempt): void {
    const open = this.#open.get(attempt.record.name)
    if (open?.call === attempt.call && open?.call.size === 0) this.#close(open)
    else this.send(attempt)
  }

  /** A worker is gone, and with it what was to be sent there. */
  drop(worker: PoolWorker): void {
    for (const open of this.#open.values()) if (open.worker === worker) this.#close(open)
  }
}
