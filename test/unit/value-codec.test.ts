// Stored values come back as structured clone would have made them, or are refused by name: nothing disappears silently.
import { createSecretKey } from 'node:crypto'
import { EventEmitter } from 'node:events'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { describe, expect, test, vi } from 'vitest'
import { OffstageError } from '../../src/shared/errors.ts'
import { isObject } from '../../src/shared/show.ts'
import { ByteReader, ByteWriter, fill, TooLong } from '../../src/store/bytes.ts'
import { writeThrown } from '../../src/store/thrown-writer.ts'
import { readValue } from '../../src/store/value-reader.ts'
import { roomBehind } from '../../src/store/value-room.ts'
import { writeValue, writingValue } from '../../src/store/value-writer.ts'
import { filled } from '../support/journals.ts'

class PaymentError extends Error {
  override readonly name = 'PaymentError'
  readonly amount: number
  constructor(amount: number) {
    super(`no ${amount}`)
    this.amount = amount
  }
}

const toBytes = (value: unknown, capacity = 4): Uint8Array => {
  const out = new ByteWriter(capacity)
  writeValue(out, value, 'input')
  return filled(out.toBytes())
}
const fromBytes = (bytes: Uint8Array): unknown => readValue(new ByteReader(bytes), [PaymentError])
const stored = <Value>(value: Value): Value => fromBytes(toBytes(value)) as Value

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

/** Equal in every value, and the same references lead to the same things. */
function expectSame(actual: unknown, expected: unknown): void {
  expect(actual).toStrictEqual(expected)
  expectSameWeb(actual, expected)
}

/** Vitest's own comparison does not look at references, and takes for ever where many sets and maps hold each other. */
function expectSameWeb(actual: unknown, expected: unknown): void {
  const [twins, twinsBack] = [new Map<unknown, unknown>(), new Map<unknown, unknown>()]
  const walk = (left: unknown, right: unknown): void => {
    if (!isObject(left) || !isObject(right)) {
      if (!Object.is(left, right)) expect.fail('another value')
      return
    }
    if (twins.has(left) || twinsBack.has(right)) {
      if (twins.get(left) !== right || twinsBack.get(right) !== left) expect.fail('another reference')
      return
    }
    twins.set(left, right)
    twinsBack.set(right, left)
    const [ours, theirs] = [partsOf(left), partsOf(right)]
    if (left.constructor !== right.constructor || ours.length !== theirs.length) expect(left).toEqual(right)
    ours.forEach((part, index) => void walk(part, theirs[index]))
  }
  walk(actual, expected)
}

function partsOf(value: object): unknown[] {
  if (value instanceof Map) return [...value].flat()
  if (value instanceof Set) return [...value]
  if (ArrayBuffer.isView(value)) return [value.buffer]
  return Object.entries(value).flat()
}

