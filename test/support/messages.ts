// One of each kind of what clients and sessions, and tabs, send each other, and what becomes of it when one thing in it is of another type.
import { snapshotOf } from '../../src/engine/job-observers.ts'
import { createRecord, resolveDefaults } from '../../src/job/job-options.ts'
import { emptyBoard } from '../../src/remote/board.ts'
import { insertToWire } from '../../src/remote/requests.ts'
import { changeToWire, type Message, recordToWire } from '../../src/remote/wire.ts'
import { thrownToWire } from '../../src/shared/error-wire.ts'

/** A part that may also be something else. */
class Loose {
  readonly value: unknown
  readonly mayBe: 'anything' | 'nothing' | 'undefined' | 'string'
  constructor(value: unknown, mayBe: Loose['mayBe']) {
    this.value = value
    this.mayBe = mayBe
  }
}

const any = (value: unknown) => new Loose(value, 'anything')
const maybe = (value: unknown) => new Loose(value, 'undefined')
const all = (make: (value: unknown) => Loose, value: object): object =>
  Object.fromEntries(Object.entries(value).map(([key, part]) => [key, make(part)]))
const pick = (value: object, ...keys: string[]): object =>
  Object.fromEntries(Object.entries(value).filter(([key]) => keys.includes(key)))

const defaults = resolveDefaults()
const options = { id: 'a', tags: ['x'], delayMs: 5, expiresInMs: 10, attempts: 2, priority: 1, keepMs: 7 }
const made = createRecord({ id: 'a', name: 'double', input: 1, seq: 1, lineTime: 0 }, options, defaults, 1_000)
const timed = { ...made, startMs: 1, finishMs: 2 }
const loose = (wire: object) => ({
  ...wire,
  ...all(maybe, pick(wire, 'runAt', 'expiresAt', 'startMs', 'finishMs')),
  ...all(any, pick(wire, 'result', 'error', 'input')),
})
const rules = { ...all(any, made.rules), tags: ['x'] }
const record = { ...loose(recordToWire(timed)), rules }
const change = loose(changeToWire(timed))
const insert = insertToWire({ name: 'double', input: 1, options, defaults, transfer: undefined, attach: undefined })
const request = { ...insert, input: any(1), options: { ...all(maybe, insert.options), id: 'a' } }
const thrown = any(thrownToWire(new Error('thrown')))
const completed = { type: 'completed', seq: any(1), at: 2, jobId: 'a', name: 'double', queue: 'q', attempt: 1 }
const rateLimit = {
  limit: 1,
  intervalMs: 5,
  type: maybe('token-bucket'),
  burst: maybe(3),
  minGapMs: maybe(2),
}
const settings = { isPaused: maybe(true), concurrency: maybe(3), rateLimit: new Loose(rateLimit, 'nothing') }
const filter = { name: maybe('double'), queue: maybe('mails'), tag: maybe('x') }

const seen = snapshotOf(timed, undefined)
const snapshot = { ...seen, ...all(any, pick(seen, 'progress', 'runAt', 'startedAt', 'finishedAt', 'error')) }

const sessionTemplates: readonly unknown[] = [
  ['welcome', false, ['mails']],
  ['board', { ...emptyBoard, queues: { mails: [1, 2, 3] } }],
  ['paused', maybe('mails'), true],
  ['answer', 7, any('answer')],
  ['refusal', 7, thrown],
  ['event', { ...completed, result: any(2) }, maybe(change)],
  ['event', { ...completed, result: any(2) }, undefined],
  ['event', { type: 'idle', seq: any(1), at: 2 }, undefined],
  ['change', change],
  ['progress', 'a', any(0.5)],
  ['gone', 'a', false],
  ['listed', 1, [[0, 5], { ...snapshot, error: any(undefined) }]],
  ['stranded', ['a'], thrown],
  ['value', 1, any('value')],
  ['end', 1, any(undefined)],
]

