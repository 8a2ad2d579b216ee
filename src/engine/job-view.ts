import type { BufferedStream } from '../events/stream.ts'
import { isTerminal, type JobRecord } from '../job/record.ts'
import { defer } from '../shared/deferred.ts'
import { JobObservers, type JobSnapshot } from './job-observers.ts'

/** What most jobs never have. */
export interface Rare {
  /** The newest progress of the newest attempt. */
  progress: unknown
  observers: JobObservers | undefined
}

/**
 * What handles, callbacks and promises hang on: a job as it can be seen, wherever it runs. The engine that runs it knows more
 * of it; see `LiveJob`.
 */
export class JobView {
  /** As decided. */
  record: JobRecord
  /** As the store has it and as everybody may see it; `undefined` until the job is committed. */
  committed: JobRecord | undefined = undefined
  protected rare: Rare | undefined = undefined
  /** Somebody's promise, and its end: a promise resolved with a rejected one is rejected, so that one end is enough. */
  #result: Promise<unknown> | undefined = undefined
  #settle: ((result: unknown) => void) | undefined = undefined

  constructor(record: JobRecord) {
    this.record = record
  }

  /** What the store has; asked for only after the job is committed. */
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

  /** Whoever looks on; nobody does at most jobs. */
  get observers(): JobObservers | undefined {
    return this.rare?.observers
  }

  /** Made for the first who looks on. */
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

  /** The one reader of what the handler sends. */
  values(onTake: () => void, onLeave?: () => void): BufferedStream<unknown> {
    const reader = this.observe().read(onTake, onLeave)
    if (this.hasEnded) reader.end()
    return reader
  }

  /** Settles when the job does. Made when asked for, so that an unread failure is no unhandled rejection. */
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

  /** The newest record is committed, and is the last. `hasMoreValues`: some are on their way from another tab. */
  settle({ state, result, error }: JobRecord, hasMoreValues = false): void {
    if (!hasMoreValues) this.observers?.endValues()
    if (state === 'completed') this.#release(result)
    else this.letDown(error)
  }

  /** Of whoever waits for the result; returns whether anybody does. */
  #release(result: unknown): boolean {
    const settle = this.#settle
    this.#result = undefined
    this.#settle = undefined
    settle?.(result)
    return settle !== undefined
  }

  /** Whoever waits for the result waits no longer; returns whether anybody did. The job goes on, and may be asked again. */
  letDown(error: unknown): boolean {
    return this.#settle !== undefined && this.#release(Promise.reject(error))
  }

  /** Nothing more will be heard here, whatever becomes of the job. */
  abandon(error: unknown): void {
    this.letDown(error)
    this.observers?.endValues()
  }
}
