import type { Disposition, Engine, Verb } from './engine/engine.ts'
import type { JobSnapshot } from './engine/job-observers.ts'
import type { JobView } from './engine/job-view.ts'
import { isLast, type JobEvent, type JobEventMap, type JobEventType } from './events/event-map.ts'
import { EventStream } from './events/stream.ts'
import { finiteCheck } from './job/job-options.ts'
import { structuredClone } from './platform/structured-clone.ts'
import { checkArgument } from './shared/check.ts'

/** Events that wait for a slow reader; beyond that the oldest are dropped and counted in `dropped`. */
export const streamCapacity = 1_024

interface View<Progress> {
  readonly snapshot: () => JobSnapshot<Progress>
  readonly subscribe: (listener: () => void) => () => void
}

/**
 * A job that is committed to the store. Not a promise: `await job.result()` waits for its result.
 *
 * @example
 * ```ts
 * const job = await scheduler.add.countPrimes({ upTo: 5e6 }, { id: 'primes:5e6' })
 * for await (const event of job.events()) render(event)
 * const primes = await job.result()
 * ```
 */
export class Job<Result = unknown, Progress = unknown, Value = unknown> {
  readonly #engine: Engine
  readonly #job: JobView
  #lastView: View<Progress> | undefined
  /** Whether this call made the job, found it under its id, or put it in the place of another. */
  readonly disposition: Disposition

  /** @internal Jobs come from `add`, `addMany`, `get` and `find`. */
  constructor(engine: Engine, job: JobView, disposition: Disposition) {
    this.#engine = engine
    this.#job = job
    this.disposition = disposition
  }

  get id(): string {
    return this.#job.record.id
  }

  /** The job type. */
  get name(): string {
    return this.#job.record.name
  }

  /** A copy of what the job was added with; `undefined` when it was moved to its thread. */
  get input(): unknown {
    try {
      return structuredClone(this.#job.record.input)
    } catch {
      return undefined
    }
  }

  /** What can be seen now. Frozen; a new object only when something changed. */
  get snapshot(): () => JobSnapshot<Progress> {
    return this.#view.snapshot
  }

  /** Calls back when `snapshot()` returns something new. */
  get subscribe(): (listener: () => void) => () => void {
    return this.#view.subscribe
  }

  /**
   * Bound, so that UI libraries can take them apart: `useSyncExternalStore(job.subscribe, job.snapshot)`. Made for the first
   * who asks: `addMany` returns a hundred thousand handles of which few are looked at.
   */
  get #view(): View<Progress> {
    this.#lastView ??= {
      snapshot: () => {
        this.#engine.observersOf(this.#job)
        return this.#job.snapshot() as JobSnapshot<Progress>
      },
      subscribe: (listener) => this.#engine.observersOf(this.#job).subscribe(listener),
    }
    return this.#lastView
  }

  /**
   * Resolves with the result, or rejects with what the last attempt threw, with `JOB_CANCELLED`, or when the scheduler
   * is closed first with `SCHEDULER_CLOSED`.
   */
  result(): Promise<Result> {
    return this.#engine.result(this.#job) as Promise<Result>
  }

  /**
   * What the handler sends, one by one: while a reader is slow, `job.send` makes the handler wait. One reader at a
   * time. Of what was sent before anybody read, the newest 256 are there.
   */
  values(): EventStream<Value> {
    return this.#engine.values(this.#job) as EventStream<Value>
  }

  /** What happens to this job from now on, until it is completed, failed, cancelled or removed; that event is the last. */
  events(): EventStream<JobEvent> {
    const stops: (() => void)[] = []
    const stream = new EventStream<JobEvent>({
      capacity: streamCapacity,
      onClose: () => {
        for (const stop of stops) stop()
      },
    })
    const push = (event: JobEvent) => {
      stream.push(event)
      if (isLast(event.type)) stream.end()
    }
    const last = this.#engine.lastEvent(this.#job)
    if (last) push(last)
    else if (this.#engine.isEnded) stream.end()
    else
      stops.push(
        this.#engine.observersOf(this.#job).watch(push),
        this.#engine.onClose(() => stream.end()),
      )
    return stream
  }

  on<Type extends JobEventType>(type: Type, listener: (event: JobEventMap[Type]) => void): () => void {
    return this.#engine.observersOf(this.#job).listen(type, listener as (event: JobEvent) => void, false)
  }

  once<Type extends JobEventType>(type: Type, listener: (event: JobEventMap[Type]) => void): () => void {
    return this.#engine.observersOf(this.#job).listen(type, listener as (event: JobEvent) => void, true)
  }

  off<Type extends JobEventType>(type: Type, listener: (event: JobEventMap[Type]) => void): void {
    this.#engine.observersOf(this.#job).unlisten(type, listener as (event: JobEvent) => void)
  }

  /** Ends the job, wherever it is in its life. Returns whether there was something to end. */
  cancel(reason?: unknown): Promise<boolean> {
    return this.#act('cancel', reason)
  }

  /** Runs a failed or cancelled job again, with all its attempts. */
  retry(): Promise<boolean> {
    return this.#act('retry')
  }

  async setPriority(priority: number): Promise<boolean> {
    checkArgument('priority', finiteCheck, priority)
    return this.#act('setPriority', priority)
  }

  async #act(verb: Verb, argument?: unknown): Promise<boolean> {
    if (this.#engine.isEnded) throw this.#engine.closedError()
    return (await this.#engine.act(verb, this.#job, argument)) > 0
  }
}