const clientTemplates: readonly unknown[] = [
  ['ask', 1, 'insert', [[request], 5, false]],
  ['ask', 1, 'get', ['a']],
  ['ask', 1, 'find', [{ ...filter, state: maybe(['queued']), after: maybe('a'), limit: maybe(5) }]],
  ['ask', 1, 'counts', []],
  ['ask', 1, 'act', [any('remove'), 'a', thrown]],
  ['ask', 1, 'act', [any('cancel'), new Loose({ ...filter, state: maybe('queued') }, 'string'), thrown]],
  ['ask', 1, 'act', [any('cancel'), new Loose(['a', 1, 1_000], 'string'), thrown]],
  ['ask', 1, 'act', [any('setPriority'), 'a', { kind: any('value'), value: 3 }]],
  ['ask', 1, 'act', [any('signal'), 'a', { kind: any('value'), value: ['id', 'name', any(5)] }]],
  [
    'ask',
    1,
    'act',
    [any('clean'), new Loose({ ...filter, state: maybe('failed') }, 'string'), { kind: any('value'), value: 3 }],
  ],
  ['ask', 1, 'update', ['a', { input: any(1), runAt: maybe(5), priority: maybe(1), tags: maybe(['x']) }]],
  ['ask', 1, 'queues', []],
  ['ask', 1, 'whyWaiting', ['a']],
  ['ask', 1, 'recorded', ['a']],
  ['ask', 1, 'idle', []],
  ['ask', 1, 'set', [maybe('mails'), new Loose(settings, 'nothing')]],
  ['listen', ['completed', 'idle']],
  ['done', 1],
  ['watch', [[['a', 1, 1_000], true, maybe(2)]]],
  ['attend', ['a', 1, 1_000]],
  ['look', ['mails'], true],
  ['list', 1, { ...filter, state: maybe('queued'), limit: maybe(5) }],
  ['unlist', 1],
  ['read', 1, ['a', 1, 1_000], 0],
  ['ack', 1],
  ['unread', 1],
]

const answerTemplates: readonly (readonly [ask: string, answer: unknown])[] = [
  [
    'insert',
    [
      [change, any('created')],
      [record, 'existing'],
    ],
  ],
  ['find', [record]],
  ['counts', emptyBoard.snapshot.counts],
  ['act', 1],
  ['update', true],
  ['set', maybe(true)],
  ['whyWaiting', [{ reason: 'paused', detail: 'The scheduler is paused.' }]],
  [
    'queues',
    [
      {
        name: 'a',
        isPaused: false,
        size: 1,
        running: 2,
        concurrency: 3,
        rateLimit: maybe(rateLimit),
      },
    ],
  ],
]

interface Case<Value> {
  readonly name: string
  readonly right: Value
  /** The same with one thing of another type, by where that is. */
  readonly wrong: readonly (readonly [where: string, spoilt: unknown])[]
}

const caseOf = <Value>(name: string, template: unknown): Case<Value> => ({
  name,
  right: plain(template) as Value,
  wrong: [...spoilt(template, name)],
})

const messageCase = (template: unknown) => {
  const { right, ...rest } = caseOf<Message>('', template)
  const [type, , ask] = right
  return { ...rest, right, name: type === 'ask' ? `ask ${ask}` : type }
}

export const fromSession = sessionTemplates.map(messageCase)
export const fromClient = clientTemplates.map(messageCase)
export const answers = answerTemplates.map(([ask, answer]) => caseOf<unknown>(ask, answer))
export const envelopes = [
  caseOf<object>('call', { type: 'hello', from: 'tab', epoch: 1, version: maybe(2) }),
  caseOf<object>('envelope', { from: 'tab', epoch: 1, version: maybe(2), line: maybe(3), messages: [] }),
]

function plain(template: unknown): unknown {
  if (template instanceof Loose) return plain(template.value)
  if (Array.isArray(template)) return template.map(plain)
  if (typeof template !== 'object' || template === null) return template
  return Object.fromEntries(Object.entries(template).map(([key, part]) => [key, plain(part)]))
}

function* spoilt(template: unknown, path: string): Generator<readonly [where: string, spoilt: unknown]> {
  const isLoose = template instanceof Loose
  if (isLoose && template.mayBe === 'anything') return
  const value = isLoose ? template.value : template
  // Nothing is known of what might be there.
  if (isLoose && value === undefined) return
  for (const wrong of wrongFor(value))
    if (!isLoose || !mayBe(template, wrong)) yield [`${path} = ${shown(wrong)}`, wrong]
  if (typeof value !== 'object' || value === null) return
  for (const [key, part] of Object.entries(value)) {
    for (const [where, wrong] of spoilt(part, `${path}.${key}`)) {
      const whole = plain(value) as object
      yield [where, Object.assign(whole, { [key]: wrong })]
    }
  }
}

function mayBe(template: Loose, value: unknown): boolean {
  return template.mayBe === 'nothing' ? value == null : typeof value === template.mayBe
}

function wrongFor(value: unknown): unknown[] {
  if (Array.isArray(value))
    return [undefined, {}, 'x', 7, { length: 1, 0: 1 }, ...(value.length > 0 ? [new Array(2)] : [])]
  switch (typeof value) {
    case 'string':
      return [undefined, 7, null, {}, { toString: 1, valueOf: 1 }]
    case 'number':
      return [undefined, '7', null, {}, Number.NaN, Number.NEGATIVE_INFINITY, 7n]
    case 'boolean':
      return [undefined, 1, 'true', null]
    case 'object':
      return [undefined, null, 'x', 7, []]
    default:
      return [null, 7]
  }
}

function shown(value: unknown): string {
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

/** The right one of that name. */
export const rightOf = (cases: readonly Case<unknown>[], name: string): readonly unknown[] =>
  cases.find((each) => each.name === name)?.right as readonly unknown[]
