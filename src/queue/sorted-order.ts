import type { Clock } from '../shared/clock.ts'
import { IndexedHeap } from '../shared/indexed-heap.ts'
import type { OwnOrder, Place, Waiting } from './order.ts'

/** How the priority of a job rises while it waits: in proportion to the time. */
export interface Ageing {
  /** The time in which it rises by `by`, in milliseconds. */
  readonly everyMs: number
  /** By how much it rises in that time, at least 0.001. */
  readonly by: number
}

/**
 * An order in which a job keeps its key while it waits. That holds with ageing as well: the priorities of all jobs rise at the same
 * rate, so the difference between two of them stays the same. With `isLifo`, of two jobs with the same priority the one that came
 * last goes first.
 */
export class SortedOrder<Item extends Waiting> implements OwnOrder<Item> {
  readonly #heap = new IndexedHeap<Item>()
  readonly #clock: Clock
  readonly #risePerMs: number
  readonly #sign: 1 | -1
  /** When the newest job came. A clock that was set back makes no job younger than that. */
  #newestAt = 0

  constructor(clock: Clock, isLifo: boolean | undefined, { everyMs, by }: Ageing = { everyMs: 1, by: 0 }) {
    this.#clock = clock
    this.#sign = isLifo ? -1 : 1
    this.#risePerMs = by / everyMs
  }

  get size(): number {
    return this.#heap.size
  }

  get head(): Item | undefined {
    return this.#heap.peek()
  }

  get priority(): number {
    return this.priorityOf((this.head as Item).record)
  }

  priorityOf(place: Place): number {
    return this.#priorityAt(Math.max(this.#clock.now(), this.#newestAt), place)
  }

  #priorityAt(wallMs: number, { priority, dueAt }: Place): number {
    return priority + (wallMs - dueAt) * this.#risePerMs
  }

  startable(): number {
    return this.size
  }

  join(item: Item): void {
    const { record } = item
    this.#newestAt = Math.max(this.#newestAt, record.dueAt)
    this.#heap.add(item, -this.#priorityAt(0, record), this.#sign * record.dueAt, this.#sign * record.seq)
  }

  quit(item: Item): void {
    this.#heap.remove(item)
  }

  isBefore(a: Place, b: Place): boolean {
    const tie = this.#sign * (a.dueAt - b.dueAt || a.seq - b.seq)
    return (this.#priorityAt(0, b) - this.#priorityAt(0, a) || tie) < 0
  }
}
