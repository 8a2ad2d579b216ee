import type { JobEvent } from '../events/event-map.ts'
import { EventStream } from '../events/stream.ts'
import { isTerminal, type JobRecord, type State } from '../job/record.ts'
import type { Run } from '../pool/slot.ts'
import type { Alarm } from '../schedule/timetable.ts'
import { type Deferred, defer } from '../shared/deferred.ts'
import { OffstageError } from '../shared/errors.ts'
import type { HeapItem } from '../shared/indexed-heap.ts'

/** What can be seen of a job at one moment. Frozen; a new object only when something changed. */
export interface JobSnapshot<Progress = unknown> {
  readonly id: string
  readonly name: string
  readonly queue: string
  readonly tags: readonly string[]
  readonly state: State
  readonly priority: number
  /** The number of the newest attempt, 0 before the first. */
  readonly attempt: number
  /** The newest progress of the newest attempt. */
  readonly progress: Progress | undefined
  readonly addedAt: number
  /** While scheduled: when it is due. */
  readonly runAt: number | undefined
  readonly startedAt: number | undefined
  readonly finishedAt: number | undefined
  /** Of a failed or cancelled job; of one that waits for its next attempt, what the last one threw. */
  readonly error: unknown
}

interface Listening {
  readonly type: string
  readonly listener: (event: JobEvent) => void
  readonly stop: () => void
}

/** Values that were sent while nobody read: the newest of them wait for a reader that comes later. */
const unreadMax = 256

/** A job in memory: its record, its place, and who is waiting for it. */
export class LiveJob implements HeapItem {
  /** Its place in its line; −1 when it does not wait there. */
  heapIndex = -1
  /** As decided. */
  record: JobRecord
  /** As the store has it and as everybody may see it; `undefined` until the job is safe. */
  told: JobRecord | undefined
  /** The attempt that is on a thread. It outlives its right to settle the job until the thread has let go of it. */
  run: Run<LiveJob> | undefined
  /** For when it is due, or expires. */
  alarm: Alarm | undefined
  /** For the time limit of the running attempt. */
  timeout: Alarm | undefined
  transfer: Transferable[] | undefined
  /** It may have ended a thread: the next attempt has one to itself, so that the blame is exact. */
  mustRunAlone = false
  #progress: unknown
  #snapshot: JobSnapshot | undefined
  #settling: Deferred<unknown> | undefined
  #watchers: Set<(event: JobEvent) => void> | undefined
  #listeners: Listening[] | undefined
  #observers: Set<() => void> | undefined
  #unread: unknown[] | undefined
  #reader: EventStream<unknown> | undefined

  constructor(record: JobRecord) {
    this.record = record
  }

  /** What the store has; asked for only after the job is safe. */
  get safe(): JobRecord {
    return this.told ?? this.record
  }

  // Results.

  /** Settles when the job does. Made when asked for, so that an unread failure is no unhandled rejection. */
  result(): Promise<unknown> {
    const { told } = this
    if (told?.state === 'completed') return Promise.resolve(told.result)
    if (told && isTerminal(told.state)) return Promise.reject(told.error)
    this.#settling ??= defer()
    return this.#settling.promise
  }

  /** The newest state is told and is the last. */
  settle(): void {
    const settling = this.#settling
    this.#settling = undefined
    this.#reader?.end()
    if (!settling) return
    const { state, result, error } = this.record
    if (state === 'completed') settling.resolve(result)
    else settling.reject(error)
  }

  /** Nothing more will be told here, whatever becomes of the job. */
  abandon(error: unknown): void {
    this.#settling?.reject(error)
    this.#settling = undefined
    this.#reader?.end()
  }

  // Watching.

  get isWatched(): boolean {
    return this.#watchers !== undefined && this.#watchers.size > 0
  }

  get watchers(): Iterable<(event: JobEvent) => void> {
    return this.#watchers ? [...this.#watchers] : []
  }

  /** Hears every event of this job. */
  watch(watcher: (event: JobEvent) => void): () => void {
    this.#watchers ??= new Set()
    this.#watchers.add(watcher)
    return () => this.#watchers?.delete(watcher)
  }

  /** Hears the events of one type; the same listener twice is heard once. */
  listen(type: string, listener: (event: JobEvent) => void): () => void {
    this.unlisten(type, listener)
    this.#listeners ??= []
    const stop = this.watch((event) => {
      if (event.type === type) listener(event)
    })
    this.#listeners.push({ type, listener, stop })
    return () => this.unlisten(type, listener)
  }

  unlisten(type: string, listener: (event: JobEvent) => void): void {
    const isMeant = (entry: Listening) => entry.type === type && entry.listener === listener
    this.#listeners?.find(isMeant)?.stop()
    this.#listeners = this.#listeners?.filter((entry) => !isMeant(entry))
  }

  get observers(): Iterable<() => void> {
    return this.#observers ? [...this.#observers] : []
  }

  /** Hears that the snapshot is another. */
  observe(observer: () => void): () => void {
    this.#observers ??= new Set()
    this.#observers.add(observer)
    return () => this.#observers?.delete(observer)
  }

  get progress(): unknown {
    return this.#progress
  }

  set progress(progress: unknown) {
    this.#progress = progress
    this.#snapshot = undefined
  }

  /** The record is safe: from now on everybody sees it. */
  tell(record: JobRecord): void {
    this.told = record
    this.#snapshot = undefined
  }

  snapshot(): JobSnapshot {
    if (!this.#snapshot) {
      const { id, name, queue, rules, state, priority, attempt, addedAt, runAt, startedAt, finishedAt, error } =
        this.safe
      const { tags } = rules
      const progress = this.#progress
      this.#snapshot = Object.freeze({
        id,
        name,
        queue,
        tags,
        state,
        priority,
        attempt,
        progress,
        addedAt,
        runAt,
        startedAt,
        finishedAt,
        error,
      })
    }
    return this.#snapshot
  }

  // Values.

  /** Takes a value in; says whether it is read already as far as back-pressure goes. */
  receive(value: unknown): boolean {
    if (this.#reader) {
      this.#reader.push(value)
      return false
    }
    this.#unread ??= []
    this.#unread.push(value)
    if (this.#unread.length > unreadMax) this.#unread.shift()
    return true
  }

  /** The one reader of this job's values. `onTake` is told of each that it took while the job ran. */
  values(onTake: () => void): EventStream<unknown> {
    if (this.#reader)
      throw new OffstageError('INVALID_OPTION', `The values of job '${this.record.id}' have a reader already.`, {
        jobId: this.record.id,
      })
    let waiting = this.#unread?.length ?? 0
    const reader = new EventStream<unknown>({
      capacity: Number.POSITIVE_INFINITY,
      // What waited here was counted as read when it came.
      onTake: () => (waiting > 0 ? waiting-- : onTake()),
      onClose: () => {
        this.#reader = undefined
      },
    })
    for (const value of this.#unread ?? []) reader.push(value)
    this.#unread = undefined
    this.#reader = reader
    if (this.told && isTerminal(this.told.state)) reader.end()
    return reader
  }
}
