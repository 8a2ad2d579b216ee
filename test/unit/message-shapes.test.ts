// What messages between client and session, and between tabs, look like: those that are sent are taken for what they are,
// and nothing else is.
import { describe, expect, test } from 'vitest'
import { fromClient, fromSession, isAnswer, messagesOf } from '../../src/remote/shapes.ts'
import { isCall, isEnvelope } from '../../src/tabs/messages.ts'
import * as cases from '../support/messages.ts'

describe.each([
  { who: 'session', samples: fromSession, cases: cases.fromSession },
  { who: 'client', samples: fromClient, cases: cases.fromClient },
])('from a $who', ({ samples, cases }) => {
  test('every kind of message is known', () => {
    const messages = cases.map(({ right }) => right)
    expect(new Set(messages.map(([type]) => type))).toEqual(new Set(Object.keys(samples)))
    expect(messagesOf(messages, samples)).toEqual(messages)
  })

  test.each(cases)('$name with one thing of another type is dropped', ({ wrong }) => {
    expect(wrong.length).toBeGreaterThan(3)
    for (const [where, message] of wrong) expect(messagesOf([message], samples), where).toEqual([])
  })

  test.each([
    ['nothing', null],
    ['a text', 'gone'],
    ['a list of nothing', []],
    ['an object', { 0: 'gone', 1: 'a', length: 2 }],
    ['a kind that there is not', ['stranger', 'a']],
    ['the name of a method', ['toString', 'a']],
    ['what cannot be made a name', [{ toString: 1, valueOf: 1 }]],
  ])('%s is none', (_what, message) => {
    expect(messagesOf([message], samples)).toEqual([])
  })

  test('what is right is heard beside what is wrong, and holes are passed over', () => {
    const [first, second] = cases.map(({ right }) => right)
    expect(messagesOf([null, first, ['x'], second], samples)).toEqual([first, second])
    expect(messagesOf(Object.assign(new Array(3), { 1: first }), samples)).toEqual([first])
  })
})

test('an event that comes with the record of another job is dropped', () => {
  const [type, event, change] = cases.rightOf(cases.fromSession, 'event') as [string, object, object]
  expect(messagesOf([[type, event, { ...change, id: 'other' }]], fromSession)).toEqual([])
})

test('a change may bring rules, which then are some', () => {
  const [type, change] = cases.rightOf(cases.fromSession, 'change') as [string, object]
  const kept = (rules: unknown) => messagesOf([[type, { ...change, rules }]], fromSession).length
  expect([{ tags: [] }, 5, {}, { tags: 'x' }, { tags: [7] }].map(kept)).toEqual([1, 0, 0, 0, 0])
})

test('who would change jobs says which', () => {
  const act = (target: unknown) => messagesOf([['ask', 1, 'act', ['remove', target]]], fromClient).length
  const none = [undefined, null, {}, { all: undefined }, { limit: 5 }, 7]
  expect(none.map(act)).toEqual(none.map(() => 0))
  expect([{ all: true }, { tag: 'x' }, 'a'].map(act)).toEqual([1, 1, 1])
})

test.each(cases.answers)('an answer to `$name` with one thing of another type is none', ({ name, right, wrong }) => {
  const args = [right]
  expect(isAnswer(name as never, args, right)).toBe(true)
  for (const [where, answer] of wrong) expect(isAnswer(name as never, args, answer), where).toBe(false)
})

test('an answer to `insert` has as many jobs as were to be added', () => {
  const [one, other] = cases.rightOf(cases.answers, 'insert')
  expect(isAnswer('insert', [[1, 2]], [one, other])).toBe(true)
  expect(isAnswer('insert', [[1, 2]], [one])).toBe(false)
  expect(isAnswer('insert', [[1, 2]], [one, other, one])).toBe(false)
})

test('an answer to `get` is a record or nothing', () => {
  const [record] = cases.rightOf(cases.answers, 'find')
  const isIt = (answer: unknown) => isAnswer('get', ['a'], answer)
  expect([record, undefined].map(isIt)).toEqual([true, true])
  expect([null, [record], 7].map(isIt)).toEqual([false, false, false])
})

test('an answer to `recorded` has its steps in a map, or is nothing', () => {
  const isIt = (answer: unknown) => isAnswer('recorded', ['a'], answer)
  expect([{ checkpoint: 1, steps: new Map([['first', 1]]) }, undefined].map(isIt)).toEqual([true, true])
  expect([null, {}, { steps: {} }, { steps: [['first', 1]] }, new Map()].map(isIt)).toEqual(Array(5).fill(false))
})

test.each(cases.envelopes)('a $name with one thing of another type is none', ({ name, right, wrong }) => {
  const is = name === 'call' ? isCall : isEnvelope
  expect(is(right)).toBe(true)
  for (const [where, message] of wrong) expect(is(message), where).toBe(false)
  for (const message of [undefined, null, 'x', 7, [], [right], new Map()]) expect(is(message)).toBe(false)
})
