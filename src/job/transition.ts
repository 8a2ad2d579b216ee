/**
 * The life of a job, in one pure function.
 *
 *   action       from                             to
 *   ───────────  ───────────────────────────────  ─────────────────────────────────────────────────────────────
 *   start        queued                           running     attempt + 1
 *   release      running                          queued      as if it had never started: it only waited on a worker
 *   interrupt    running                          queued      its worker ended; no attempt used, old place in line
 *                                                 failed      it has ended its third worker (JOB_POISONED)
 *   crash        running                          queued      its process or page ended; counted, else as above
 *                                                 failed      the third time in a row (JOB_POISONED)
 *   acquit       running                          running     it has run long enough on trial: its crashes are forgotten
 *   checkpoint   running                          running     what a later attempt starts from
 *   step         running                          running     a value that later attempts reuse
 *   complete     running                          completed   its checkpoint goes; its steps stay, because it may be restarted from one
 *   snooze       running                          scheduled   its handler has put it off; no attempt used
 *                                                 queued      put off by nothing
 *   wait         running                          scheduled   its handler waits for a time, perhaps for signals too; no attempt used
 *                                                 blocked     it waits for signals, for jobs, or for newer code alone
 *                                                 queued      what it waits for is there
 *   signal       scheduled, blocked, queued,      the same    a message for the handler is kept
 *                running                          queued      from scheduled or blocked: the handler waits for it
 *   fail         running, scheduled, blocked,     scheduled   attempts left: until the back-off is over
 *                queued                           queued      attempts left and no back-off
 *                                                 failed      attempts or time for retries used up
 *   expire       scheduled, blocked, queued       failed      not started in time (JOB_EXPIRED), or not again
 *   due          scheduled                        queued      its time has come, or `promote` was called
 *   block        scheduled, queued                blocked     by an extension, until something else has happened
 *   unblock      blocked                          queued      now it may start; what waits for newer code may have that
 *                                                 scheduled   its time is still to come
 *   child        scheduled, blocked, queued,      the same    a job that the handler has run has ended
 *                running                          queued      from scheduled or blocked: the handler waits for no other
 *   mark         all                              the same    an extension follows its moves from now on
 *   prioritize   scheduled, blocked, queued,      the same    another place in line
 *                running
 *   update       scheduled, blocked, queued       the same    another input, time, priority or tags
 *                                                 scheduled   from queued: a time that is still to come
 *                                                 queued      from scheduled: a time that has come
 *   cancel       scheduled, blocked, queued,      cancelled
 *                running
 *   retry        failed, cancelled                queued      with all its attempts again; checkpoint and steps stay
 *
 * What is true in each state:
 *
 *   scheduled    `runAt` is set. Before the first attempt a delay, after it a back-off, a snooze, or what its handler waits for.
 *   blocked      waits for signals, for other jobs to end, or for whatever else the extension that blocked it waits for.
 *   queued       may start at once, in the order priority, `dueAt`, `seq`.
 *   running      exactly one attempt holds it, number `attempt`; no other may settle it.
 *   completed, failed, cancelled    `finishMs` is set. Left only by an explicit `retry`, or removed.
 */
import { OffstageError } from '../shared/errors.ts'
import { copyRecord, isTerminal, isWaiting, type JobRecord, type Rules, type State } from './record.ts'
import { afterWait, backoffDelayMs, never } from './retry.ts'
import { withStep } from './steps.ts'
import { rulesWithVersion } from './version.ts'
import { addSignal, type ChildEnd, endChild, forgetFalls, type Signal, timeIsUp, type Wait, wait } from './waits.ts'

/** What can be changed in a job that waits. A field that is `undefined` stays as it is. */
export interface JobChanges {
  /** The only one that may become `undefined`: if it is there, it counts. */
  readonly input?: unknown
  /** Wall time, in milliseconds since 1970. */
  readonly runAt?: number | undefined
  /** Higher goes first. */
  readonly priority?: number | undefined
  /** All of them, in place of those that it has. */
  readonly tags?: readonly string[] | undefined
  /** The version of the input. */
  readonly version?: number | undefined
}

