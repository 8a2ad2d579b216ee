// Errors cross threads whole: class, own fields, cause, stack.
import { OffstageError } from 'offstage'
import { describe, expect, test } from 'vitest'
import { thrownFromWire, thrownToWire } from '../../src/shared/error-wire.ts'

class PaymentError extends Error {
  readonly amount: number
  constructor(message: string, amount: number) {
    super(message)
    this.name = 'PaymentError'
    this.amount = amount
  }
}

const cross = (thrown: unknown, classes: (typeof PaymentError)[] = []): never =>
  thrownFromWire(structuredClone(thrownToWire(thrown)), classes) as never

describe('what is thrown arrives as thrown', () => {
  test.each([undefined, null, 0, -0, Number.NaN, '', 'text', 10n, false, { status: 404 }, [1, 2]])('%o', (value) => {
    expect(cross(value)).toStrictEqual(value)
  })

  test.each([Error, TypeError, RangeError, SyntaxError, ReferenceError, EvalError, URIError])('%o', (Class) => {
    const error: Error = cross(new Class('message'))
    expect(error).toBeInstanceOf(Class)
    expect([error.name, error.message]).toEqual([Class.name, 'message'])
  })
})

test('the stack is that of the other side', () => {
  const error = new Error('here')
  expect((cross(error) as Error).stack).toBe(error.stack)
})

test('own fields travel; those that cannot are shown', () => {
  const error = Object.assign(new Error('no file'), { code: 'ENOENT', when: new Date(0), callback() {} })
  expect(cross(error)).toMatchObject({ code: 'ENOENT', when: new Date(0), callback: 'a function' })
})

test('causes travel as deep as they go', () => {
  const error: Error = cross(new Error('a', { cause: new TypeError('b', { cause: 'c' }) }))
  expect(error.cause).toBeInstanceOf(TypeError)
  expect((error.cause as Error).cause).toBe('c')
})

test('a cyclic cause stays cyclic', () => {
  const error = new Error('round')
  error.cause = error
  const arrived: Error = cross(error)
  expect(arrived.cause).toBe(arrived)
})

test('a chain of causes without end is cut, not followed', () => {
  let error = new Error('0')
  for (let n = 1; n < 1_000; n++) error = new Error(`${n}`, { cause: error })
  expect(cross(error)).toMatchObject({ message: '999' })
})

test('an AggregateError keeps its errors', () => {
  const error: AggregateError = cross(new AggregateError([new RangeError('x'), 7], 'several'))
  expect(error).toBeInstanceOf(AggregateError)
  expect(error.errors[0]).toBeInstanceOf(RangeError)
  expect(error.errors[1]).toBe(7)
})

test('a DOMException keeps its name and code', () => {
  const error: DOMException = cross(new DOMException('gone', 'NotFoundError'))
  expect(error).toBeInstanceOf(DOMException)
  expect([error.name, error.code]).toEqual(['NotFoundError', 8])
})

test('an own class arrives as itself when it is known, and as its nearest built-in otherwise', () => {
  expect(cross(new PaymentError('broke', 5), [PaymentError])).toBeInstanceOf(PaymentError)
  const stranger: Error = cross(new PaymentError('broke', 5))
  expect(stranger).not.toBeInstanceOf(PaymentError)
  expect(stranger).toMatchObject({ name: 'PaymentError', message: 'broke', amount: 5 })
})

test('an OffstageError keeps its code and cause', () => {
  const error: OffstageError = cross(new OffstageError('JOB_TIMEOUT', 'late', { cause: new Error('why'), jobId: 'a' }))
  expect(error).toBeInstanceOf(OffstageError)
  expect(error).toMatchObject({ code: 'JOB_TIMEOUT', jobId: 'a', cause: { message: 'why' } })
})

test('an error that throws when it is looked at is still an error', () => {
  const hostile = new Error('x')
  Object.defineProperty(hostile, 'message', {
    get() {
      throw new Error('hostile')
    },
  })
  expect(cross(hostile)).toEqual(new Error('something unreadable'))
})

test('a field named __proto__ changes no prototype', () => {
  const error = new Error('x')
  Object.defineProperty(error, '__proto__', { value: { polluted: true }, enumerable: true })
  expect((cross(error) as { polluted?: boolean }).polluted).toBeUndefined()
})

describe('what makes no sense becomes an error, and throws nothing', () => {
  const error = { kind: 'error', lineage: ['Error'], name: 'Error', message: 'm', stack: 's', fields: [] }
  const hostile = { toString: 1, valueOf: 1 }
  test.each([
    undefined,
    null,
    'text',
    7n,
    [],
    {},
    { kind: 'stranger' },
    { kind: hostile },
    { kind: 'error' },
    { ...error, lineage: 'Error' },
    { ...error, lineage: [hostile] },
    { ...error, lineage: new Array(2) },
    { ...error, name: hostile },
    { ...error, message: hostile },
    { ...error, stack: null },
    { ...error, fields: {} },
    { ...error, fields: [{}] },
    { ...error, fields: [[hostile, 1]] },
    { ...error, errors: 5 },
    { ...error, errors: { length: 3 } },
  ])('%#', (wire) => {
    expect(thrownFromWire(structuredClone(wire) as never, [])).toMatchObject({ code: 'WORKER_CRASHED' })
  })

  test.each([
    ['a cause', { ...error, cause: { kind: 'error' } }, (made: Error) => made.cause],
    ['one of several', { ...error, errors: [null] }, (made: AggregateError) => made.errors[0]],
  ])('in %s', (_what, wire, find) => {
    const made = thrownFromWire(structuredClone(wire) as never, []) as never
    expect(made).toMatchObject({ message: 'm' })
    expect(find(made)).toMatchObject({ code: 'WORKER_CRASHED' })
  })

  test.each(['length', 'map', -1, 0.5, 9, hostile])('an error that was seen at %o was never seen', (index) => {
    const wire = { ...error, cause: { kind: 'seen', index } }
    expect((thrownFromWire(wire as never, []) as Error).cause).toBeUndefined()
  })

  test('a chain of causes without end is followed as far as one may be that was sent', () => {
    let wire: object = error
    for (let n = 0; n < 50_000; n++) wire = { ...error, cause: wire }
    let made = thrownFromWire(wire as never, []) as Error | undefined
    let length = 0
    for (; made?.message === 'm'; made = made.cause as Error) length++
    expect(length).toBe(100)
    expect(made).toMatchObject({ code: 'WORKER_CRASHED' })
  })
})
