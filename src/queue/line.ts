import { Fifo } from '../shared/fifo.ts'
import { type HeapItem, IndexedHeap } from '../shared/indexed-heap.ts'
import type { TimerQueue } from '../timers/timer-queue.ts'
import { Limiter } from './limiter.ts'
import type { RateLimit } from './rate-limit.ts'

export interface LineOptions {
  /** Jobs of this queue that run at a time. Default: no limit but the threads. */
  readonly concurrency?: number | undefined
  readonly rateLimit?: RateLimit | undefined
}

/** A place in line. */
export interface Place {
  readonly priority: number
  readonly dueAt: number
  readonly seq: number
}

interface Waiting extends HeapItem {
  readonly record: Place
}

/** Priorities of which there is a lane each; empty ones are kept for those who come soon, but not many. */
const lanesMax = 256
const emptyLanesMax = 8

/** Those of one priority that came in the order in which they are to go. */
interface Lane<Item extends Waiting> {
  readonly priority: number
  readonly items: Fifo<Item>
  /** Of the one that came last; none when it is empty. */
  last: Place | undefined
}

/**
 * A named queue: what waits, in order, and the limiter that it goes through.
 *
 * Most jobs come in the order in which they are to go, among those of their priority: what goes behind all of these is in
 * their lane, where coming and going cost nothing, however many there are. In the heap is what goes before one of them, and
 * whose priority is one too many: there a million cost some microseconds each, most of it spent waiting for memory.
 */
export class Line<Item extends Waiting> implements HeapItem {
  /** Its place among the lines that have something to start. */
  heapIndex = -1
  /** It is kept although there is nothing in it. */
  isSpare = false
  readonly name: string
  readonly limiter: Limiter
  /** The highest priority is last. */
  readonly #lanes: Lane<Item>[] = []
  #emptyLanes = 0
  readonly #others = new IndexedHeap<Item>()
  size = 0

  constructor(name: string, options: LineOptions, timers: TimerQueue, onOpen: () => void) {
    this.name = name
    this.limiter = new Limiter(options.concurrency ?? Number.POSITIVE_INFINITY, options.rateLimit, timers, onOpen)
  }

  /** Nothing waits in it, nothing of it runs, and it is set like any other. */
  get isForgettable(): boolean {
    return this.size === 0 && this.limiter.running === 0 && !this.limiter.hasSettings
  }

  /** The next to go. */
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

  /** Before its record is another: that says where it is. */
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

  /** Where the lane of a priority is, or would be. */
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

/** The order of all lines: priority, then time, then sequence. */
export const isBefore = (a: Place, b: Place): boolean =>
  a.priority !== b.priority ? a.priority > b.priority : a.dueAt !== b.dueAt ? a.dueAt < b.dueAt : a.seq < b.seq