/** What moves a job from state to state, or changes it in its state. The table above says from which state. */
export type Action =
  | { readonly type: 'start' }
  | { readonly type: 'release' }
  | { readonly type: 'interrupt'; readonly error: unknown; readonly isOwnMaking: boolean }
  | { readonly type: 'crash' }
  | { readonly type: 'acquit' }
  | { readonly type: 'checkpoint'; readonly checkpoint: unknown }
  | { readonly type: 'step'; readonly key: string; readonly value: unknown }
  | { readonly type: 'complete'; readonly result: unknown }
  | { readonly type: 'snooze'; readonly ms: number }
  | { readonly type: 'wait'; readonly waits: readonly Wait[] }
  | { readonly type: 'signal'; readonly signal: Signal }
  | { readonly type: 'child'; readonly key: string; readonly end: ChildEnd }
  /** `retryMs`: the wait, in place of the back-off; `never` if the job is not tried again. */
  | {
      readonly type: 'fail'
      readonly error: unknown
      readonly retryMs: number | undefined
      readonly random: number
    }
  | { readonly type: 'expire' }
  | { readonly type: 'due' }
  | { readonly type: 'prioritize'; readonly priority: number }
  | { readonly type: 'update'; readonly changes: JobChanges }
  | { readonly type: 'cancel'; readonly error: unknown }
  | { readonly type: 'retry' }
  | { readonly type: 'block' }
  /** `lineTime`: the job takes no place in line before this time. */
  | { readonly type: 'unblock'; readonly lineTime: number }
  | { readonly type: 'mark'; readonly rules: Rules }

/** A job that has ended this many workers fails, so that it does not end workers for ever. */
export const interruptionsMax = 3
/** A job fails when its process or page has ended this many times in a row while it ran; the last times it is on trial. */
const crashesMax = 3

/** A switch, because a lookup by name is a dictionary lookup, and this is called several times per job. */
export function isLegal(state: State, type: Action['type']): boolean {
  switch (type) {
    case 'start':
      return state === 'queued'
    case 'fail':
      return state === 'running' || isWaiting(state)
    case 'expire':
    case 'update':
      return isWaiting(state)
    case 'due':
      return state === 'scheduled'
    case 'prioritize':
    case 'cancel':
    case 'signal':
    case 'child':
      return !isTerminal(state)
    case 'retry':
      return state === 'failed' || state === 'cancelled'
    case 'block':
      return state === 'queued' || state === 'scheduled'
    case 'unblock':
      return state === 'blocked'
    case 'mark':
      return true
    default:
      // The end of an attempt, or something that it brings about.
      return state === 'running'
  }
}

/**
 * Returns the record after `action`. Throws for an illegal move, which is a bug in offstage. `after` is the record to write
 * into: a copy, or the record itself if its present values are not needed any more.
 */
export function transition(record: JobRecord, action: Action, now: number, after = copyRecord(record)): JobRecord {
  if (!isLegal(record.state, action.type))
    throw new Error(`offstage bug: job '${record.id}' cannot ${action.type} while ${record.state}`)
  switch (action.type) {
    case 'start':
      after.state = 'running'
      after.attempt++
      after.startMs = now - after.addedAt
      break
    case 'release':
      after.state = 'queued'
      after.attempt--
      after.startMs = undefined
      break
    case 'interrupt':
      interrupt(after, action.error, action.isOwnMaking, now)
      break
    case 'crash':
      crash(after, now)
      break
    case 'acquit':
      after.crashes = 0
      break
    case 'checkpoint':
      after.checkpoint = action.checkpoint
      break
    case 'step':
      after.steps = withStep(record.steps, action.key, action.value)
      break
    case 'complete':
      after.state = 'completed'
      after.crashes = 0
      after.finishMs = now - after.addedAt
      after.result = action.result
      after.error = undefined
      after.checkpoint = undefined
      break
    case 'snooze':
      putOff(after, action.ms, undefined, now)
      endWithoutFailure(after)
      break
    case 'wait':
      wait(after, action.waits, now)
      endWithoutFailure(after)
      break
    case 'signal':
      addSignal(after, action.signal)
      break
    case 'child':
      endChild(after, action.key, action.end)
      break
    case 'fail':
      forgetFalls(after)
      fail(after, action, now)
      break
    case 'expire':
      end(after, 'failed', record.error ?? expired(record), now)
      break
    case 'due':
      timeIsUp(after, now)
      // A promoted job is due now.
      after.dueAt = Math.min(record.dueAt, now)
      break
    case 'prioritize':
      after.priority = action.priority
      break
    case 'update':
      update(after, action.changes, now)
      break
    case 'cancel':
      end(after, 'cancelled', action.error, now)
      break
    case 'retry':
      forgetFalls(after)
      after.state = 'queued'
      after.failures = 0
      after.interruptions = 0
      after.crashes = 0
      after.finishMs = undefined
      after.expiresAt = undefined
      after.error = undefined
      break
    case 'block':
      after.state = 'blocked'
      break
    case 'unblock':
      unblock(after, action.lineTime, now)
      break
    case 'mark':
      after.rules = action.rules
  }
  return after
}