describe('a value comes back as structured clone would have made it', () => {
  test('whatever it is', () => {
    const anything = fc.anything({
      withBigInt: true,
      withBoxedValues: true,
      withDate: true,
      withMap: true,
      withNullPrototype: true,
      withObjectString: true,
      withSet: true,
      withSparseArray: true,
      withTypedArray: true,
    })
    const check = (value: unknown) => expectSame(stored(value), structuredClone(value))
    fc.assert(fc.property(anything, check), { numRuns: 1_000 })
  })

  test('every number', () => {
    const edges = [0, -0, 127, 128, -1, -128, 2 ** 31, -(2 ** 31), 2 ** 32, 2 ** 53 - 1, -(2 ** 53) + 1, 2 ** 53, 1e300]
    const odd = [0.1, 5e-324, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
    for (const value of [...edges, ...odd]) expect(Object.is(stored(value), value)).toBe(true)
    fc.assert(
      fc.property(fc.oneof(fc.double(), fc.maxSafeInteger()), (value) => {
        expect(stored(value)).toBe(value)
      }),
    )
  })

  test('every string, whatever its length and its code units', () => {
    const unit = fc.oneof(fc.nat(0x7f), fc.nat(0xff), fc.nat(0xffff), fc.constantFrom(0, 0x80, 0x9f, 0xd800, 0xdfff))
    const mixed = fc.array(unit, { maxLength: 80 }).map((units) => String.fromCharCode(...units))
    const oneKind = fc
      .constantFrom('a', 'ÿ', '\u0080', 'Ā', '\ud800', '漢')
      .chain((letter) => fc.nat(10_000).map((length) => letter.repeat(length)))
    fc.assert(
      fc.property(fc.oneof(mixed, oneKind), (text) => {
        for (const capacity of [1, 50_000]) expect(fromBytes(toBytes(text, capacity))).toBe(text)
      }),
    )
    expect(stored(`${'a'.repeat(100_000)}é${'b'.repeat(9)}`)).toHaveLength(100_010)
  })

  test.each<[string, unknown]>([
    ['an invalid date', new Date(Number.NaN)],
    ['a date before 1970', new Date(-62_135_596_800_000)],
    ['a regular expression', /a\/b[\]/]|\n/giu],
    ['big integers', [0n, -1n, 2n ** 64n, -(2n ** 200n)]],
    ['boxed values', [Object(1), Object('ab'), Object(false), Object(5n)]],
    ['holes, and undefined beside them', Object.assign(new Array(5), { 1: undefined, 3: 3 })],
    ['an array of a length only', new Array(5)],
    ['an array with properties', Object.assign([1, 2], { index: 7, input: 'x' })],
    ['as many holes as properties', Object.assign(new Array(1), { x: undefined })],
    ['what a match answers', 'abc'.match(/b/)],
    ['a map in a map', new Map<unknown, unknown>([[new Map([[1, 2]]), new Set(['x'])]])],
    [
      'a resizable buffer',
      new (ArrayBuffer as never as new (n: number, o: object) => object)(8, { maxByteLength: 64 }),
    ],
    ['every kind of view', everyView()],
    ['an object without a prototype', Object.assign(Object.create(null), { a: 1 })],
    ['keys of all sorts', { '': 1, 'a b': 2, 漢: 3, 7: 4, constructor: 5, toString: 6 }],
  ])('%s', (_name, value) => {
    expectSame(stored(value), structuredClone(value))
  })

  test('any web of objects, arrays, maps and sets', () => {
    const makers = [() => ({}), () => [], () => new Map(), () => new Set()] as const
    const web = fc.record({
      kinds: fc.array(fc.nat(3), { minLength: 1, maxLength: 40, size: 'max' }),
      links: fc.array(fc.tuple(fc.nat(39), fc.nat(39)), { maxLength: 120, size: 'max' }),
    })
    fc.assert(
      fc.property(web, ({ kinds, links }) => {
        const nodes = kinds.map((kind) => (makers[kind] as () => object)())
        links.forEach(([from, to], index) => void link(nodes[from % nodes.length]!, nodes[to % nodes.length]!, index))
        expectSameWeb(stored(nodes), structuredClone(nodes))
      }),
    )
  })

  test('two views of one buffer', () => {
    const buffer = new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]).buffer
    const value = { bytes: new Uint8Array(buffer, 2, 3), words: new Uint16Array(buffer, 4), buffer }
    expectSame(stored(value), structuredClone(value))
    const copy = stored(value)
    copy.bytes[2] = 99
    expect(copy.words[0]! & 0xff).toBe(99)
    expect(copy.words.buffer).toBe(copy.buffer)
  })

  test('own fields of class instances, whatever the class is called', () => {
    class Node {
      next = 1
      #hidden = 2
      get value() {
        return this.#hidden
      }
    }
    class Blob {
      parts = ['a']
    }
    class Money {
      cents = 5
      readonly [Symbol.toStringTag] = 'Money'
    }
    class Event {
      type = 'click'
      get [Symbol.toStringTag]() {
        return 'Event'
      }
    }
    const value = [new Node(), new Blob(), new Money(), new Event(), new EventEmitter()]
    expectSame(stored(value), structuredClone(value))
    vi.stubGlobal('Money', Money)
    expectSame(stored(value), structuredClone(value))
    vi.unstubAllGlobals()
  })

  test('classes that extend what is built in, and things of another realm', () => {
    class Registry extends Map<unknown, unknown> {
      override get [Symbol.toStringTag]() {
        return 'Registry'
      }
      override forEach() {}
    }
    class Stack extends Array<number> {}
    expectSame(stored(new Registry([[1, 2]])), new Map([[1, 2]]))
    expectSame(stored(Stack.of(1, 2)), [1, 2])
    expectSame(stored(Buffer.alloc(100, 7)), new Uint8Array(100).fill(7))
    const foreign = runInNewContext(
      '({ map: new Map([[1, [2]]]), date: new Date(5), none: {}, error: new TypeError("x") })',
    )
    expect(stored(foreign)).toStrictEqual({
      map: new Map([[1, [2]]]),
      date: new Date(5),
      none: {},
      error: new TypeError('x'),
    })
  })
})

