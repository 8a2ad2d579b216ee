/**
 * Waits that hold no thread. What an attempt waits for when it ends, what has come of it since, and the signals that were sent to
 * the job are entries among its recorded steps, so they are stored, undone and handed to later attempts as these are. Entries are
 * only ever added. Their keys begin with `offstage:`, which no key of a handler may.
 *
 *   offstage:waiting 3     what attempt 3 waited for when it ended: a list of `Wait`
 *   offstage:woken 3       something of that has come, so the job runs again. A job that waits for newer code has none: it is
 *                          tried again without
 *   offstage:done pay      the wait with the key `pay` is over: an `Outcome`
 *   offstage:signal x      the signal with the id `x` was sent to the job: a `Signal`
 *   offstage:heard x       a listener in the handler has received it
 *   offstage:children      it has run other jobs
 *   offstage:fell 3 pay    the child with the key `pay` has failed or was cancelled (it *fell*) after attempt 3 had begun to wait
 *                          for it: a `Fall`
 *   offstage:again 4       attempt 4 has failed, so children that fell before are run again
 *
 * A job waits while it is blocked or scheduled, and its newest attempt has a list of waits and nothing of it has come. The engine
 * decides when a time is over, and lets a job run again when something that it waits for has come. The thread decides which wait
 * receives which signal, and that is recorded. So it does no harm when a job runs again for no reason: it waits again.
 */
import * as check from '../shared/check.ts'
import type { WireThrown } from '../shared/error-wire.ts'
import type { JobRecord } from './record.ts'
import { withStep } from './steps.ts'

/** The beginning of keys that handlers may not use. */
export const ownKey = 'offstage:'

/**
 * Something that an attempt waits for. `until`: wall time. `name`: of a signal, of the type of a child, or, for a job whose input is
 * newer than the code, the newest version that the code knows.
 */
export type Wait = readonly [kind: WaitKind, key: string, name: string, until: number | undefined]
export type WaitKind = 'sleep' | 'signal' | 'child' | 'version'

/** With the id of the signal, or the result of the child. A sleep has neither, nor has a wait whose time is over. */
export type Outcome = readonly [kind: WaitKind, what?: unknown]

/** That a child has failed or was cancelled, and with which error. */
type Fall = readonly [key: string, error: WireThrown]

/** How a child ended: completed with a result; or failed or cancelled, with an error. */
export type ChildEnd = { readonly result: unknown } | { readonly error: WireThrown }

/** A signal. `id` tells it from others, for a call that is made again. */
export type Signal = readonly [id: string, name: string, value: unknown]

/** A job with so many entries takes no more signals, because all entries are sent to the thread with each attempt. */
export const entriesMax = 50_000

export const signalNameCheck: check.Check = check.string(256)

export const waitingKey = (attempt: number | string): string => `offstage:waiting ${attempt}`
const wokenKey = (attempt: number): string => `offstage:woken ${attempt}`
export const doneKey = (key: string): string => `offstage:done ${key}`
export const signalKey = (id: string): string => `offstage:signal ${id}`
export const childrenKey = 'offstage:children'
export const fellKey = (attempt: number, key: string): string => `offstage:fell ${attempt} ${key}`
export const fellPrefix = 'offstage:fell '
export const againKey = (attempt: number | string): string => `offstage:again ${attempt}`
export const heardKey = (id: string): string => `offstage:heard ${id}`

/** Whether an entry is about a certain attempt: what it waited for, and which of its children fell. */
export const isOfAttempt = (key: string): boolean =>
  key === childrenKey ||
  [waitingKey(''), 'offstage:woken ', fellPrefix, againKey('')].some((beginning) => key.startsWith(beginning))

/** Returns what the handler has recorded, without the waits and signals. */
export const recordedOf = ({ checkpoint, steps }: JobRecord) => ({
  checkpoint,
  steps: new Map([...(steps ?? [])].filter(([key]) => !key.startsWith(ownKey))),
})

type Steps = JobRecord['steps']
type WaitingRecord = Pick<JobRecord, 'state' | 'attempt' | 'steps'>

/** Returns what the job waits for; `undefined` if it does not wait, or for something else. */
export const waitsOf = ({ state, attempt, steps }: WaitingRecord): readonly Wait[] | undefined =>
  steps && (state === 'scheduled' || state === 'blocked') && !steps.has(wokenKey(attempt))
    ? (steps.get(waitingKey(attempt)) as readonly Wait[] | undefined)
    : undefined

