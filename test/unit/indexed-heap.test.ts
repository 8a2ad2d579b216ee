// The heap that lines, timers and finished jobs wait in, against a sorted array.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { IndexedHeap } from '../../src/shared/indexed-heap.ts'

interface Item {
  heapIndex: number
  readonly keys: readonly [number, number, number]
}

const byKeys = (a: Item, b: Item): number => a.keys[0] - b.keys[0] || a.keys[1] - b.keys[1] || a.keys[2] - b.keys[2]

test('whatever is added and removed, the least comes out first', () => {
  const command = fc.oneof(
    { weight: 3, arbitrary: fc.record({ type: fc.constant('add' as const), first: fc.nat(3), second: fc.nat(3) }) },
    { weight: 1, arbitrary: fc.record({ type: fc.constant('remove' as const), at: fc.nat() }) },
    { weight: 1, arbitrary: fc.record({ type: fc.constant('pop' as const) }) },
  )
  fc.assert(
    fc.property(fc.array(command, { maxLength: 400 }), (commands) => {
      const heap = new IndexedHeap<Item>()
      let model: Item[] = []
      commands.forEach((each, third) => {
        if (each.type === 'add') {
          const item: Item = { heapIndex: -1, keys: [each.first, each.second, third] }
          heap.add(item, ...item.keys)
          model = [...model, item].sort(byKeys)
        } else if (each.type === 'pop') {
          expect(heap.pop()).toBe(model.shift())
        } else if (model.length > 0) {
          const item = model[each.at % model.length] as Item
          heap.remove(item)
          expect(item.heapIndex).toBe(-1)
          model = model.filter((other) => other !== item)
        }
        expect(heap.peek()).toBe(model[0])
        expect(heap.size).toBe(model.length)
      })
      expect(model.map(() => heap.pop())).toEqual(model)
    }),
  )
})

test('it gives memory back when it has emptied, and stays in order while it does', () => {
  const heap = new IndexedHeap<Item>()
  const items = Array.from({ length: 5_000 }, (_, n): Item => ({ heapIndex: -1, keys: [(n * 7_919) % 5_000, 0, 0] }))
  for (const item of items) heap.add(item, ...item.keys)
  for (let n = 0; n < 5_000; n++) expect(heap.pop()?.keys[0]).toBe(n)
  expect(heap.pop()).toBeUndefined()
})

test('removing what is not in does nothing', () => {
  const heap = new IndexedHeap<Item>()
  heap.remove({ heapIndex: -1, keys: [0, 0, 0] })
  expect(heap.size).toBe(0)
})