function everyView(): unknown[] {
  const { buffer } = new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16])
  const small = [Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array]
  const large = [Int32Array, Uint32Array, Float32Array, Float64Array]
  const rest = [new BigInt64Array(buffer, 8), new BigUint64Array(buffer), new DataView(buffer, 3, 4)]
  return [...[...small, ...large].map((View) => new View(buffer, 8, 1)), ...rest]
}

function link(from: object, to: object, index: number): void {
  if (Array.isArray(from)) from.push(to)
  else if (from instanceof Map) from.set(index % 2 ? to : index, to)
  else if (from instanceof Set) from.add(to)
  else Object.assign(from, { [`key${index}`]: to })
}

describe('errors', () => {
  test('keep their class, fields, cause and stack, inside any value', () => {
    const error = new PaymentError(5)
    error.cause = new RangeError('deep', { cause: { n: 1 } })
    const copy = stored({ list: [error, error] }).list
    expect(copy[0]).toBeInstanceOf(PaymentError)
    expect(copy[0]).toMatchObject({ amount: 5, message: 'no 5', stack: error.stack })
    expect(copy[0]?.cause).toBeInstanceOf(RangeError)
    expect(copy[0]).toHaveProperty('cause.cause', { n: 1 })
    expect(copy[1]).toBe(copy[0])
  })

  test('of ours, of the platform, several at once', () => {
    const own = stored(new OffstageError('JOB_TIMEOUT', 'late', { jobId: 'a', attempt: 2 }))
    expect(own).toBeInstanceOf(OffstageError)
    expect(own).toMatchObject({ code: 'JOB_TIMEOUT', jobId: 'a', attempt: 2 })
    expect(stored(new DOMException('gone', 'AbortError'))).toMatchObject({ name: 'AbortError', code: 20 })
    const several = stored(new AggregateError([new PaymentError(1), 'text'], 'several'))
    expect(several.errors).toEqual([expect.any(PaymentError), 'text'])
  })

  test('whose cause is themselves stay so', () => {
    const error = new Error('round')
    error.cause = error
    expect(stored(error).cause).toSatisfy((cause: Error) => cause.message === 'round' && cause.cause === cause)
  })

  test('a circle through values around an error comes to an end', () => {
    const value: { errors: Error[] } = { errors: [] }
    value.errors = Array.from({ length: 20 }, (_, index) => new Error(`${index}`, { cause: value }))
    const { length } = toBytes(value)
    expect(length).toBeLessThan(2_000_000)
    expect(stored(value).errors.map(({ message }) => message)).toEqual(value.errors.map(({ message }) => message))
  })

  // Bun's structuredClone drops the causes of errors within values.
  const onBun = 'Bun' in globalThis ? ' (not on Bun, whose structuredClone drops inner causes)' : ''
  test.skipIf(onBun)(`far within other errors, or very many, are only shown; others stay${onBun}`, () => {
    const list = Array.from({ length: 150 }, (_, n) => new Error(`${n}`))
    const chain = [4, 3, 2, 1].reduce((inner: unknown, n) => new Error(`${n}`, { cause: { inner } }), 'end')
    const copy = stored([new Error('many', { cause: list }), chain, list]) as [Error, Error, Error[]]
    const causes = copy[0].cause as unknown[]
    expect(causes.slice(0, 100)).toEqual(list.slice(0, 100))
    expect(causes.slice(100)).toEqual(Array(50).fill('an object (Error)'))
    expect(copy[1]).toHaveProperty('cause.inner.cause.inner.message', '3')
    expect(copy[1]).toHaveProperty('cause.inner.cause.inner.cause.inner', 'an object (Error)')
    expect(copy[2]).toEqual(list)
  })

  test('what hangs on them and cannot be kept is shown, and does no harm to the rest', () => {
    const many = Array.from({ length: 40 }, (_, n) => ({ n }))
    const error = Object.assign(new Error('x'), { blob: new Blob(['x']), deep: [many, new Blob(['x'])], run() {} })
    const copy = stored([error, ...many, error, ...many]) as unknown[]
    expect(copy[0]).toMatchObject({ blob: 'an object (Blob)', deep: 'an array of 2', run: 'a function' })
    expect(copy.slice(1, 41)).toEqual(many)
    copy.slice(41).forEach((value, index) => void expect(value).toBe(copy[index]))
  })

  test.each<[string, unknown, unknown]>([
    ['a value', { code: 404 }, { code: 404 }],
    ['undefined', undefined, undefined],
    ['what cannot be kept', { code: 7, run() {} }, { code: 7, run: 'a function' }],
    ['a symbol', Symbol('x'), 'Symbol(x)'],
    [
      'an error that throws when read',
      Object.defineProperty(new Error(), 'message', { get: fails }),
      new Error('something unreadable'),
    ],
  ])('%s can be thrown, and is stored', (_name, thrown, expected) => {
    const out = new ByteWriter()
    writeThrown(out, thrown)
    expect(fromBytes(filled(out.toBytes()))).toEqual(expected)
  })
})

