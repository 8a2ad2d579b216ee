import { queueOf } from '../job/queue-key.ts'
import { Gate } from '../queue/gate.ts'
import { Line, type LineOptions } from '../queue/line.ts'
import { isBefore, type Place } from '../queue/order.ts'
import type { QueueSettings } from '../queue/settings.ts'
import { IndexedHeap } from '../shared/indexed-heap.ts'
import type { TimerQueue } from '../timers/timer-queue.ts'
import type { EngineQueues, QueueState, QueueView } from './engine.ts'
import { notGrouped } from './job-errors.ts'
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
 *
 * A line with an order of its own is not in the heap, because its first job may change in any way. There are few of these: only
 * options make them. Those that are ready are compared with the best of the heap, one by one.
 */
export class Lines {
  readonly #byName = new Map<string, Line<LiveJob>>()
  readonly #ready = new IndexedHeap<Line<LiveJob>>()
  /** Lines with an order of their own that are ready. */
  readonly #readyOwn = new Set<Line<LiveJob>>()
  /** A ring; the entry at `#oldest` makes room for the next one. */
  readonly #spares: (Line<LiveJob> | undefined)[] = new Array(sparesMax).fill(undefined)
  #oldest = 0
  readonly #timers: TimerQueue
  readonly #named: readonly string[]
  readonly #onOpen: () => void
  readonly #onLimited: (waitMs: number, queue: string, group: string | undefined) => void
  readonly #report: (error: unknown) => void
  /** Lines with conditions. */
  readonly #gated: Line<LiveJob>[] = []
  /** When the newest job was added. The next job takes no place before it, even if the clock was set back. */
  time = 0

  /**
   * `onOpen`: called when a limiter may let more jobs through. `onLimited`: called when a rate limit begins to hold jobs of a
   * queue or a group back, with the time until it lets one through. `report`: called with what a function of the options has thrown.
   */
  constructor(
    queues: EngineQueues,
    timers: TimerQueue,
    onOpen: () => void,
    onLimited: (waitMs: number, queue: string, group: string | undefined) => void,
    report: (error: unknown) => void,
  ) {
    this.#timers = timers
    this.#onOpen = onOpen
    this.#onLimited = onLimited
    this.#report = report
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

  /** Gives a job that waits for its next attempt its place in line, in which it holds up others, if its queue wants that. */
  hold(job: LiveJob): void {
    const line = this.#byName.get(job.record.queue)
    if (!line?.limits?.hold) return
    line.limits.hold(job)
    if (job.heapIndex !== -1) job.line = line
  }

  /** Puts a job into the line of its queue. */
  join(job: LiveJob): void {
    const { queue, priority, dueAt, seq } = job.record
    const line = this.#get(queue)
    job.line = line
    line.join(job)
    if (line.heapIndex !== -1) this.#ready.raise(line, -priority, dueAt, seq)
    else if (line.own) this.#readyOwn.add(line)
    else if (line.size === 1) this.#ready.add(line, -priority, dueAt, seq)
  }

  /** Removes a job from its line. */
  quit(job: LiveJob): void {
    const line = job.line as Line<LiveJob>
    job.line = undefined
    line.quit(job)
    if (line.size > 0) return line.own && void this.#readyOwn.add(line)
    this.park(line)
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
    line.leave(job)
    this.#unpark(line)
    this.#rest(line)
  }

  /** Returns the line whose limits the job goes or went through; `undefined` if it was dropped and so has nothing to count. */
  passedBy({ line, record }: LiveJob): Line<LiveJob> | undefined {
    return line ?? this.#byName.get(record.queue)
  }

  /** Returns the place of a job among those of other queues. */
  placeOf(job: LiveJob): Place {
    const { dueAt, seq, priority } = job.record
    return { priority: this.passedBy(job)?.priorityOf(job) ?? priority, dueAt, seq }
  }

  /** Asks the conditions of queues in which jobs wait. Call it before jobs start: conditions are code of the application. */
  askConditions(): void {
    for (const line of this.#gated) if (line.size > 0 && line.limiter.gate?.ask()) this.#unpark(line)
  }

  /** Returns the line whose first job goes next, of all jobs that may start. `least`: the least priority of that job. */
  next(least?: number): Line<LiveJob> | undefined {
    let next = this.#nextInHeap()
    if (least !== undefined && next && next.priorityOf(next.head as LiveJob) < least) next = undefined
    return this.#readyOwn.size === 0 ? next : this.#nextWithOwn(next, least)
  }

  /** `next`: the line that goes next of all others. */
  #nextWithOwn(next: Line<LiveJob> | undefined, least = Number.NEGATIVE_INFINITY): Line<LiveJob> | undefined {
    let first = next
    for (const line of this.#readyOwn) {
      const { head } = line
      if (!line.limiter.hasRoom() || !head) this.park(line)
      else if (line.priorityOf(head) >= least && (!first || isBefore(placeOf(line), placeOf(first)))) first = line
    }
    return first
  }

  #nextInHeap(): Line<LiveJob> | undefined {
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

  /** The line is not ready: its limits let nothing through, or no job waits. */
  park(line: Line<LiveJob>): void {
    if (line.own) this.#readyOwn.delete(line)
    else this.#ready.remove(line)
  }

  #unpark(line: Line<LiveJob>): void {
    if (line.size === 0 || line.heapIndex !== -1) return
    if (line.own) return void this.#readyOwn.add(line)
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
    for (const { own, limiter } of this.#readyOwn) {
      if (startable >= enough) break
      const room = limiter.hasRoom() ? Math.min(enough, limiter.concurrency - limiter.running) : 0
      if (own && room > 0) startable += Math.min(own.startable(room), room)
    }
    return startable
  }

