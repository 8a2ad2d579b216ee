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

  /** Takes an item out. Returns whether it was in. */
  remove(item: Item): boolean {
    const index = item.heapIndex
    if (this.#items[index] !== item) return false
    item.heapIndex = -1
    this.#items[index] = undefined
    this.#size--
    if (this.#size === 0 && index > holesMin) this.#closeHoles()
    const { length } = this.#items
    while (this.#head < length && !this.#items[this.#head]) this.#head++
    return true
  }

  #closeHoles(): void {
    let size = 0
    for (const item of this.#items) {
      if (!item) continue
      item.heapIndex = size
      this.#items[size++] = item
    }
    this.#items.length = size
    this.#head = 0
  }
}