const boom = new Error('boom')
function fails(): never {
  throw boom
}

describe('what cannot be kept is refused, and the message says where it is', () => {
  class Secret {
    #amount = 5
    get amount() {
      return this.#amount
    }
  }
  class Listener extends EventTarget {
    own = 1
  }
  const revoked = Proxy.revocable({}, {})
  revoked.revoke()
  const detached = new ArrayBuffer(8)
  structuredClone(detached, { transfer: [detached] })
  const bound = new Proxy({}, { ownKeys: fails })

  test.each<[string, unknown, string]>([
    ['function', { deep: [{ callback() {} }] }, '`input.deep[0].callback` is a function'],
    ['symbol', { key: Symbol('x') }, '`input.key` is a symbol'],
    ['boxed symbol', [Object(Symbol('x'))], '`input[0]` is a Symbol'],
    ['Blob', { files: [0, 1, { blob: new Blob(['x']) }] }, '`input.files[2].blob` is a Blob'],
    ['Blob itself', new Blob(['x']), '`input` is a Blob'],
    ['Blob with own fields', Object.assign(new Blob(['x']), { label: 'x' }), '`input` is a Blob'],
    ['MessagePort', { port: new MessageChannel().port1 }, '`input.port` is a MessagePort'],
    ['SharedArrayBuffer', { memory: new SharedArrayBuffer(8) }, '`input.memory` is a SharedArrayBuffer'],
    ['view of shared memory', [new Int32Array(new SharedArrayBuffer(8))], '`input[0].buffer` is a SharedArrayBuffer'],
    ['detached buffer', { bytes: detached }, '`input.bytes` cannot be read'],
    ['WeakMap', new Map([['k', new WeakMap()]]), "`input.get('k')` is a WeakMap"],
    ['key of a Map', new Map([[fails, 1]]), '`input.key()` is a function'],
    ['member of a Set', new Set([[fails]]), '`input.values()[0]` is a function'],
    ['Promise', { later: Promise.resolve() }, '`input.later` is a Promise'],
    ['Proxy that throws', { proxy: bound }, '`input.proxy` cannot be read'],
    ['revoked Proxy', [revoked.proxy], '`input[0]` cannot be read'],
    ['Proxy of a Date', [new Proxy(new Date(), {})], '`input[0]` cannot be read'],
    ['throwing getter', { a: { get bad() { return fails() } } }, '`input.a.bad` cannot be read'], // biome-ignore format: one line.
    ['ReadableStream', { body: new ReadableStream() }, '`input.body` is a ReadableStream'],
    ['URL', { 'the link': new URL('http://x/') }, "`input['the link']` is a URL"],
    ['AbortSignal', { signal: new AbortController().signal }, '`input.signal` is an AbortSignal'],
    ['KeyObject', { key: createSecretKey(new Uint8Array(8)) }, '`input.key` is a SecretKeyObject, and has no fields'],
    ['generator', [(function* () {})()], '`input[0]` is '],
    ['Intl', [new Intl.NumberFormat()], '`input[0]` is a NumberFormat, and has no fields'],
    [
      'private fields only',
      { price: new Secret() },
      '`input.price` is a Secret, and has no fields that could be stored',
    ],
    ['inherited fields only', [Object.create({ a: 1 })], '`input[0]` is an Object, and has no fields'],
    ['class of the platform, extended', [new Listener()], '`input[0]` is an EventTarget'],
    ['property of an array', Object.assign([1], { extra: fails }), '`input.extra` is a function'],
  ])('%s', (_name, value, message) => {
    const out = new ByteWriter()
    out.u8(1)
    expect(() => writeValue(out, value, 'input')).toThrow(
      expect.objectContaining({
        code: 'DATA_CLONE',
        message: expect.stringContaining(`The input cannot be stored: ${message}`),
      }),
    )
    expect(out.length).toBe(1)
  })

  test('what a getter threw is the cause', () => {
    expect(() => toBytes(Object.defineProperty({}, 'x', { enumerable: true, get: fails }))).toThrow(
      expect.objectContaining({ cause: boom }),
    )
  })
})

