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

/** A named queue: what waits, in order, and the gate that it goes through. */
export class Line<Item extends Waiting> {
  readonly name: string
  readonly gate: Gate
  readonly #waiting = new IndexedHeap<Item>()

  constructor(name: string, options: LineOptions, onOpen: () => void) {
    this.name = name
    this.gate = new Gate(options.concurrency ?? Number.POSITIVE_INFINITY, options.rateLimit, onOpen)
  }

  get size(): number {
    return this.#waiting.size
  }

  /** The next to go. */
  get head(): Item | undefined {
    return this.#waiting.peek()
  }

  join(item: Item): void {
    const { priority, dueAt, seq } = item.record
    this.#waiting.add(item, -priority, dueAt, seq)
  }

  quit(item: Item): void {
    this.#waiting.remove(item)
    if (this.#waiting.size === 0) this.gate.drain()
  }
}

/** The order of all lines: priority, then time, then sequence. */
export const isBefore = (a: Place, b: Place): boolean =>
  a.priority !== b.priority ? a.priority > b.priority : a.dueAt !== b.dueAt ? a.dueAt < b.dueAt : a.seq < b.seq