/** Returns the names of the signals that the job waits for, each once. */
export const signalsAwaited = (record: WaitingRecord): string[] => [
  ...new Set(waitsOf(record)?.flatMap(([kind, , name]) => (kind === 'signal' ? name : []))),
]

/**
 * Whether the job is between two attempts. Its wait counts as work, unlike that of a job planned for later, or of one whose
 * handler waits. (A job that found no worker to start on has a failure, but no attempt.)
 */
export const isRetrying = (record: JobRecord): boolean =>
  record.state === 'scheduled' && (record.attempt > 0 || record.failures > 0) && !waitsOf(record)

/** Returns the signals that no wait and no listener has received, in order. */
export function unread(steps: Steps): Signal[] {
  const signals: Signal[] = []
  const received = new Set<unknown>()
  for (const [key, value] of steps ?? []) {
    if (key.startsWith(signalKey(''))) signals.push(value as Signal)
    else if (key.startsWith(doneKey('')) && (value as Outcome)[0] === 'signal') received.add((value as Outcome)[1])
    else if (key.startsWith(heardKey(''))) received.add(value)
  }
  return signals.filter(([id]) => !received.has(id))
}

type MutableRecord = { -readonly [Field in keyof JobRecord]: JobRecord[Field] }

/** The attempt ends, and the job waits, unless a signal for it came while the attempt was about to end. */
export function wait(record: MutableRecord, waits: readonly Wait[], now: number): void {
  record.steps = withStep(record.steps, waitingKey(record.attempt), waits)
  record.runAt = firstTime(waits)
  record.state = record.runAt === undefined ? 'blocked' : 'scheduled'
  if (signalsAwaited(record).length > 0) for (const [, name] of unread(record.steps)) wake(record, name)
  if (waits.some(isForChild) && !record.steps.has(childrenKey)) record.steps = withStep(record.steps, childrenKey, true)
  const hasFallen = waits.some((each) => isForChild(each) && record.steps?.has(fellKey(record.attempt, each[1])))
  if (hasFallen || areChildrenDone(record)) queue(record)
  if (record.runAt !== undefined && record.runAt <= now) timeIsUp(record, now)
}

/**
 * A child has ended. The job runs again if it waits for this child and the child fell, or if all that it waits for are done.
 */
export function endChild(record: MutableRecord, key: string, end: ChildEnd): void {
  if ('error' in end) {
    record.steps = withStep(record.steps, fellKey(record.attempt, key), [key, end.error] satisfies Fall)
    if (waitsOf(record)?.some((wait) => isForChild(wait) && wait[1] === key)) queue(record)
  } else {
    record.steps = withStep(record.steps, doneKey(key), ['child', end.result] satisfies Outcome)
    if (areChildrenDone(record)) queue(record)
  }
}

/** Lets the next attempt run again the children that fell. */
export function forgetFalls(record: MutableRecord): void {
  if (record.steps?.has(childrenKey)) record.steps = withStep(record.steps, againKey(record.attempt), true)
}

const isForChild = ([kind]: Wait): boolean => kind === 'child'

/**
 * Whether the job waits for children, and all of these are done. Called at the end of each of thousands of children, so it begins
 * with the last one, which is mostly the last to end.
 */
function areChildrenDone(record: MutableRecord): boolean {
  const waits = waitsOf(record) ?? []
  for (let index = waits.length - 1; index >= 0; index--) {
    const wait = waits[index] as Wait
    if (isForChild(wait) && !record.steps?.has(doneKey(wait[1]))) return false
  }
  return waits.some(isForChild)
}

export function addSignal(record: MutableRecord, signal: Signal): void {
  record.steps = withStep(record.steps, signalKey(signal[0]), signal)
  wake(record, signal[1])
}

/** Runs the job again if it waits for a signal of that name. */
function wake(record: MutableRecord, name: string): void {
  if (signalsAwaited(record).includes(name)) queue(record)
}

/** A scheduled job is due: the waits whose time has come are over, and it runs again. */
export function timeIsUp(record: MutableRecord, now: number): void {
  const over = Math.max(record.runAt ?? now, now)
  for (const [kind, key, , until] of waitsOf(record) ?? [])
    if (until !== undefined && until <= over) record.steps = withStep(record.steps, doneKey(key), [kind])
  queue(record)
}

function queue(record: MutableRecord): void {
  if (waitsOf(record)) record.steps = withStep(record.steps, wokenKey(record.attempt), true)
  record.state = 'queued'
  record.runAt = undefined
}

function firstTime(waits: readonly Wait[]): number | undefined {
  const times = waits.flatMap(([, , , until]) => until ?? [])
  return times.length > 0 ? Math.min(...times) : undefined
}
