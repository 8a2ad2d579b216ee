/**
 * The shapes of all messages between client and session. Each message is checked where it arrives, and dropped if it has another
 * shape: other code may get hold of the wire and send anything. Values may be anything, and thrown errors are checked when they are
 * rebuilt.
 */
import { type AnyEvent, type EventType, isExtensionEvent, type JobEvent } from '../events/event-map.ts'
import { weightCheck } from '../job/group-weight.ts'
import { areJobOptions } from '../job/job-options.ts'
import { states } from '../job/record.ts'
import * as check from '../shared/check.ts'
import { isObject } from '../shared/show.ts'
import type { QuestionKind } from './answers.ts'
import { emptyBoard } from './board.ts'
import { type Message, sharedTypes, type WireRecord } from './wire.ts'

type Is = (value: unknown) => boolean
/** By name, what values of that name look like. */
type Samples<Name extends string = string> = Readonly<Record<Name, unknown>>

/**
 * Whether a value has everything that the sample has: a number where that has a number, the same type where it has another, and
 * where it has a function, a value for which the function returns true.
 */
export function isLike(sample: unknown, value: unknown): boolean {
  if (typeof sample === 'function') return sample(value)
  if (typeof sample === 'number') return Number.isFinite(value)
  if (!isObject(sample)) return typeof value === typeof sample
  if (!isObject(value) || Array.isArray(value) !== Array.isArray(sample)) return false
  return Object.keys(sample).every((name) => isLike(sample[name], value[name]))
}

const isOneOf = (samples: Samples, name: unknown, value: unknown): boolean =>
  typeof name === 'string' && Object.hasOwn(samples, name) && isLike(samples[name], value)

const any: Is = () => true
export const maybe =
  (sample: unknown): Is =>
  (value) =>
    value === undefined || isLike(sample, value)
/** Not `every`, which skips holes. */
const listOf =
  (sample: unknown): Is =>
  (value) =>
    Array.isArray(value) && value.findIndex((item) => !isLike(sample, item)) === -1
const fits =
  (expected: check.Check): Is =>
  (value) =>
    expected(value) === undefined

const state: Is = (value) => states.includes(value as never)
const sharedType: Is = (value) => sharedTypes.includes(value as EventType) || isExtensionEvent(value)

const headers: Is = (value) => isLike({}, value) && listOf('')(Object.values(value as object))
const rules = { tags: listOf(''), headers: maybe(headers) }
const numbers = { priority: 0, dueAt: 0, seq: 0, attempt: 0, failures: 0, interruptions: 0, crashes: 0, addedAt: 0 }
const times = { runAt: maybe(0), expiresAt: maybe(0), startMs: maybe(0), finishMs: maybe(0) }
/** The part of a record that may change. */
const change = { id: '', name: '', queue: '', state, rules: maybe(rules), ...numbers, ...times }
const record = { ...change, group: maybe(''), rules }
/** A `JobRef`. */
const ref = ['', 0, 0]

const shown = { id: '', name: '', queue: '', group: maybe(''), parentId: maybe(''), tags: listOf(''), headers, state }
const snapshot = { ...shown, priority: 0, attempt: 0, addedAt: 0 }

const ofNoJob = /^(idle|paused|resumed|rate-limited|worker:.*|store:error)$/
const event: Is = (value) =>
  isLike({ type: sharedType, at: 0 }, value) &&
  (ofNoJob.test((value as AnyEvent).type) ||
    isExtensionEvent((value as AnyEvent).type) ||
    isLike({ jobId: '', name: '', queue: '', attempt: 0 }, value))

const rateLimit = {
  limit: fits(check.integer(1)),
  intervalMs: fits(check.positiveMs),
  type: maybe(''),
  burst: maybe(fits(check.integer(1))),
  minGapMs: maybe(fits(check.positiveMs)),
}
const concurrency = fits(check.integerOrInfinity(1))
const settings: Is = (value) =>
  value === null ||
  isLike(
    {
      isPaused: maybe(false),
      concurrency: maybe(concurrency),
      rateLimit: (limit: unknown) => limit == null || isLike(rateLimit, limit),
      weight: maybe(fits(weightCheck)),
    },
    value,
  )