  resumeAll(): void {
    for (const { limiter, limits } of this.#byName.values()) {
      limits?.resumeAll()
      if (limiter.isPaused) limiter.resume()
    }
  }

  close(): void {
    for (const { limiter, limits } of this.#byName.values()) {
      limits?.close()
      limiter.drain()
    }
  }

  /** The queues that the options name, the default queue, and all that differ from a new one, sorted by name. */
  get queues(): QueueState[] {
    const others = [...this.#byName.values()].filter((line) => !line.isForgettable)
    const names = new Set([...this.#named, ...others.map(({ name }) => name)])
    return [...names].sort().map((name) => {
      const { size = 0, limiter } = this.#byName.get(name) ?? {}
      const { isPaused = false, running = 0, concurrency = Number.POSITIVE_INFINITY, pace } = limiter ?? {}
      return { name, isPaused, size, running, concurrency, rateLimit: pace?.rateLimit }
    })
  }

  /** `key`: names a queue, or one of its groups. */
  view(key: string): QueueView {
    const [name, group] = queueOf(key)
    const { isPaused = false, size = 0, running = 0, waitMs = 0 } = this.#byName.get(name)?.view(group) ?? {}
    const waits = waitMs === Number.POSITIVE_INFINITY ? 0 : waitMs
    return { isPaused, size, running, nextStartAt: waitMs > 0 ? this.#timers.clock.now() + waits : undefined }
  }

  /** Throws `INVALID_OPTION` if a group cannot be set to this. */
  check(key: string, settings: QueueSettings): void {
    const [name, group] = queueOf(key)
    if (group === undefined) return
    const limits = this.#byName.get(name)?.limits
    if (!limits) throw notGrouped(name)
    limits.check(settings)
  }

  /** Returns the settings of a group as the options have them. */
  optionsOfGroup(queue: string, group: string): QueueSettings {
    return this.#byName.get(queue)?.limits?.optionsOf(group) ?? {}
  }

  /** Changes the settings of a queue, or of one of its groups. */
  set(key: string, settings: QueueSettings): void {
    const [name, group] = queueOf(key)
    if (group !== undefined) return this.#byName.get(name)?.limits?.set(group, settings)
    const { isPaused, concurrency, rateLimit } = settings
    const line = this.#get(name)
    const { limiter } = line
    if (concurrency !== undefined) limiter.setConcurrency(concurrency)
    if (rateLimit !== undefined) limiter.setRateLimit(rateLimit ?? undefined)
    if (isPaused && !limiter.isPaused) {
      limiter.pause()
      this.park(line)
    } else if (isPaused === false && limiter.isPaused) limiter.resume()
    this.#rest(line)
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
    const onLimited = (waitMs: number, group?: string) => this.#onLimited(waitMs, name, group)
    const line: Line<LiveJob> = new Line<LiveJob>(name, options, this.#timers, onOpen, onLimited, this.#report)
    this.#byName.set(name, line)
    if (options.condition) {
      line.limiter.gate = new Gate([options.condition].flat(), this.#timers, this.#onOpen, this.#report)
      this.#gated.push(line)
    }
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

/** The place of the first job, with the priority that its line has among others. */
function placeOf({ head, own }: Line<LiveJob>): Place {
  const { record } = head as LiveJob
  return own ? { priority: own.priority, dueAt: record.dueAt, seq: record.seq } : record
}