test('keys are read back whatever objects inherit under them', () => {
  const value = JSON.parse('{"inherited": 1, "toString": 2, "__proto__": {"x": 3}}')
  const bytes = toBytes(value)
  // As all of it is when somebody has frozen `Object.prototype`.
  Object.defineProperty(Object.prototype, 'inherited', { value: 0, writable: false, configurable: true })
  try {
    expect(fromBytes(bytes)).toEqual(value)
  } finally {
    delete (Object.prototype as { inherited?: unknown }).inherited
  }
})

describe('depth', () => {
  const nested = (levels: number): unknown => {
    let value: unknown = 0
    for (let level = 0; level < levels; level++) value = level % 2 ? [value] : { next: value }
    return value
  }

  test('a thousand levels within a value are kept', () => {
    expect(hexOf(toBytes(stored(nested(1_001))))).toBe(hexOf(toBytes(nested(1_001))))
  })

  test('any number of things may be side by side', () => {
    const value = Array.from({ length: 5_000 }, (_, n) => ({ n, list: [n] }))
    expect(stored(value)).toEqual(value)
  })

  test.each([1_002, 100_000])('%i levels are refused, not followed', (levels) => {
    expect(() => toBytes(nested(levels))).toThrow(
      /^The input cannot be stored: `input\S{1,100}…` is nested more than 1000/,
    )
  })
})

