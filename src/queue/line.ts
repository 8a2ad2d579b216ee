import type { HeapItem } from '../shared/indexed-heap.ts'
import type { QueueOrder } from '../shared/queue-order.ts'
import type { TimerQueue } from '../timers/timer-queue.ts'
import type { Condition } from './gate.ts'
import { Lanes } from './lanes.ts'
import { Limiter } from './limiter.ts'
import type { GroupView, MakeOrder, Order, OwnLimits, OwnOrder, Waiting } from './order.ts'
import { Pace } from './pace.ts'
import type { RateLimit } from './rate-limit.ts'
import { type Ageing, SortedOrder } from './sorted-order.ts'

/** The limits of one queue. */
export interface LineOptions {
  /** How many jobs of this queue run at a time. Default: no limit except the number of threads. */
  readonly concurrency?: number | undefined
  /** How many jobs of this queue start in a span of time. Default: any number. */
  readonly rateLimit?: RateLimit | undefined
  /** Made by `grouped` of `offstage/groups`: an order of the queue's own. Default: priority, then time. */
  readonly order?: QueueOrder | undefined
  /** Starts first what came last, of jobs with the same priority. Default `false`. It cannot be combined with `ageing`. */
  readonly lifo?: boolean | undefined
  /**
   * Raises the priority of a job by `by` for every `everyMs` milliseconds that it waits, so that jobs of a low priority
   * are not passed over for ever. A job is overtaken only by jobs that come within `everyMs × (P − p) / by` milliseconds after it,
   * where `p` is its priority and `P` the highest in use. Default: priorities stay as they are.
   */
  readonly ageing?: Ageing | undefined
  /**
   * Starts jobs of this queue only while this is so: `online()`, or any other condition. Of several, all have to be met. Default:
   * always.
   */
  readonly condition?: Condition | readonly Condition[] | undefined
}

/** A named queue: the waiting jobs in order, and the limiter that they pass. */
export class Line<Item extends Waiting> implements HeapItem {
  /** Its index in the heap of the queues that have a job to start. */
  heapIndex = -1
  /** Whether it is kept although it is empty. */
  isSpare = false
  readonly name: string
  readonly limiter: Limiter
  readonly #order: Order<Item>
  /** The same, if the options have brought it. */
  readonly own: OwnOrder<Item> | undefined
  /** The limits that its order has, beside its limiter. */
  readonly limits: OwnLimits<Item> | undefined

  constructor(
    name: string,
    { concurrency = Number.POSITIVE_INFINITY, rateLimit, order, lifo, ageing }: LineOptions,
    timers: TimerQueue,
    onOpen: () => void,
    onLimited: (waitMs: number, group?: string) => void = () => {},
    report: (error: unknown) => void = () => {},
  ) {
    this.name = name
    this.limiter = new Limiter(concurrency, rateLimit, timers, onOpen, onLimited)
    this.own = (order as MakeOrder | undefined)?.({
      timers,
      onOpen,
      report,
      lanes: () => new Lanes(),
      pace: (group, callback) => new Pace(undefined, timers, callback, (waitMs) => onLimited(waitMs, group)),
    })
    if (lifo || ageing) this.own = new SortedOrder(timers.clock, lifo, ageing)
    this.limits = this.own?.limits
    this.#order = this.own ?? new Lanes()
  }

  /** Whether it can be dropped: no job of it waits or runs, and its settings are the default. */
  get isForgettable(): boolean {
    return this.size === 0 && this.limiter.running === 0 && !this.own && !this.limiter.hasSettings
  }

  get size(): number {
    return this.#order.size
  }

  /** Returns what can be seen of it, or of one of its groups. */
  view(group: string | undefined): GroupView | undefined {
    if (group !== undefined) return this.limits?.view(group)
    const { isPaused, running, pace } = this.limiter
    return { isPaused, size: this.size, running, waitMs: pace.waitMs }
  }

  /** The job that goes next. */
  get head(): Item | undefined {
    return this.#order.head
  }

  /** Returns the priority that counts for a job of this line now. */
  priorityOf({ record }: Item): number {
    return this.own?.priorityOf?.(record) ?? record.priority
  }

  join(item: Item): void {
    this.#order.join(item)
  }

  /** Removes a job. Call it before the job gets a new record. */
  quit(item: Item): void {
    this.#order.quit(item)
    if (this.#order.size === 0) this.limiter.drain()
  }

  // How a job passes the limits, from its start to the end of its attempt.

  /** Lets in the head, or a job outside of the line, if the rate limit of the queue allows it. See `Limiter.acquire`. */
  acquire(item: Item): boolean {
    if (!this.limiter.acquire()) return false
    this.limits?.enter(item)
    return true
  }

  sent(item: Item): void {
    this.limiter.pace.sent()
    this.limits?.sent(item)
  }

  began(item: Item): void {
    this.limiter.pace.began()
    this.limits?.began(item)
  }

  leave(item: Item): void {
    this.limiter.leave()
    this.limits?.leave(item)
  }

  /** Lets no job start for so many milliseconds, of those that share the limits of this one. */
  rest(item: Item, ms: number): void {
    if (this.limits) this.limits.rest(item, ms)
    else this.limiter.pace.rest(ms)
  }
}
