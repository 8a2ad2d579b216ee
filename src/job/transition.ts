/**
 * The life of a job, in one pure function.
 *
 *   action       from                             to
 *   ───────────  ───────────────────────────────  ─────────────────────────────────────────────────────────────
 *   start        queued                           running     attempt + 1
 *   release      running                          queued      as if it had never started: it only waited on a thread
 *   interrupt    running                          queued      its thread ended; no attempt used, old place in line
 *                                                 failed      the third death of its own making (JOB_POISONED)
 *   checkpoint   running                          running     what a later attempt starts from
 *   step         running                          running     a value that later attempts get instead of work
 *   complete     running                          completed
 *   fail         running, queued                  scheduled   attempts left: until the back-off is over
 *                                                 queued      attempts left and no back-off
 *                                                 failed      attempts used up
 *   expire       scheduled, blocked, queued       failed      not started in time (JOB_EXPIRED)
 *   due          scheduled                        queued      its time has come, or `promote`
 *   prioritize   scheduled, blocked, queued,      the same    another place in line
 *                running
 *   cancel       scheduled, blocked, queued,      cancelled
 *                running
 *   retry        failed, cancelled                queued      with all its attempts again; checkpoint and steps stay
 *
 * What is true in each state:
 *
 *   scheduled    `runAt` is set. Before the first attempt a delay, after it a back-off.
 *   blocked      other jobs have to finish first.
 *   queued       may start at once, in the order priority, `dueAt`, `seq`.
 *   running      exactly one attempt holds it, the one numbered `attempt`; nothing else may settle it.
 *   completed, failed, cancelled    `finishedAt` is set. Left only by an explicit `retry`, or removed.
 */
import { OffstageError } from '../shared/errors.ts'
import type { JobRecord, State } from './record.ts'
import { backoffDelayMs } from './retry.ts'

export type Action =
  | { readonly type: 'start' }
  | { readonly type: 'release' }
  | { readonly type: 'interrupt'; readonly error: unknown; readonly isOwnMaking: boolean }
  | { readonly type: 'checkpoint'; readonly checkpoint: unknown }
  | { readonly type: 'step'; readonly key: string; readonly value: unknown }
  | { readonly type: 'complete'; readonly result: unknown }
  | { readonly type: 'fail'; readonly error: unknown; readonly isFinal: boolean; readonly random: number }
  | { readonly type: 'expire' }
  | { readonly type: 'due' }
  | { readonly type: 'prioritize'; readonly priority: number }
  | { readonly type: 'cancel'; readonly error: unknown }
  | { readonly type: 'retry' }

/** After so many deaths of its own making a job fails instead of taking down threads for ever. */
export const interruptionsMax = 3

const live: readonly State[] = ['scheduled', 'blocked', 'queued', 'running']

const legalFrom: { readonly [Type in Action['type']]: readonly State[] } = {
  start: ['queued'],
  release: ['running'],
  interrupt: ['running'],
  checkpoint: ['running'],
  step: ['running'],
  complete: ['running'],
  fail: ['running', 'queued'],
  expire: ['scheduled', 'blocked', 'queued'],
  due: ['scheduled'],
  prioritize: live,
  cancel: live,
  retry: ['failed', 'cancelled'],
}

export const isLegal = (state: State, type: Action['type']): boolean => legalFrom[type].includes(state)

/** Answers the record after `action`. An illegal move is a bug of ours and throws. */
export function transition(record: JobRecord, action: Action, now: number): JobRecord {
  if (!isLegal(record.state, action.type))
    throw new Error(`offstage bug: job '${record.id}' cannot ${action.type} while ${record.state}`)
  switch (action.type) {
    case 'start':
      return { ...record, state: 'running', attempt: record.attempt + 1, startedAt: now }
    case 'release':
      return { ...record, state: 'queued', attempt: record.attempt - 1, startedAt: undefined }
    case 'interrupt':
      return interrupt(record, action.error, action.isOwnMaking, now)
    case 'checkpoint':
      return { ...record, checkpoint: action.checkpoint }
    case 'step':
      return { ...record, steps: new Map(record.steps).set(action.key, action.value) }
    case 'complete':
      return {
        ...record,
        state: 'completed',
        finishedAt: now,
        result: action.result,
        error: undefined,
        checkpoint: undefined,
        steps: undefined,
      }
    case 'fail':
      return fail(record, action, now)
    case 'expire':
      return { ...record, state: 'failed', finishedAt: now, runAt: undefined, error: expired(record) }
    case 'due':
      // Promoted, it is due now.
      return { ...record, state: 'queued', runAt: undefined, dueAt: Math.min(record.dueAt, now) }
    case 'prioritize':
      return { ...record, priority: action.priority }
    case 'cancel':
      return { ...record, state: 'cancelled', finishedAt: now, runAt: undefined, error: action.error }
    case 'retry':
      return {
        ...record,
        state: 'queued',
        failures: 0,
        interruptions: 0,
        finishedAt: undefined,
        expiresAt: undefined,
        error: undefined,
      }
  }
}

function interrupt(record: JobRecord, error: unknown, isOwnMaking: boolean, now: number): JobRecord {
  const interruptions = record.interruptions + (isOwnMaking ? 1 : 0)
  if (interruptions < interruptionsMax) return { ...record, state: 'queued', interruptions, error }
  const message = `The job '${record.id}' ended its thread ${interruptions} times and is not tried again.`
  const poisoned = new OffstageError('JOB_POISONED', message, {
    cause: error,
    jobId: record.id,
    attempt: record.attempt,
  })
  return { ...record, state: 'failed', interruptions, finishedAt: now, error: poisoned }
}

function fail(record: JobRecord, action: Extract<Action, { type: 'fail' }>, now: number): JobRecord {
  const { error } = action
  const failures = record.failures + 1
  if (action.isFinal || failures >= record.rules.attempts)
    return { ...record, state: 'failed', failures, finishedAt: now, error }
  const delayMs = backoffDelayMs(record.rules.backoff, failures, action.random)
  if (delayMs === 0) return { ...record, state: 'queued', failures, error }
  return { ...record, state: 'scheduled', failures, runAt: now + delayMs, error }
}

const expired = ({ id, name, expiresAt, addedAt }: JobRecord): OffstageError =>
  new OffstageError(
    'JOB_EXPIRED',
    `The job '${id}' (${name}) had not started ${(expiresAt ?? 0) - addedAt} ms after it was added.`,
    { jobId: id },
  )

/** Whether the time by which a job must have started is still ahead of it: later attempts no longer expire. */
export const canExpire = (record: JobRecord): boolean => record.expiresAt !== undefined && record.attempt === 0