describe('bytes that make no sense', () => {
  const shared = { n: 1 }
  const sample = {
    text: 'short',
    long: 'é'.repeat(40),
    wide: '漢字',
    numbers: [0, -5, 300, 0.5, 2n ** 70n],
    holes: Object.assign(new Array(2), { 1: 1, x: 1 }),
    map: new Map<unknown, unknown>([[shared, new Set([shared])]]),
    bytes: new Uint16Array([1, 2]),
    error: Object.assign(new PaymentError(1), { stack: 'at', cause: 'x' }),
    other: [new Date(5), /x/g, Object('s'), true, null, undefined],
    // One bit away from `__proto__`.
    __proto_O: { polluted: true },
  }
  const bytes = toBytes(sample)

  const expectValueOrError = (damaged: Uint8Array): void => {
    try {
      fromBytes(damaged)
    } catch (error) {
      expect(error).toBeInstanceOf(Error)
    }
    expect(({} as Record<string, unknown>).polluted).toBeUndefined()
  }

  test('cut anywhere: an error', () => {
    expectSame(fromBytes(bytes), stored(sample))
    for (let length = 0; length < bytes.length; length++)
      expect(() => fromBytes(bytes.subarray(0, length))).toThrow(Error)
  })

  test('any bit flipped: a value or an error', () => {
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const damaged = bytes.slice()
      damaged[bit >> 3]! ^= 1 << (bit & 7)
      expectValueOrError(damaged)
    }
  })

  test('noise: a value or an error', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 60 }), expectValueOrError), { numRuns: 3_000 })
    const tags = fc.array(fc.nat(24), { maxLength: 60 }).map((list) => Uint8Array.from(list))
    fc.assert(fc.property(tags, expectValueOrError), { numRuns: 3_000 })
  })

  test.each<[string, number[]]>([
    ['a number of 70 bits', [4, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1]],
    ['a string of 2⁵⁰ characters', [8, 128, 128, 128, 128, 128, 128, 128, 8]],
    ['an array of 2⁴⁰ items', [11, 128, 128, 128, 128, 128, 32]],
    ['a buffer of 2⁴⁰ bytes', [18, 128, 128, 128, 128, 128, 32]],
    ['an array within an array, endlessly', Array(1_000_000).fill(17)],
    ['a reference to what is not there', [9, 0]],
    ['a reference to what is not complete', [17, 9, 0]],
    ['a length as a property', [12, 3, 1, 12, ...new TextEncoder().encode('length'), 0x80 + 9]],
  ])('%s: an error', (_name, list) => {
    expect(() => fromBytes(Uint8Array.from(list))).toThrow(Error)
  })

  test('a long array with holes takes no room', () => {
    const { rss } = process.memoryUsage()
    const out = new ByteWriter()
    out.u8(12)
    out.varint(30_000_000)
    out.varint(0)
    expect((fromBytes(filled(out.toBytes())) as unknown[]).length).toBe(30_000_000)
    expect(process.memoryUsage().rss - rss).toBeLessThan(100e6)
  })

  test('__proto__ is a key like any other', () => {
    const copy = stored(JSON.parse('{"__proto__": {"polluted": true}}')) as Record<string, unknown>
    expect(copy.polluted).toBeUndefined()
    expect(Object.keys(copy)).toEqual(['__proto__'])
    expect(Object.getPrototypeOf(copy)).toBe(Object.prototype)
  })

  test('a kind of value that only a newer version knows', () => {
    expect(() => fromBytes(Uint8Array.of(99))).toThrow('newer version')
  })
})

const twice = (value: unknown): unknown[] => [value, value]

// Stored for ever: these bytes must mean these values in every version to come.
test.each<[string, unknown]>([
  ['00', undefined],
  ['01', null],
  ['02', true],
  ['03', false],
  ['80', 0],
  ['ff', 127],
  ['048001', 128],
  ['04ffffffffffffff0f', 2 ** 53 - 1],
  ['0501', -1],
  ['060000000000000080', -0],
  ['06000000000000e03f', 0.5],
  ['06000000000000f87f', Number.NaN],
  ['07062d3166', -31n],
  ['0806616263', 'abc'],
  ['080400ff', '\u0000ÿ'],
  ['0805226f00d8', '漢\ud800'],
  ['0a0202618102620b028201', { a: 1, b: [2, null] }],
  ['0c0202023187027881', Object.assign(new Array(2), { 1: 7, x: 1 })],
  ['0b020a01026e810901', twice({ n: 1 })],
  ['0d02810e0182', new Map([[1, new Set([2])]])],
  ['0f0480d095ffbc31', new Date(1_700_000_000_000)],
  ['1004612b046769', /a+/gi],
  ['1185', Object(5)],
  ['14041204010003020002', new Uint16Array([1, 0x203])],
  ['140b1204000000000102', new DataView(new ArrayBuffer(4), 1, 2)],
  [
    '15060212547970654572726f720a4572726f7212547970654572726f72046e6f046174000802780108636f646585',
    Object.assign(new TypeError('no', { cause: 'x' }), { stack: 'at', code: 5 }),
  ],
])('version 1: %s', (hex, value) => {
  expectSame(fromBytes(Uint8Array.from(Buffer.from(hex, 'hex'))), value)
  expect(hexOf(toBytes(value))).toBe(hex)
})

test('written piece by piece, a value is the same bytes', () => {
  const large = fc.constantFrom('x'.repeat(9_000), new Uint8Array(20_000), [1.5, 'é'.repeat(40_000)])
  const anything = fc.oneof(fc.anything({ withBigInt: true, withDate: true, withMap: true, withSet: true }), large)
  let pieces = 0
  fc.assert(
    fc.property(fc.array(fc.array(anything, { maxLength: 40 }), { minLength: 33, maxLength: 60 }), (value) => {
      const shared = [value, new Map([[value[0], new Set(value)]]), { value, own: value[1] }]
      const out = new ByteWriter()
      for (const _ of writingValue(out, shared)) pieces++
      const whole = new ByteWriter()
      whole.u8(1)
      whole.append(out)
      expect(Buffer.compare(filled(whole.toBytes()).subarray(1), toBytes(shared))).toBe(0)
    }),
    { numRuns: 100 },
  )
  expect(pieces).toBeGreaterThan(0)
})