const jobs = {
  state: maybe((value: unknown) => state(value) || listOf(state)(value)),
  name: maybe(''),
  queue: maybe(''),
  tag: maybe(''),
  after: maybe(''),
  limit: maybe(fits(check.integerOrInfinity(1))),
}
/** A filter without fields would mean all jobs, so it is none: it could come about by mistake. */
const filter: Is = (value) =>
  isLike(jobs, value) &&
  ['state', 'name', 'queue', 'tag', 'all'].some((name) => (value as Record<string, unknown>)[name] !== undefined)

const act: Is = (args) => {
  const [verb, target, argument] = Array.isArray(args) ? args : []
  return (
    (typeof target === 'string' || isLike(ref, target) || filter(target)) &&
    ((verb !== 'setPriority' && verb !== 'clean') || isLike({ value: 0 }, argument)) &&
    (verb !== 'signal' || isLike({ value: ['', ''] }, argument))
  )
}

const options: Is = (value) => isLike({ id: '' }, value) && areJobOptions(value)

const inserted: Is = (item) =>
  isLike([change, ''], item) && ((item as unknown[])[1] !== 'existing' || isLike([record], item))

const queue = {
  name: '',
  isPaused: false,
  size: 0,
  running: 0,
  concurrency,
  rateLimit: maybe(rateLimit),
}

/** By kind of question, its arguments and its answer. */
const questions: Readonly<Record<QuestionKind, readonly [asked: unknown, answered: unknown]>> = {
  insert: [[listOf({ name: '', input: any, options, isAttended: false }), 0, false], listOf(inserted)],
  get: [[''], maybe(record)],
  find: [[jobs], listOf(record)],
  counts: [[], emptyBoard.snapshot.counts],
  act: [act, 0],
  restart: [['', maybe(''), ''], record],
  update: [
    ['', { input: any, runAt: maybe(0), priority: maybe(0), tags: maybe(listOf('')), version: maybe(0) }],
    false,
  ],
  queues: [[], listOf(queue)],
  whyWaiting: [[''], listOf({ reason: '', detail: '' })],
  recorded: [[''], maybe({ steps: (steps: unknown) => steps instanceof Map })],
  idle: [[maybe(''), maybe(0)], any],
  command: [['', '', Array.isArray], any],
  set: [[maybe(''), settings], maybe(false)],
}

/** The messages of a session. */
export const fromSession: Samples = {
  welcome: [false, listOf('')],
  board: [
    {
      ...emptyBoard,
      queues: (queues: unknown) => isLike({}, queues) && listOf([0, 0, 0])(Object.values(queues as object)),
    },
  ],
  paused: [maybe(''), false],
  // What is right depends on the question: see `isAnswer`.
  answer: [0],
  refusal: [0],
  event: (details: unknown) => {
    if (!isLike([event, maybe(change)], details)) return false
    const [{ jobId }, changed] = details as [Partial<JobEvent>, WireRecord | undefined]
    return !changed || changed.id === jobId
  },
  change: [change],
  progress: [''],
  gone: ['', false],
  listed: [0, listOf((piece: unknown) => isLike(Array.isArray(piece) ? [0, 0] : snapshot, piece))],
  stranded: [listOf('')],
  value: [0, any, maybe(0)],
  end: [0],
}

/** The messages of a client. */
export const fromClient: Samples = {
  ask: (details: unknown) => {
    const [id, kind, args] = details as unknown[]
    if (typeof kind !== 'string' || !Object.hasOwn(questions, kind)) return false
    return isLike(0, id) && isLike(questions[kind as QuestionKind][0], args)
  },
  done: [0],
  listen: [listOf(sharedType)],
  watch: [listOf([ref, false, maybe(0)])],
  attend: [ref],
  list: [0, jobs],
  unlist: [0],
  look: [listOf(''), false],
  read: [0, ref, 0, maybe(0)],
  ack: [0],
  unread: [0],
}

/** Returns the messages among what has come. */
export const messagesOf = (messages: unknown, samples: Samples): readonly Message[] =>
  Array.isArray(messages) ? messages.filter((message) => isMessage(message, samples)) : []

const isMessage = (message: unknown, samples: Samples): message is Message =>
  Array.isArray(message) && isOneOf(samples, message[0], message.slice(1))

/** Whether a session begins with these messages. */
export const isWelcome = ([first]: readonly unknown[]): boolean =>
  isMessage(first, fromSession) && first[0] === 'welcome'

export const isAnswer = (kind: QuestionKind, args: readonly unknown[], answer: unknown): boolean =>
  isLike(questions[kind][1], answer) &&
  (kind !== 'insert' || (answer as unknown[]).length === (args[0] as unknown[]).length)