/** A record that is being written. */
export type MutableRecord = ReturnType<typeof copyRecord>

/** A job that was never tried is first due now. A job that was tried keeps its place, as with any retry. */
function unblock(record: MutableRecord, lineTime: number, now: number): void {
  const { runAt = now } = record
  const isLater = runAt > now
  record.state = isLater ? 'scheduled' : 'queued'
  if (!isLater) record.runAt = undefined
  if (record.attempt === 0) record.dueAt = Math.max(runAt, lineTime)
}

function end(record: MutableRecord, state: 'failed' | 'cancelled', error: unknown, now: number): void {
  record.state = state
  record.finishMs = now - record.addedAt
  record.runAt = undefined
  record.error = error
}

/** A job that was tried keeps its place in line, as with any retry. */
function update(record: MutableRecord, changes: JobChanges, now: number): void {
  const { runAt, priority, tags, version } = changes
  if ('input' in changes) record.input = changes.input
  if (priority !== undefined) record.priority = priority
  if (tags) record.rules = { ...record.rules, tags }
  record.rules = rulesWithVersion(record.rules, version)
  if (runAt === undefined) return
  const isLater = runAt > now
  const isNew = record.attempt === 0 && record.failures === 0
  if (record.state !== 'blocked') record.state = isLater ? 'scheduled' : 'queued'
  record.runAt = isLater ? runAt : undefined
  if (isNew) record.dueAt = isLater ? runAt : Math.min(record.dueAt, now)
}

function interrupt(record: MutableRecord, error: unknown, isOwnMaking: boolean, now: number): void {
  if (isOwnMaking) {
    record.interruptions++
    // The process survived.
    record.crashes = 0
  }
  const { interruptions } = record
  if (interruptions >= interruptionsMax)
    return poison(record, `ended its thread ${interruptions} times`, now, { cause: error })
  record.state = 'queued'
  record.error = error
}

function crash(record: MutableRecord, now: number): void {
  const crashes = ++record.crashes
  record.state = 'queued'
  record.error = undefined
  const what = `ran when its process or page ended, ${crashes} times in a row, the last times on trial,`
  if (crashes >= crashesMax) poison(record, what, now)
}

function poison(record: MutableRecord, what: string, now: number, details: { readonly cause?: unknown } = {}): void {
  const { id, attempt } = record
  const message = `The job '${id}' ${what} and is not tried again.`
  end(record, 'failed', new OffstageError('JOB_POISONED', message, { ...details, jobId: id, attempt }), now)
}

function fail(record: MutableRecord, action: Extract<Action, { type: 'fail' }>, now: number): void {
  const { error, random, retryMs } = action
  const { rules } = record
  const failures = ++record.failures
  const waitMs = retryMs ?? backoffDelayMs(rules.backoff, failures, random)
  const until = retriesUntil(record)
  record.crashes = 0
  if (waitMs === never || now + waitMs > until || failures >= rules.attempts) return end(record, 'failed', error, now)
  if (retryMs === undefined) record.rules = afterWait(rules, waitMs)
  if (rules.retryForMs !== undefined) record.expiresAt = until
  putOff(record, waitMs, error, now)
}

/** Returns until when another attempt may start. The time begins with the start of the first attempt that has failed. */
function retriesUntil({ rules, failures, expiresAt, addedAt, startMs = 0 }: JobRecord): number {
  if (rules.retryForMs === undefined) return never
  return failures > 1 && expiresAt !== undefined ? expiresAt : addedAt + startMs + rules.retryForMs
}

/** The attempt has not failed, so the time for retries begins anew with the next failure. */
function endWithoutFailure(record: MutableRecord): void {
  record.crashes = 0
  record.error = undefined
  record.expiresAt = undefined
}

/** The attempt is over, and another one follows after that many milliseconds. */
function putOff(record: MutableRecord, ms: number, error: unknown, now: number): void {
  record.state = ms > 0 ? 'scheduled' : 'queued'
  if (ms > 0) record.runAt = now + ms
  record.error = error
}

const expired = ({ id, name, expiresAt, addedAt }: JobRecord): OffstageError =>
  new OffstageError(
    'JOB_EXPIRED',
    `The job '${id}' (${name}) had not started ${(expiresAt ?? 0) - addedAt} ms after it was added.`,
    { jobId: id },
  )

/** Whether the job can still expire: once an attempt has started, later attempts do so only with `retryForMs`. */
export const canExpire = ({ expiresAt, attempt, failures, rules }: JobRecord): boolean =>
  expiresAt !== undefined && (attempt === 0 || (failures > 0 && rules.retryForMs !== undefined))