test('what is estimated to fit does fit', () => {
  fc.assert(
    fc.property(
      fc.anything({ withBigInt: true, withDate: true, withMap: true, withSparseArray: true }),
      fc.nat(400),
      (value, bytes) => {
        const left = roomBehind(value, bytes)
        if (left < 0) return
        const out = new ByteWriter()
        writeValue(out, value, 'input')
        expect(out.length).toBeLessThanOrEqual(bytes - left)
      },
    ),
    { numRuns: 2_000 },
  )
})

const nested = (levels: number): unknown => (levels === 0 ? [] : [nested(levels - 1)])

test.each([
  ['a small object', { a: 1, b: 'text', c: { d: null, e: undefined, f: true } }, true],
  ['a text as long as it may be', 'x'.repeat(49), true],
  ['a longer one', 'x'.repeat(50), false],
  ['an array', [1, [{ a: [undefined] }]], true],
  ['an array that is too long', new Array(995).fill(null), false],
  ['an array with a hole', Object.assign(new Array(3), [1]), false],
  ['an array with a property', Object.assign([1], { a: 1 }), false],
  ['an array of a billion holes', new Array(1e9), false],
  ['what is nested deeply', nested(201), false],
  ['a function', () => {}, false],
  ['a function inside', { a: { b: () => {} } }, false],
  ['a class instance', new (class Own {})(), false],
])('%s is told without being written', (_what, value, fits) => {
  expect(roomBehind(value, typeof value === 'string' ? 100 : 1_000) >= 0).toBe(fits)
})

