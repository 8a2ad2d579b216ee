// The usual order of a queue, against a sorted array.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Lanes } from '../../src/queue/lanes.ts'
import { isBefore, type Place } from '../../src/queue/order.ts'

interface Item {
  heapIndex: number
  record: Place
}

test('whatever joins and quits: the head is the one that is before all others', () => {
  const command = fc.record({
    type: fc.constantFrom('join', 'join', 'join', 'pop', 'pop', 'quit', 'move'),
    priority: fc.oneof(
      { weight: 3, arbitrary: fc.constant(0) },
      { weight: 1, arbitrary: fc.integer({ min: -2, max: 2 }) },
      // More than there are lanes for.
      { weight: 1, arbitrary: fc.integer({ min: -1_000, max: 1_000 }) },
    ),
    laterMs: fc.nat(3),
    at: fc.nat(),
  })
  const play = (commands: readonly { type: string; priority: number; laterMs: number; at: number }[]) => {
    const line = new Lanes<Item>()
    const model: Item[] = []
    const sort = () => model.sort((a, b) => (isBefore(a.record, b.record) ? -1 : 1))
    for (const [seq, { type, priority, laterMs, at }] of commands.entries()) {
      const index = at % Math.max(model.length, 1)
      if (type === 'join') {
        // Now and then one comes back to an old place, as after a retry.
        const item = { heapIndex: -1, record: { priority, dueAt: seq - laterMs, seq } }
        line.join(item)
        model.push(item)
        sort()
      } else if (type === 'move') {
        const item = model[index]
        if (!item) continue
        line.quit(item)
        item.record = { ...item.record, priority }
        line.join(item)
        sort()
      } else {
        const [item] = model.splice(type === 'pop' ? 0 : index, 1)
        if (!item) continue
        line.quit(item)
        expect(item.heapIndex).toBe(-1)
      }
      expect(line.head).toBe(model[0])
      expect(line.size).toBe(model.length)
    }
  }
  fc.assert(fc.property(fc.array(command, { maxLength: 1_500, size: 'max' }), play))
})
