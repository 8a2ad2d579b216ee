import { Fifo } from '../shared/fifo.ts'
import { type HeapItem, IndexedHeap } from '../shared/indexed-heap.ts'
import { Gate, type RateLimit } from './gate.ts'

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

/**
 * A named queue: what waits, in order, and the gate that it goes through.
 *
 * Most jobs come in the order in which they are to go: what goes behind all that are there is in a list, where coming and
 * going cost nothing; only what goes before one of these is in the heap.
 */
export class Line<Item extends Waiting> {
  readonly name: string
  readonly gate: Gate
  readonly #inOrder = new Fifo<Item>()
  /** Of the one that came last into the list; none when it is empty. */
  #lastInOrder: Place | undefined
  readonly #others = new IndexedHeap<Item>()

  constructor(name: string, options: LineOptions, onOpen: () => void) {
    this.name = name
    this.gate = new Gate(options.concurrency ?? Number.POSITIVE_INFINITY, options.rateLimit, onOpen)
  }

  get size(): number {
    return this.#inOrder.size + this.#others.size
  }

  /** The next to go. */
  get head(): Item | undefined {
    const first = this.#inOrder.peek()
    const other = this.#others.peek()
    return first && other ? (isBefore(first.record, other.record) ? first : other) : (first ?? other)
  }

  join(item: Item): void {
    const { record } = item
    if (this.#lastInOrder && isBefore(record, this.#lastInOrder)) {
      this.#others.add(item, -record.priority, record.dueAt, record.seq)
      return
    }
    this.#lastInOrder = record
    this.#inOrder.add(item)
  }

  quit(item: Item): void {
    if (!this.#inOrder.remove(item)) this.#others.remove(item)
    if (this.#inOrder.size === 0) this.#lastInOrder = undefined
    if (this.size === 0) this.gate.drain()
  }
}

/** The order of all lines: priority, then time, then sequence. */
export const isBefore = (a: Place, b: Place): boolean =>
  a.priority !== b.priority ? a.priority > b.priority : a.dueAt !== b.dueAt ? a.dueAt < b.dueAt : a.seq < b.seq
