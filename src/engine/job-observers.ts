import type { JobEvent } from '../events/event-map.ts'
import { BufferedStream } from '../events/stream.ts'
import { type JobHeaders, type JobRecord, noHeaders, plus, type State } from '../job/record.ts'
import { thisContext } from '../platform/async-context.ts'
import { OffstageError } from '../shared/errors.ts'

/** What can be seen of a job at one moment. Frozen; a new object only when something changed. */
export interface JobSnapshot<Progress = unknown> {
  /** The id that it was given, or one that was made up. */
  readonly id: string
  /** The job type. */
  readonly name: string
  /** The queue that it is in. */
  readonly queue: string
  /** The words that it can be found by. */
  readonly tags: readonly string[]
  /** As given when it was added; an empty object for none. */
  readonly headers: JobHeaders
  /** Where it is in its life. */
  readonly state: State
  /** Higher goes first. */
  readonly priority: number
  /** The number of the newest attempt, 0 before the first. */
  readonly attempt: number
  /** The newest progress of the newest attempt. */
  readonly progress: Progress | undefined
  /** When it was added. This and the other times: wall time in milliseconds since 1970. */
  readonly addedAt: number
  /** While scheduled: when it is due. */
  readonly runAt: number | undefined
  /** When its newest attempt was started. */
  readonly startedAt: number | undefined
  /** When it was completed, failed or cancelled. */
  readonly finishedAt: number | undefined
  /** Of a failed or cancelled job; of one that waits for its next attempt, what the last one threw. */
  readonly error: unknown
}

export function snapshotOf(record: JobRecord, progress: unknown): JobSnapshot {
  const { id, name, queue, rules, state, priority, attempt, addedAt, runAt, startMs, finishMs, error } = record
  const { tags, headers = noHeaders } = rules
  const times = { addedAt, runAt, startedAt: plus(startMs, addedAt), finishedAt: plus(finishMs, addedAt) }
  return Object.freeze({ id, name, queue, tags, headers, state, priority, attempt, progress, ...times, error })
}

/** Values that were sent while nobody read: the newest of them wait for a reader that comes later. */
const unreadMax = 256

type Watcher = (event: JobEvent) => void

/** Who looks on at one job: watchers of its events, observers of its snapshot, the reader of its values. */
export class JobObservers {
  /** Hear every event. */
  readonly watchers = new Set<Watcher>()
  /** Hear that the snapshot is another. */
  readonly subscribers = new Set<() => void>()
  /** Heard by type: what to take off again when they leave. */
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

  /** The same object as long as nothing changed. */
  see(record: JobRecord, progress: unknown): JobSnapshot {
    if (!this.#snapshot || this.#seen !== record || this.#snapshot.progress !== progress) {
      this.#seen = record
      this.#snapshot = snapshotOf(record, progress)
    }
    return this.#snapshot
  }

  /** A value has come. Returns whether the next may: a reader takes its time. */
  receive(value: unknown): boolean {
    if (this.#reader) {
      this.#reader.push(value)
      return false
    }
    this.#unread.push(value)
    if (this.#unread.length > unreadMax) this.#unread.shift()
    return true
  }

  /** `onTake` is told of each value that the reader took and that was not let through when it came. */
  read(onTake: () => void, onLeave?: () => void): BufferedStream<unknown> {
    if (this.#reader)
      throw new OffstageError('INVALID_OPTION', 'The values of a job have one reader at a time; there is one.')
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

  /** Ends a reading. The values that it leaves wait for the next one. */
  interrupt(reader: BufferedStream<unknown>): void {
    this.#isKeeping = true
    void reader.return()
    this.#isKeeping = false
  }

  get isRead(): boolean {
    return this.#reader !== undefined
  }

  endValues(): void {
    this.#reader?.end()
  }
}
