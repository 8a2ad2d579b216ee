import type { BufferedStream } from '../events/stream.ts'
import { isTerminal, type JobRecord } from '../job/record.ts'
import { defer } from '../shared/deferred.ts'
import { JobObservers, type JobSnapshot } from './job-observers.ts'

/** Fields that most jobs never use. */
export interface Rare {
  /** The newest progress of the newest attempt. */
  progress: unknown
  observers: JobObservers | undefined
}

/**
 * A job as it can be seen, wherever it runs. Handles, callbacks and promises are attached to it. The engine that runs the job
 * knows more about it; see `LiveJob`.
 */
export class JobView {
  /** The newest record, whether committed or not. */
  record: JobRecord
  /** The newest committed record, which everybody may see; `undefined` until the job is committed. */
  committed: JobRecord | undefined = undefined
  protected rare: Rare | undefined = undefined
  /**
   * The promise of the result, and its resolver. Resolving it with a rejected promise rejects it, so one function is enough.
   */
  #result: Promise<unknown> | undefined = undefined
  #settle: ((result: unknown) => void) | undefined = undefined

  constructor(record: JobRecord) {
    this.record = record
  }

  /** The committed record. Read it only after the job is committed. */
  get visible(): JobRecord {
    return this.committed ?? this.record
  }

  get hasEnded(): boolean {
    return this.committed !== undefined && isTerminal(this.committed.state)
  }

  get progress(): unknown {
    return this.rare?.progress
  }

  set progress(progress: unknown) {
    if (progress !== undefined || this.rare) this.withRare().progress = progress
  }

  /** The observers of this job; most jobs have none. */
  get observers(): JobObservers | undefined {
    return this.rare?.observers
  }

  /** Returns the observers. They are made when the first one is needed. */
  observe(): JobObservers {
    const rare = this.withRare()
    rare.observers ??= new JobObservers()
    return rare.observers
  }

  protected withRare(): Rare {
    this.rare ??= { progress: undefined, observers: undefined }
    return this.rare
  }

  snapshot(): JobSnapshot {
    return this.observe().see(this.visible, this.progress)
  }

  /** Returns the only reader of the values that the handler sends. */
  values(onTake: () => void, onLeave?: () => void): BufferedStream<unknown> {
    const reader = this.observe().read(onTake, onLeave)
    if (this.hasEnded) reader.end()
    return reader
  }

  /**
   * Settles when the job does. The promise is made on the first call, so that a failure that no caller reads is not an
   * unhandled rejection.
   */
  result(): Promise<unknown> {
    const { committed } = this
    if (committed?.state === 'completed') return Promise.resolve(committed.result)
    if (committed && isTerminal(committed.state)) return Promise.reject(committed.error)
    if (!this.#result) {
      const { promise, resolve } = defer<unknown>()
      this.#result = promise
      this.#settle = resolve
    }
    return this.#result
  }

  /**
   * Settles the result: the newest record is committed and final. `hasMoreValues`: values are still on their way from another
   * tab.
   */
  settle({ state, result, error }: JobRecord, hasMoreValues = false): void {
    if (!hasMoreValues) this.observers?.endValues()
    if (state === 'completed') this.#release(result)
    else this.reject(error)
  }

  /** Settles the promise of the result. Returns whether there was one. */
  #release(result: unknown): boolean {
    const settle = this.#settle
    this.#result = undefined
    this.#settle = undefined
    settle?.(result)
    return settle !== undefined
  }

  /**
   * Rejects the promise of the result. Returns whether there was one. The job continues, and its result can be requested again.
   */
  reject(error: unknown): boolean {
    return this.#settle !== undefined && this.#release(Promise.reject(error))
  }

  /** Ends everything that is attached to the job: nothing more is received about it here, whatever becomes of it. */
  abandon(error: unknown): void {
    this.reject(error)
    this.observers?.endValues()
  }
}
