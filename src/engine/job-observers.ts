import type { JobEvent } from '../events/event-map.ts'
import { NumberedStream } from '../events/numbered-stream.ts'
import { BufferedStream } from '../events/stream.ts'
import { type JobHeaders, type JobRecord, noHeaders, parentIdIn, plus, type State } from '../job/record.ts'
import { thisContext } from '../platform/async-context.ts'
import { OffstageError } from '../shared/errors.ts'

/** What can be seen of a job at one moment. Frozen; a new object only when something changed. */
export interface JobSnapshot<Progress = unknown> {
  /** The id that the caller gave, or that offstage made. */
  readonly id: string
  /** The job type. */
  readonly name: string
  /** The queue that it is in. */
  readonly queue: string
  /** The group that it belongs to. */
  readonly group: string | undefined
  /** The tags by which it can be found. */
  readonly tags: readonly string[]
  /** The headers that were given when it was added; an empty object if there were none. */
  readonly headers: JobHeaders
  /** The id of the job whose handler has run this one; `undefined` if none has. */
  readonly parentId: string | undefined
  /** Where the job is in its life. */
  readonly state: State
  /** Higher goes first. */
  readonly priority: number
  /** The number of the newest attempt; 0 before the first. */
  readonly attempt: number
  /** The newest progress of the newest attempt. */
  readonly progress: Progress | undefined
  /** When the job was added. This and the other times are wall time, in milliseconds since 1970. */
  readonly addedAt: number
  /** When the job is due, while it is scheduled. */
  readonly runAt: number | undefined
  /** When its newest attempt was started. */
  readonly startedAt: number | undefined
  /** When it was completed, failed or cancelled. */
  readonly finishedAt: number | undefined
  /** The error of a failed or cancelled job. If the job waits for its next attempt: what the last one threw. */
  readonly error: unknown
}

export function snapshotOf(record: JobRecord, progress: unknown): JobSnapshot {
  const { id, name, queue, group, rules, state, priority, attempt, addedAt, runAt, startMs, finishMs, error } = record
  const { tags, headers = noHeaders } = rules
  // They are the record's own.
  Object.freeze(tags)
  Object.freeze(headers)
  const times = { addedAt, runAt, startedAt: plus(startMs, addedAt), finishedAt: plus(finishMs, addedAt) }
  const parentId = parentIdIn(headers)
  return Object.freeze({
    id,
    name,
    queue,
    group,
    tags,
    headers,
    parentId,
    state,
    priority,
    attempt,
    progress,
    ...times,
    error,
  })
}

/** How many values are kept while there is no reader: the newest ones, for a reader that comes later. */
const unreadMax = 256

type Watcher = (event: JobEvent) => void

/** The observers of one job: watchers of its events, subscribers to its snapshot, the readers of its values. */
export class JobObservers {
  /** Called with every event. */
  readonly watchers = new Set<Watcher>()
  /** Called when there is a new snapshot. */
  readonly subscribers = new Set<() => void>()
  /** The readers of its values, if it keeps them. Otherwise there is one at a time, see `read`. */
  readonly readers = new Set<NumberedStream>()
  /** The listeners of single event types, so that they can be removed again. */
  readonly #listeners = new Set<{ type: string; listener: Watcher; stop: () => void }>()
  #snapshot: JobSnapshot | undefined
  #seen: JobRecord | undefined
  #unread: unknown[] = []
  #reader: BufferedStream<unknown> | undefined
  #isKeeping = false

  watch(watcher: Watcher): () => void {
    this.watchers.add(watcher)
    return () => this.watchers.delete(watcher)
  }

  subscribe(observer: () => void): () => void {
    this.subscribers.add(observer)
    return () => this.subscribers.delete(observer)
  }

  listen(type: string, listener: Watcher, isOnce: boolean): () => void {
    const watcher: Watcher = thisContext()((event) => {
      if (event.type !== type) return
      if (isOnce) stop()
      return listener(event)
    })
    const stop = () => {
      this.watchers.delete(watcher)
      this.#listeners.delete(entry)
    }
    const entry = { type, listener, stop }
    this.watchers.add(watcher)
    this.#listeners.add(entry)
    return stop
  }

  unlisten(type: string, listener: Watcher): void {
    for (const entry of this.#listeners) if (entry.type === type && entry.listener === listener) return entry.stop()
  }

  /** Returns the same object as long as nothing has changed. */
  see(record: JobRecord, progress: unknown): JobSnapshot {
    if (!this.#snapshot || this.#seen !== record || this.#snapshot.progress !== progress) {
      this.#seen = record
      this.#snapshot = snapshotOf(record, progress)
    }
    return this.#snapshot
  }

  /**
   * Takes a value that has arrived. Returns whether the handler may send the next at once; if there is a reader, that depends
   * on the reader.
   */
  receive(value: unknown): boolean {
    if (this.#reader) {
      this.#reader.push(value)
      return false
    }
    this.#unread.push(value)
    if (this.#unread.length > unreadMax) this.#unread.shift()
    return true
  }

  /** `onTake` is called for each value that the reader takes, except for those that `receive` has already acknowledged. */
  read(onTake: () => void, onLeave?: () => void): BufferedStream<unknown> {
    if (this.#reader)
      throw new OffstageError(
        'INVALID_OPTION',
        'The values of a job have one reader at a time, and these have one already.',
      )
    let letThrough = this.#unread.length
    const reader = new BufferedStream<unknown>({
      capacity: Number.POSITIVE_INFINITY,
      onTake: (value) => {
        if (this.#isKeeping) this.receive(value)
        if (letThrough > 0) letThrough--
        else onTake()
      },
      onClose: () => {
        this.#reader = undefined
        onLeave?.()
      },
    })
    for (const value of this.#unread.splice(0)) reader.push(value)
    this.#reader = reader
    return reader
  }

  /** Makes a reader of the values behind the one with the number `after`. `onTake` is also called when it leaves. */
  readNumbered(after: number | undefined, onTake: () => void, onLeave?: () => void): NumberedStream {
    const reader = new NumberedStream(after, onTake, () => {
      this.readers.delete(reader)
      onLeave?.()
      onTake()
    })
    this.readers.add(reader)
    return reader
  }

  /** Ends a reading. The values that it leaves wait for the next one. */
  interrupt(reader: BufferedStream<unknown>): void {
    this.#isKeeping = true
    void reader.return()
    this.#isKeeping = false
  }

  get isRead(): boolean {
    return this.#reader !== undefined || this.readers.size > 0
  }

  endValues(): void {
    this.#reader?.end()
    for (const reader of this.readers) reader.end()
  }
}
