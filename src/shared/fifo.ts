import type { HeapItem } from './indexed-heap.ts'

/** Fewer holes than this are not worth closing. */
const holesMin = 64

/**
 * First in, first out; and out of the middle without a search, since an item carries its place, as it does in a heap. What
 * is taken out leaves a hole, and holes are closed when they are the larger part: all of it is O(1), amortized.
 */
export class Fifo<Item extends HeapItem> {
  #items: (Item | undefined)[] = []
  /** Where the first item is; before it there are only holes. */
  #head = 0
  #size = 0

  get size(): number {
    return this.#size
  }

  /** The one that came first. */
  peek(): Item | undefined {
    return this.#items[this.#head]
  }

  /** Adds an item that is in no heap. */
  add(item: Item): void {
    if (this.#items.length - this.#size > Math.max(this.#size, holesMin)) this.#closeHoles()
    item.heapIndex = this.#items.length
    this.#items.push(item)
    this.#size++
  }

  /** Takes an item out; nothing happens when it is not in. */
  remove(item: Item): void {
    const index = item.heapIndex
    if (index === -1) return
    item.heapIndex = -1
    this.#items[index] = undefined
    this.#size--
    const { length } = this.#items
    while (this.#head < length && !this.#items[this.#head]) this.#head++
  }

  #closeHoles(): void {
    const items = this.#items.filter((item) => item !== undefined)
    for (const [index, item] of items.entries()) item.heapIndex = index
    this.#items = items
    this.#head = 0
  }
}