describe('no more is written than may be', () => {
  const limit = 1_000

  function write(value: unknown, lengthMax = limit): ByteWriter {
    const out = new ByteWriter()
    out.lengthMax = lengthMax
    writeValue(out, value, 'input')
    return out
  }

  /** Answers whether it was refused, and the most memory that its writer ever had. */
  function tried(act: (out: ByteWriter) => void): { isRefused: boolean; capacity: number } {
    const out = new ByteWriter()
    out.lengthMax = limit
    try {
      act(out)
      return { isRefused: false, capacity: out.capacity }
    } catch (error) {
      expect(error).toBeInstanceOf(TooLong)
      expect(out.length).toBe(0)
      return { isRefused: true, capacity: out.capacity }
    }
  }

  const large: [name: string, value: unknown][] = [
    ['bytes', new Uint8Array(50e6)],
    ['a text', 'x'.repeat(5e6)],
    ['a wide text', '漢'.repeat(5e6)],
    ['a list', Array.from({ length: 1e6 }, (_, index) => index)],
    ['an object', Object.fromEntries(Array.from({ length: 1e5 }, (_, index) => [`key ${index}`, index]))],
    ['a set', new Set(Array.from({ length: 1e5 }, (_, index) => index))],
    ['a bigint', 1n << 1_000_000n],
    ['a text in an error', new Error('x'.repeat(5e6))],
    ['a field of an error', Object.assign(new Error('small'), { bytes: new Uint8Array(5e6) })],
    ['a field of a cause', new Error('small', { cause: Object.assign(new Error(), { bytes: new Uint8Array(5e6) }) })],
  ]
  test.each(large)('%s, however deep in the value, and the memory for it is never taken', (_name, value) => {
    for (const each of [value, { a: [value] }, new Map([[value, value]])])
      expect(tried((out) => writeValue(out, each, 'input'))).toEqual({ isRefused: true, capacity: expect.any(Number) })
    expect(tried((out) => writeValue(out, [[value]], 'input')).capacity).toBeLessThan(limit + 10)
  })

  test('what comes behind is not even looked at', () => {
    let looks = 0
    const value = Array.from({ length: 1_000 }, () => ({
      get bytes() {
        looks++
        return new Uint8Array(100)
      },
    }))
    expect(() => write(value)).toThrow(TooLong)
    expect(looks).toBeLessThan(11)
  })

  test('a value as long as may be is written, one byte more is not', () => {
    const { length } = write('x'.repeat(500))
    expect(write('x'.repeat(500), length).length).toBe(length)
    expect(() => write('x'.repeat(500 + 9), length)).toThrow(TooLong)
    fc.assert(
      fc.property(fc.anything({ withBigInt: true, withDate: true, withTypedArray: true }), (value) => {
        const bytes = toBytes(value)
        expect(filled(write(value, bytes.length).toBytes())).toEqual(bytes)
      }),
    )
  })

  test('large buffers count for the length, and take no memory until they are copied', () => {
    const [giant, list] = [new Uint8Array(50_000).fill(7), Uint16Array.from({ length: 3_000 }, (_, index) => index)]
    const value = { giant, list: [giant, list, 'between', new Uint8Array(5_000).fill(9)], end: 'end' }
    const out = new ByteWriter()
    writeValue(out, value, 'input')
    const { length } = out
    expect(length).toBeGreaterThan(61_000)
    expect(out.capacity).toBeLessThan(1_000)
    const bytes = filled(out.toBytes())
    expect(bytes.length).toBe(length)
    expectSame(fromBytes(bytes), value)
    out.truncate(0)
    out.lengthMax = 10_000
    expect(() => writeValue(out, [list, giant], 'input')).toThrow(TooLong)
    expect(out.length).toBe(0)
    // What hangs on an error may be left out again.
    out.lengthMax = Number.POSITIVE_INFINITY
    writeThrown(out, Object.assign(new Error('x'), { giant, list, mixed: [list, () => {}], text: 'x' }), 30_000)
    expect(out.length).toBeLessThan(30_000)
    expect(fromBytes(filled(out.toBytes()))).toMatchObject({ mixed: 'an array of 2', text: 'x' })
  })

  test('large buffers may be copied piece by piece, wherever it is cut', () => {
    const value = Array.from({ length: 5 }, (_, index) => [index, new Uint8Array(4_095 + index).fill(index), index])
    const out = new ByteWriter()
    writeValue(out, value, 'input')
    const whole = filled(out.toBytes())
    for (const step of [1_000, 4_096, 5_000, 20_001]) {
      const pieces = out.toBytes()
      for (let at = 0; at < whole.length; at += step) fill(pieces, at, at + step)
      expect(pieces.bytes).toEqual(whole)
    }
    expectSame(fromBytes(whole), value)
  })

  test('a buffer that is transferred before it was copied is not stored as zeros', () => {
    const buffer = new ArrayBuffer(10_000)
    const out = new ByteWriter()
    writeValue(out, buffer, 'input')
    structuredClone(buffer, { transfer: [buffer] })
    expect(() => filled(out.toBytes())).toThrow('detached')
  })

  test('what was written before it stays, and the writer can be used again', () => {
    const out = new ByteWriter()
    out.lengthMax = limit
    writeValue(out, 'before', 'input')
    const { length } = out
    expect(() => writeValue(out, new Uint8Array(limit), 'input')).toThrow(TooLong)
    expect(out.length).toBe(length)
    writeValue(out, new Uint8Array(limit - 100), 'input')
    expect(out.length).toBeLessThanOrEqual(limit)
  })

  test.each(large.filter(([name]) => name.includes('of') || name.includes('error')))(
    'an error is shortened, with no more memory than it then takes: %s',
    (_name, error) => {
      const out = new ByteWriter()
      writeThrown(out, error, limit)
      expect(out.length).toBeLessThanOrEqual(limit)
      expect(out.capacity).toBeLessThan(limit + 10)
      expect(out.lengthMax).toBe(Number.POSITIVE_INFINITY)
      expect(fromBytes(filled(out.toBytes()))).toBeInstanceOf(Error)
    },
  )
})

test('a getter that throws, and a cycle, are left to the writer to report', () => {
  const cyclic: { self?: unknown } = {}
  cyclic.self = cyclic
  expect(roomBehind(cyclic, 1_000)).toBeLessThan(0)
  const throwing = {
    get broken() {
      throw new Error('broken')
    },
  }
  expect(roomBehind(throwing, 1_000)).toBeLessThan(0)
})
