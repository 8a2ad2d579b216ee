// Inputs and results are copies, the same as structured clone would make, only faster for small plain data.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { copyPlain, copyValue, notPlain } from '../../src/shared/clone.ts'

test('a fast copy is what structured clone would have made', () => {
  fc.assert(
    fc.property(
      fc.anything({ withBigInt: true, withDate: true, withMap: true, withTypedArray: true, withSparseArray: true }),
      (value) => {
        const copy = copyPlain(value)
        if (copy !== notPlain) expect(copy).toEqual(structuredClone(value))
        expect(copyValue(value, 'input')).toEqual(structuredClone(value))
      },
    ),
  )
})

test('a copy shares nothing with its source', () => {
  const source = { list: [{ deep: 1 }] }
  const copy = copyValue(source, 'input') as typeof source
  source.list.push({ deep: 2 })
  ;(source.list[0] as { deep: number }).deep = 3
  expect(copy).toEqual({ list: [{ deep: 1 }] })
})

test('shared references and cycles stay what they are', () => {
  const shared = { n: 1 }
  const cyclic: Record<string, unknown> = { a: shared, b: shared }
  cyclic.self = cyclic
  const copy = copyValue(cyclic, 'input') as typeof cyclic
  expect(copy.self).toBe(copy)
  expect(copy.a).toBe(copy.b)
})

test.each([
  ['a function', { deep: [{ callback() {} }] }, '`input.deep[0].callback` is a function'],
  ['a symbol', { key: Symbol('x') }, '`input.key` is a symbol'],
  ['a value of a map', new Map([['k', () => {}]]), "`input.get('k')` is a function"],
  ['a promise', { later: Promise.resolve() }, '`input.later` is an object (Promise)'],
])('%s is refused, and the message says where it is', (_name, value, message) => {
  expect(() => copyValue(value, 'input')).toThrow(
    expect.objectContaining({ code: 'DATA_CLONE', message: expect.stringContaining(message) }),
  )
})

test('a getter that throws is refused with what it threw as the cause', () => {
  const cause = new Error('no')
  const value = {
    get bad() {
      throw cause
    },
  }
  expect(() => copyValue(value, 'input')).toThrow(expect.objectContaining({ code: 'DATA_CLONE', cause }))
})

test('a key named __proto__ changes no prototype', () => {
  const copy = copyValue(JSON.parse('{"__proto__": {"polluted": true}}'), 'input') as Record<string, unknown>
  expect(copy.polluted).toBeUndefined()
  expect(Object.getPrototypeOf(copy)).toBe(Object.prototype)
})
