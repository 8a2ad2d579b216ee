import type { EventBus } from '../events/event-bus.ts'
import type { Limiter } from '../queue/limiter.ts'
import { Line, type LineOptions } from '../queue/line.ts'
import { IndexedHeap } from '../shared/indexed-heap.ts'
import type { TimerQueue } from '../timers/timer-queue.ts'
import type { EngineQueues, QueueControl, QueueState } from './engine.ts'
import type { LiveJob } from './live-job.ts'

/** Empty lines without settings are dropped, except for this many: the next job often has the same queue as the last. */
const sparesMax = 16

/**
 * The lines of all queues, and the order among them.
 *
 * A line is *ready* while jobs wait in it. When its limiter is found to be closed, the line is parked until the limiter opens.
 * Ready lines are in a heap, so a start costs the same however many queues there are. The keys of a line are those of its first
 * job, or earlier ones: if that job has left, this is noticed when the line comes to the top. With a single line it never
 * matters.
 */
export class Lines {
  readonly #byName = new Map<string, Line<LiveJob>>()
  readonly #ready = new IndexedHeap<Line<LiveJob>>()
  /** A ring; the entry at `#oldest` makes room for the next one. */
  readonly #spares: (Line<LiveJob> | undefined)[] = new Array(sparesMax).fill(undefined)
  #oldest = 0
  readonly #timers: TimerQueue
  readonly #named: readonly string[]
  readonly #onOpen: () => void
  readonly #onLimited: (queue: string, waitMs: number) => void
  /** When the newest job was added. The next job takes no place before it, even if the clock was set back. */
  time = 0

  /**
   * `onOpen`: called when a limiter may let more jobs through. `onLimited`: called when a rate limit begins to hold jobs of a
   * queue back, with the time until it lets one through.
   */
  constructor(
    queues: EngineQueues,
    timers: TimerQueue,
    onOpen: () => void,
    onLimited: (queue: string, waitMs: number) => void,
  ) {
    this.#timers = timers
    this.#onOpen = onOpen
    this.#onLimited = onLimited
    this.#named = ['default', ...Object.keys(queues)]
    for (const [name, options] of Object.entries(queues)) this.#rest(this.#add(name, options))
  }

  /** How many lines are kept. */
  get count(): number {
    return this.#byName.size
  }

  /** How many jobs wait in a queue. */
  sizeOf(queue: string): number {
    return this.#byName.get(queue)?.size ?? 0
  }

  /** Puts a job into the line of its queue. */
  join(job: LiveJob): void {
    const { queue, priority, dueAt, seq } = job.record
    const line = this.#get(queue)
    job.line = line
    line.join(job)
    if (line.heapIndex !== -1) this.#ready.raise(line, -priority, dueAt, seq)
    else if (line.size === 1) this.#ready.add(line, -priority, dueAt, seq)
  }

  /** Removes a job from its line. */
  quit(job: LiveJob): void {
    const line = job.line as Line<LiveJob>
    job.line = undefined
    line.quit(job)
    if (line.size > 0) return
    this.#ready.remove(line)
    this.#rest(line)
  }

  /** For a job that waits in no line: returns the line whose limiter it goes through. */
  lineOf({ record }: LiveJob): Line<LiveJob> {
    const line = this.#get(record.queue)
    this.#rest(line)
    return line
  }

  /** The attempt of the job has ended. */
  leave(job: LiveJob): void {
    const line = job.line as Line<LiveJob>
    job.line = undefined
    line.limiter.leave()
    this.#unpark(line)
    this.#rest(line)
  }

  /** Returns the limiter that the job goes or went through; `undefined` if its line was dropped and so has nothing to count. */
  limiterOf({ line, record }: LiveJob): Limiter | undefined {
    return (line ?? this.#byName.get(record.queue))?.limiter
  }

  /** Returns the line whose first job goes next, of all jobs that may start. */
  next(): Line<LiveJob> | undefined {
    for (;;) {
      const line = this.#ready.peek()
      if (!line) return undefined
      if (!line.limiter.hasRoom()) this.park(line)
      else if (this.#ready.size === 1 || this.#isFirst(line)) return line
    }
  }

  /** Whether the top line stays on top once it has the keys of its first job. */
  #isFirst(line: Line<LiveJob>): boolean {
    const { priority, dueAt, seq } = (line.head as LiveJob).record
    this.#ready.lower(line, -priority, dueAt, seq)
    return this.#ready.peek() === line
  }

  /** Takes a line out of the heap, because its limiter lets nothing through. */
  park(line: Line<LiveJob>): void {
    this.#ready.remove(line)
  }

  #unpark(line: Line<LiveJob>): void {
    if (line.size === 0 || line.heapIndex !== -1) return
    const { priority, dueAt, seq } = (line.head as LiveJob).record
    this.#ready.add(line, -priority, dueAt, seq)
  }

