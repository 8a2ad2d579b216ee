// Inputs and results are copies, the same as structured clone would make, only faster for plain data.
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { expect, test, vi } from 'vitest'
import { copyBuiltIn, copyPlain, copyValue, notPlain } from '../../src/shared/clone.ts'
import { outgoing } from '../../src/shared/outgoing.ts'

test('a fast copy is what structured clone would have made', () => {
  fc.assert(
    fc.property(
      fc.anything({
        withBigInt: true,
        withDate: true,
        withMap: true,
        withSet: true,
        withTypedArray: true,
        withSparseArray: true,
      }),
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

const many = Array.from({ length: 1_000 }, (_, n) => ({ n, tags: [`${n}`], at: { x: n / 3 } }))

test('large data too is copied, where it need not be small', () => {
  expect(copyPlain(many)).toBe(notPlain)
  const copy = copyPlain(many, Number.POSITIVE_INFINITY) as typeof many
  expect(copy).toEqual(many)
  expect(copy[999]?.at).not.toBe(many[999]?.at)
  expect(copyPlain(many, 3_001)).toEqual(many)
  expect(copyPlain(many, 3_000)).toBe(notPlain)
})

test('a copy of a Map or a Set shares nothing with its source', () => {
  const [key, value, item] = [{ n: 1 }, { n: 2 }, { n: 3 }]
  const source = { map: new Map([[key, value]]), set: new Set([item]) }
  const copy = copyValue(source, 'input') as typeof source
  for (const each of [key, value, item]) each.n = 0
  source.map.clear()
  expect(copy).toEqual({ map: new Map([[{ n: 1 }, { n: 2 }]]), set: new Set([{ n: 3 }]) })
})

test.each([
  ['what is shared early', [many[0], ...many, many[0]]],
  ['what is shared late', [...many, many[999]]],
  ['a cycle', Object.assign([...many], { 500: { many } })],
  ['a hole', Object.assign([...many], { 1010: {} })],
  ['a property of an array', Object.assign([...many], { more: 1 })],
  ['a date', [...many, new Date(0)]],
])('in large data, %s stays what it is', (_name, value) => {
  const copy = copyValue(value, 'input') as typeof value
  expect(copy).toEqual(structuredClone(value))
  expect(copy.indexOf(copy.at(-1) as never)).toBe(value.indexOf(value.at(-1) as never))
})

const aDate = new Date(1)
function cyclicSet() {
  const set = new Set<unknown>()
  return set.add([set])
}
const bytes = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)

test.each([
  ['a typed array', bytes],
  ['a buffer', bytes.buffer],
  ['a part of a buffer', { numbers: new Uint16Array(bytes.buffer, 2, 2), name: 'numbers' }],
  ['numbers with fractions', [new Float64Array([0.5, -0]), new BigInt64Array([-1n])]],
  [
    'a Map',
    new Map<unknown, unknown>([
      [{ key: 1 }, { deep: [new Date(5)] }],
      ['text', new Map([[Number.NaN, bytes]])],
    ]),
  ],
  ['a Set', { of: new Set([1, { deep: new Set(['text']) }, undefined]) }],
  ['dates', [new Date(0), new Date(Number.NaN)]],
])('%s is copied with what it shows, and nothing else', (_name, value) => {
  const copy = copyPlain(value, Number.POSITIVE_INFINITY, copyBuiltIn)
  expect(copy).not.toBe(notPlain)
  expect(copy).toStrictEqual(structuredClone(outgoing(value)))
  // What travels with other messages is left to these messages.
  expect(copyPlain(value)).toBe(notPlain)
})

test.each([
  ['two views of one buffer', [bytes, new Uint16Array(bytes.buffer)]],
  ['a view and its buffer', [bytes, bytes.buffer]],
  ['a buffer and its view', { all: bytes.buffer, some: bytes.subarray(1) }],
  ['shared memory', new Uint8Array(new SharedArrayBuffer(8))],
  ['a view that is more than one', new (class extends Uint8Array {})(8)],
  ['a Buffer of Node', Buffer.from('text')],
  ['a DataView', new DataView(bytes.buffer)],
  ['what only looks like one', Object.create(Uint8Array.prototype)],
  ['a Map with an object in two places', new Map([[many[0], [many[0]]]])],
  [
    'a Map that holds what is no data',
    new Map([
      ['a', [() => {}]],
      ['b', []],
    ]),
  ],
  ['a Map with a key that is no data', new Map([[() => {}, 1]])],
  ['a Map that is more than one', new (class extends Map<number, number> {})([[1, 2]])],
  ['a Map of another realm', runInNewContext('new Map([[1, 2]])')],
  ['a Set with a cycle', cyclicSet()],
  ['a date in two places', [aDate, aDate]],
])('%s is left to structured clone', (_name, value) => {
  expect(copyPlain(value, Number.POSITIVE_INFINITY, copyBuiltIn)).toBe(notPlain)
})

test('data may be nested as deep as structured clone can follow', () => {
  let value: unknown = 'core'
  for (let level = 0; level < 1_000; level++) value = { value }
  expect(copyPlain(value, Number.POSITIVE_INFINITY)).toBe(notPlain)
  expect(JSON.stringify(copyValue(value, 'input'))).toBe(JSON.stringify(value))
})

test('what cannot be read is named by its place, however deep', () => {
  const trap = Object.defineProperty({}, 'trap', {
    enumerable: true,
    get: () => {
      throw new Error('not this one')
    },
  })
  for (const depth of [70, 99, 100, 101, 500, 900]) {
    let value: unknown = trap
    for (let level = 0; level < depth; level++) value = level === depth - 2 ? [value, new Map()] : { a: value }
    const place = `input.a[0]${'.a'.repeat(10)}…`
    expect(() => copyValue(value, 'input')).toThrow(`\`${place}\` cannot be read`)
  }
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
  ['a symbol', { key: Symbol('x') }, '`input.key` is Symbol(x)'],
  ['a value of a map', new Map([['k', () => {}]]), "`input.get('k')` is a function"],
  ['a promise', { later: Promise.resolve() }, '`input.later` is an object (Promise)'],
])('%s is refused, and the message says where it is', (_name, value, message) => {
  expect(() => copyValue(value, 'input')).toThrow(
    expect.objectContaining({ code: 'DATA_CLONE', message: expect.stringContaining(message) }),
  )
})

test('a proxy that is refused is called one, and nothing else is', async () => {
  // Once an exception of the platform has travelled, values are rebuilt on some platforms, and then a proxy is copied.
  vi.resetModules()
  const { copyValue } = await import('../../src/shared/clone.ts')
  const refusalOf = (value: unknown) => {
    try {
      return copyValue(value, 'input')
    } catch (error) {
      return (error as Error).message
    }
  }
  // Unlike a blob, it is never copied by hand.
  const pattern = /x/
  const is = 'The input cannot be copied to another thread: `input'
  expect(refusalOf(new Proxy({ pattern }, {}))).toBe(`${is}\` is an object (Object), probably a proxy.`)
  expect(refusalOf({ patterns: [pattern, new Proxy([pattern], {})] })).toBe(
    `${is}.patterns[1]\` is an array of 1, probably a proxy.`,
  )
  expect(refusalOf({ pattern, answer: Promise.resolve() })).toBe(`${is}.answer\` is an object (Promise).`)
  expect(refusalOf({ pattern, close: () => {} })).toBe(`${is}.close\` is a function.`)
  const revoked = Proxy.revocable({ pattern }, {})
  revoked.revoke()
  expect(refusalOf([pattern, revoked.proxy])).toContain(`${is}[1]\` cannot be read`)
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

class Doubled extends Array<number> {
  override [Symbol.iterator]() {
    return [2, 4, 6].values()
  }
}

test.each([
  ['an array with an iterator of its own', () => Doubled.from([1, 2, 3])],
  ['what has no prototype', () => ({ bare: Object.assign(Object.create(null), { deep: { n: 1 } }) })],
  ['what another realm made', () => runInNewContext('({ list: [{ n: 1 }] })')],
])('%s is copied as structured clone does it', (_name, make) => {
  const value: unknown = make()
  const expected = structuredClone(value)
  expect(copyValue(value, 'input')).toStrictEqual(expected)
})

test('what all objects were given to inherit is in no copy', () => {
  const everywhere = { value: [1], enumerable: true, configurable: true, writable: true }
  Object.defineProperty(Object.prototype, 'everywhere', everywhere)
  let copy: unknown
  try {
    copy = copyValue({ n: 1 }, 'input')
  } finally {
    delete (Object.prototype as { everywhere?: unknown }).everywhere
  }
  expect(copy).toStrictEqual({ n: 1 })
})

test('a getter is asked once', () => {
  let asked = 0
  const value = {
    get n() {
      return { deep: ++asked }
    },
  }
  expect(copyValue(value, 'input')).toEqual({ n: { deep: 1 } })
  expect(asked).toBe(1)
})

test('a key named __proto__ changes no prototype', () => {
  const copy = copyValue(JSON.parse('{"__proto__": {"polluted": true}}'), 'input') as Record<string, unknown>
  expect(copy.polluted).toBeUndefined()
  expect(Object.getPrototypeOf(copy)).toBe(Object.prototype)
})
