import type { HeapItem } from './indexed-heap.ts'

/** Fewer holes than this are not worth removing. */
const holesMin = 64

/**
 * A first-in, first-out queue from whose middle items can be removed without a search: an item carries its index, as it does in
 * a heap. A removed item leaves a hole. Holes are removed when they outnumber the items, so every operation is O(1), amortized.
 */
export class Fifo<Item extends HeapItem> {
  #items: (Item | undefined)[] = []
  /** The index of the first item. Before it there are only holes. */
  #head = 0
  #size = 0

  get size(): number {
    return this.#size
  }

  /** Returns the item that was added first. */
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

  /** Removes an item. Returns whether it was in the queue. */
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
