import { Fifo } from '../shared/fifo.ts'
import { IndexedHeap } from '../shared/indexed-heap.ts'
import { isBefore, type Order, type Place, type Waiting } from './order.ts'

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
 * The usual order of a queue: by priority, then time, then sequence.
 *
 * Most jobs come in the order in which they will go, compared with others of their priority. Such a job goes behind all of
 * these, into the lane of its priority, where adding and removing cost next to nothing, however many there are. The heap holds
 * the rest: jobs that go before one in their lane, and jobs whose priority has no lane because there are too many priorities.
 * With a million jobs in the heap, each costs some microseconds, most of it spent waiting for memory.
 */
export class Lanes<Item extends Waiting> implements Order<Item> {
  /** Sorted by priority, the highest last. */
  readonly #lanes: Lane<Item>[] = []
  #emptyLanes = 0
  /** Made for the first of them. */
  #others: IndexedHeap<Item> | undefined
  size = 0

  get head(): Item | undefined {
    const first = this.#firstInLanes()
    const other = this.#others?.peek()
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
      this.#others ??= new IndexedHeap<Item>()
      this.#others.add(item, -record.priority, record.dueAt, record.seq)
      return
    }
    if (!lane.last) this.#emptyLanes--
    lane.last = record
    lane.items.add(item)
  }

  quit(item: Item): void {
    this.size--
    const { priority } = item.record
    const index = this.#indexOf(priority)
    const lane = this.#lanes[index]
    if (lane?.priority !== priority || !lane.items.remove(item)) this.#others?.remove(item)
    else if (lane.items.size === 0) this.#emptied(lane, index)
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