  /** Returns how many jobs could start if there were workers for them. It does not count beyond `enough`. */
  startable(enough: number): number {
    let startable = 0
    for (const { size, limiter } of this.#ready.items) {
      if (startable >= enough) break
      if (limiter.hasRoom()) startable += Math.min(size, limiter.concurrency - limiter.running)
    }
    return startable
  }

  resumeAll(): void {
    for (const { limiter } of this.#byName.values()) if (limiter.isPaused) limiter.resume()
  }

  close(): void {
    for (const { limiter } of this.#byName.values()) limiter.drain()
  }

  /** The queues that the options name, the default queue, and all that differ from a new one, sorted by name. */
  get queues(): QueueState[] {
    const others = [...this.#byName.values()].filter((line) => !line.isForgettable)
    const names = new Set([...this.#named, ...others.map(({ name }) => name)])
    return [...names].sort().map((name) => {
      const { size = 0, limiter } = this.#byName.get(name) ?? {}
      const { isPaused = false, running = 0, concurrency = Number.POSITIVE_INFINITY, rateLimit } = limiter ?? {}
      return { name, isPaused, size, running, concurrency, rateLimit }
    })
  }

  /** The control refers to its queue by name, so it still works when the line was dropped and made again. */
  control(name: string, bus: EventBus): QueueControl {
    const there = () => this.#byName.get(name)
    const sizeOf = () => this.sizeOf(name)
    const isPaused = () => there()?.limiter.isPaused ?? false
    const now = () => this.#timers.clock.now()
    const change = (act: (line: Line<LiveJob>) => void) => {
      const line = this.#get(name)
      act(line)
      this.#rest(line)
    }
    return {
      get isPaused() {
        return isPaused()
      },
      get size() {
        return sizeOf()
      },
      get running() {
        return there()?.limiter.running ?? 0
      },
      get nextStartAt() {
        const { waitMs = 0 } = there()?.limiter ?? {}
        return waitMs > 0 ? now() + (waitMs === Number.POSITIVE_INFINITY ? 0 : waitMs) : undefined
      },
      pause: () => {
        if (isPaused()) return
        change((line) => {
          line.limiter.pause()
          this.park(line)
        })
        bus.publish('paused', { queue: name })
      },
      resume: () => {
        if (!isPaused()) return
        bus.publish('resumed', { queue: name })
        change(({ limiter }) => limiter.resume())
      },
      setConcurrency: (concurrency) => change(({ limiter }) => limiter.setConcurrency(concurrency)),
      setRateLimit: (rateLimit) => change(({ limiter }) => limiter.setRateLimit(rateLimit)),
    }
  }

  #get(name: string): Line<LiveJob> {
    return this.#byName.get(name) ?? this.#add(name, {})
  }

  #add(name: string, options: LineOptions): Line<LiveJob> {
    const onOpen = () => {
      this.#unpark(line)
      this.#onOpen()
      // After a rest it may have no settings any more.
      this.#rest(line)
    }
    const onLimited = (waitMs: number) => this.#onLimited(name, waitMs)
    const line: Line<LiveJob> = new Line<LiveJob>(name, options, this.#timers, onOpen, onLimited)
    this.#byName.set(name, line)
    return line
  }

  /** When a line need not be kept any longer, it replaces one of the spare lines. */
  #rest(line: Line<LiveJob>): void {
    if (line.isSpare || !line.isForgettable) return
    const dropped = this.#spares[this.#oldest]
    this.#spares[this.#oldest] = line
    this.#oldest = (this.#oldest + 1) % sparesMax
    line.isSpare = true
    if (!dropped) return
    dropped.isSpare = false
    if (dropped.isForgettable) this.#byName.delete(dropped.name)
  }
}
