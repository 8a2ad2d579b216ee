import { Fifo } from '../shared/fifo.ts'
import { type HeapItem, IndexedHeap } from '../shared/indexed-heap.ts'
import type { TimerQueue } from '../timers/timer-queue.ts'
import { Limiter } from './limiter.ts'
import type { RateLimit } from './rate-limit.ts'

/** The limits of one queue. */
export interface LineOptions {
  /** How many jobs of this queue run at a time. Default: no limit except the number of threads. */
  readonly concurrency?: number | undefined
  /** How many jobs of this queue start in a span of time. Default: any number. */
  readonly rateLimit?: RateLimit | undefined
}

/** The place of a job in its queue. */
export interface Place {
  readonly priority: number
  readonly dueAt: number
  readonly seq: number
}

interface Waiting extends HeapItem {
  readonly record: Place
}

/** The most priorities that have a lane of their own, and the most empty lanes that are kept for jobs to come. */
const lanesMax = 256
const emptyLanesMax = 8

/** Jobs of one priority that came in the order in which they will go. */
interface Lane<Item extends Waiting> {
  readonly priority: number
  readonly items: Fifo<Item>
  /** The place of the job that came last; none if the lane is empty. */
  last: Place | undefined
}

/**
 * A named queue: the waiting jobs in order, and the limiter that they pass.
 *
 * Most jobs come in the order in which they will go, compared with others of their priority. Such a job goes behind all of
 * these, into the lane of its priority, where adding and removing cost next to nothing, however many there are. The heap holds
 * the rest: jobs that go before one in their lane, and jobs whose priority has no lane because there are too many priorities.
 * With a million jobs in the heap, each costs some microseconds, most of it spent waiting for memory.
 */
export class Line<Item extends Waiting> implements HeapItem {
  /** Its index in the heap of the queues that have a job to start. */
  heapIndex = -1
  /** Whether it is kept although it is empty. */
  isSpare = false
  readonly name: string
  readonly limiter: Limiter
  /** Sorted by priority, the highest last. */
  readonly #lanes: Lane<Item>[] = []
  #emptyLanes = 0
  readonly #others = new IndexedHeap<Item>()
  size = 0

  constructor(
    name: string,
    { concurrency = Number.POSITIVE_INFINITY, rateLimit }: LineOptions,
    timers: TimerQueue,
    onOpen: () => void,
    onLimited?: (waitMs: number) => void,
  ) {
    this.name = name
    this.limiter = new Limiter(concurrency, rateLimit, timers, onOpen, onLimited)
  }

  /** Whether it can be dropped: no job of it waits or runs, and its settings are the default. */
  get isForgettable(): boolean {
    return this.size === 0 && this.limiter.running === 0 && !this.limiter.hasSettings
  }

  /** The job that goes next. */
  get head(): Item | undefined {
    const first = this.#firstInLanes()
    const other = this.#others.peek()
    return first && other ? (isBefore(first.record, other.record) ? first : other) : (first ?? other)
  }

  #firstInLanes(): Item | undefined {
    for (let index = this.#lanes.length - 1; index >= 0; index--) {
      const first = (this.#lanes[index] as Lane<Item>).items.peek()
      if (first) return first
    }
    return undefined
  }

  join(item: Item): void {
    const { record } = item
    this.size++
    const index = this.#indexOf(record.priority)
    const found = this.#lanes[index]
    const lane = found?.priority === record.priority ? found : this.#addLane(index, record.priority)
    if (!lane || (lane.last && isBefore(record, lane.last))) {
      this.#others.add(item, -record.priority, record.dueAt, record.seq)
      return
    }
    if (!lane.last) this.#emptyLanes--
    lane.last = record
    lane.items.add(item)
  }

  /** Removes a job. Call it before the job gets a new record, because the present record says where the job is. */
  quit(item: Item): void {
    this.size--
    const { priority } = item.record
    const index = this.#indexOf(priority)
    const lane = this.#lanes[index]
    if (lane?.priority !== priority || !lane.items.remove(item)) this.#others.remove(item)
    else if (lane.items.size === 0) this.#emptied(lane, index)
    if (this.size === 0) this.limiter.drain()
  }

  #addLane(index: number, priority: number): Lane<Item> | undefined {
    if (this.#lanes.length === lanesMax) return undefined
    const lane = { priority, items: new Fifo<Item>(), last: undefined }
    this.#lanes.splice(index, 0, lane)
    this.#emptyLanes++
    return lane
  }

  #emptied(lane: Lane<Item>, index: number): void {
    lane.last = undefined
    if (this.#emptyLanes === emptyLanesMax) this.#lanes.splice(index, 1)
    else this.#emptyLanes++
  }

  /** Returns the index of the lane of a priority, or the index that it would have. */
  #indexOf(priority: number): number {
    let low = 0
    let high = this.#lanes.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#lanes[middle] as Lane<Item>).priority < priority) low = middle + 1
      else high = middle
    }
    return low
  }
}

/** The order in every queue: priority, then time, then sequence. */
export const isBefore = (a: Place, b: Place): boolean =>
  a.priority !== b.priority ? a.priority > b.priority : a.dueAt !== b.dueAt ? a.dueAt < b.dueAt : a.seq < b.seq
