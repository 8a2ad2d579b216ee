import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Fifo } from '../../src/shared/fifo.ts'

test('whatever comes and goes: the first of those that are there is the one that came first', () => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 999 }), { maxLength: 2_000 }), (moves) => {
      const fifo = new Fifo<{ heapIndex: number }>()
      const model: { heapIndex: number }[] = []
      for (const move of moves) {
        // Mostly the first goes, as with what has been kept long enough; now and then one of the middle.
        const index = move % 3 === 0 ? Math.floor((move / 1_000) * model.length) : 0
        if (move % 2 === 0 && model.length > 0) {
          const [item] = model.splice(index, 1)
          fifo.remove(item as { heapIndex: number })
          expect(item?.heapIndex).toBe(-1)
        } else {
          const item = { heapIndex: -1 }
          model.push(item)
          fifo.add(item)
        }
        expect(fifo.peek()).toBe(model[0])
        expect(fifo.size).toBe(model.length)
      }
      for (const item of model) fifo.remove(item)
      expect(fifo.peek()).toBeUndefined()
    }),
  )
})

test('what is in none is not taken out', () => {
  const fifo = new Fifo<{ heapIndex: number }>()
  const item = { heapIndex: -1 }
  fifo.remove(item)
  fifo.add(item)
  fifo.remove(item)
  fifo.remove(item)
  expect(fifo.size).toBe(0)
})
