/** An item of a heap. It carries its own index, so that it can be moved or removed without a search. */
export interface HeapItem {
  /** The index in the heap that holds the item, −1 if none does. Only the heap writes it. */
  heapIndex: number
}

const capacityMin = 64
/** With four children, siblings share a cache line of keys, and the tree is half as high as with two. */
const arity = 4
const none = new Float64Array(0)

/**
 * A min-heap over three keys, which are compared in turn. `add`, `remove` and `pop` are O(log n), `peek` is O(1).
 *
 * The keys lie in typed arrays beside the items. With a million items, a comparison that follows pointers would miss the cache
 * each time, which makes `pop` several times slower.
 */
export class IndexedHeap<Item extends HeapItem> {
  readonly #items: Item[] = []
  /** The keys. Their arrays are made for the first item, because many heaps never have one. */
  #first = none
  #second = none
  #third = none

  get size(): number {
    return this.#items.length
  }

  /** All items, in no particular order. */
  get items(): readonly Item[] {
    return this.#items
  }

  peek(): Item | undefined {
    return this.#items[0]
  }

  /** Adds an item that is in no heap. */
  add(item: Item, first: number, second: number, third: number): void {
    const index = this.#items.length
    if (index === this.#first.length) this.#resize(index * 2 || capacityMin)
    this.#items.push(item)
    this.#siftUp(index, item, first, second, third)
  }

  /** Gives an item of the heap new keys. Does nothing unless they come before its present keys. */
  raise(item: Item, first: number, second: number, third: number): void {
    const index = item.heapIndex
    if (this.#isBefore(first, second, third, index)) this.#siftUp(index, item, first, second, third)
  }

  /** Gives an item of the heap new keys, which must not come before its present keys. */
  lower(item: Item, first: number, second: number, third: number): void {
    this.#siftDown(item.heapIndex, item, first, second, third)
  }

  /** Removes an item. Does nothing if it is not in the heap. */
  remove(item: Item): void {
    const index = item.heapIndex
    if (index === -1) return
    item.heapIndex = -1
    const lastIndex = this.#items.length - 1
    const last = this.#items.pop() as Item
    if (index < lastIndex) this.#refill(index, last, lastIndex)
    if (lastIndex > capacityMin && lastIndex < this.#first.length / 4) this.#resize(this.#first.length / 2)
  }

  pop(): Item | undefined {
    const top = this.#items[0]
    if (top) this.remove(top)
    return top
  }

  /** Moves the item that was last, whose keys are still at `from`, into the hole at `index`. */
  #refill(index: number, item: Item, from: number): void {
    const first = this.#first[from] as number
    const second = this.#second[from] as number
    const third = this.#third[from] as number
    const parent = (index - 1) >> 2
    if (index > 0 && this.#isBefore(first, second, third, parent)) this.#siftUp(index, item, first, second, third)
    else this.#siftDown(index, item, first, second, third)
  }

  #siftUp(start: number, item: Item, first: number, second: number, third: number): void {
    let index = start
    while (index > 0) {
      const parent = (index - 1) >> 2
      if (!this.#isBefore(first, second, third, parent)) break
      this.#move(parent, index)
      index = parent
    }
    this.#put(index, item, first, second, third)
  }

  #siftDown(start: number, item: Item, first: number, second: number, third: number): void {
    const size = this.#items.length
    let index = start
    for (;;) {
      const child = this.#leastChild(index * arity + 1, size)
      if (child === -1 || !this.#isAfter(first, second, third, child)) break
      this.#move(child, index)
      index = child
    }
    this.#put(index, item, first, second, third)
  }

  #leastChild(begin: number, size: number): number {
    if (begin >= size) return -1
    const end = Math.min(begin + arity, size)
    let least = begin
    for (let child = begin + 1; child < end; child++) {
      const isLess = this.#isBefore(
        this.#first[child] as number,
        this.#second[child] as number,
        this.#third[child] as number,
        least,
      )
      if (isLess) least = child
    }
    return least
  }

  #isBefore(first: number, second: number, third: number, index: number): boolean {
    const otherFirst = this.#first[index] as number
    if (first !== otherFirst) return first < otherFirst
    const otherSecond = this.#second[index] as number
    if (second !== otherSecond) return second < otherSecond
    return third < (this.#third[index] as number)
  }

  /** Not the same as "not before": equal keys stay where they are, so that it costs nothing to have many of them. */
  #isAfter(first: number, second: number, third: number, index: number): boolean {
    const otherFirst = this.#first[index] as number
    if (first !== otherFirst) return first > otherFirst
    const otherSecond = this.#second[index] as number
    if (second !== otherSecond) return second > otherSecond
    return third > (this.#third[index] as number)
  }

  #move(from: number, to: number): void {
    this.#put(
      to,
      this.#items[from] as Item,
      this.#first[from] as number,
      this.#second[from] as number,
      this.#third[from] as number,
    )
  }

  #put(index: number, item: Item, first: number, second: number, third: number): void {
    this.#items[index] = item
    this.#first[index] = first
    this.#second[index] = second
    this.#third[index] = third
    item.heapIndex = index
  }

  #resize(capacity: number): void {
    const resized = (keys: Float64Array) => {
      const copy = new Float64Array(capacity)
      copy.set(keys.subarray(0, Math.min(this.#items.length, capacity)))
      return copy
    }
    this.#first = resized(this.#first)
    this.#second = resized(this.#second)
    this.#third = resized(this.#third)
  }
}
