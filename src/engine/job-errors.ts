import type { JobRecord } from '../job/record.ts'
import { entriesMax } from '../job/waits.ts'
import { OffstageError } from '../shared/errors.ts'
import type { Store } from '../store/store.ts'

/** The errors with which promises reject that offstage itself rejects. */

export const closedError = (): OffstageError => new OffstageError('SCHEDULER_CLOSED', 'The scheduler is closed.')

/** For a job that was cancelled; `reason` comes from the caller. */
export const cancelled = ({ id, attempt }: JobRecord, reason: unknown): OffstageError => {
  const why = typeof reason === 'string' ? `: ${reason}` : reason instanceof Error ? `: ${reason.message}` : ''
  const cause = reason !== undefined && { cause: reason }
  return new OffstageError('JOB_CANCELLED', `The job '${id}' was cancelled${why}.`, { ...cause, jobId: id, attempt })
}

export const timedOut = ({ id, attempt, rules }: JobRecord): OffstageError => {
  const message = `Attempt ${attempt} of job '${id}' ran for longer than ${rules.timeoutMs} ms.`
  return new OffstageError('JOB_TIMEOUT', message, { jobId: id, attempt })
}

/** For a job that would have to run again. `cause`: what has ended its thread, if that was it. */
export const inputGone = ({ id, attempt }: JobRecord, cause?: OffstageError): OffstageError => {
  const message = `The input of job '${id}' was moved to its thread and is gone, so the job cannot run again.`
  return new OffstageError(cause ? 'WORKER_CRASHED' : 'DATA_CLONE', message, { cause, jobId: id, attempt })
}

/** For calls that wait until their changes are committed, while the store takes nothing. */
export const unrecorded = ({ message, cause }: OffstageError): OffstageError =>
  new OffstageError('STORE_WRITE_FAILED', `The change is not stored yet, and is tried again: ${message}`, {
    cause,
  })

/** For a scheduler that is closed while its store takes nothing. */
export const lost = (changes: number, cause: unknown): OffstageError => {
  const message = `The scheduler was closed before the store had taken all changes. Changes that are lost: ${changes}. Their jobs will be as they were before.`
  return new OffstageError('STORE_WRITE_FAILED', message, { cause })
}

/** For jobs that wait for a worker while none can be started. `outlook`: what happens next. */
export const unstartable = ({ message, cause }: OffstageError, outlook: string): OffstageError =>
  new OffstageError('WORKER_LOAD_FAILED', `${message} ${outlook}`, { cause })

export const duplicate = (id: string, why: string): OffstageError =>
  new OffstageError('DUPLICATE_ID', `There is already a job '${id}'${why}.`, { jobId: id })

export const queueFull = (waiting: number, maxQueued: number): OffstageError =>
  new OffstageError('QUEUE_FULL', `${waiting} jobs wait already; \`maxQueued\` is ${maxQueued}.`)

export const tooManySignals = (id: string): OffstageError =>
  new OffstageError('QUEUE_FULL', `The job '${id}' has recorded ${entriesMax} steps, waits and signals already.`, {
    jobId: id,
  })

export const placeUnknown = (id: string): OffstageError => {
  const message = `Expected \`after\` to be the id of a job that exists, or was removed lately; nothing is known of '${id}'. Begin again without \`after\`.`
  return new OffstageError('INVALID_OPTION', message, { jobId: id })
}

/** The extension is missing where the jobs run, which may be another tab. */
export const extensionMissing = (name: string): OffstageError =>
  new OffstageError('EXTENSION_MISSING', `The extension '${name}' is not attached where jobs run; its rows are kept.`)

export const unknownId = (id: string): OffstageError =>
  new OffstageError('INVALID_OPTION', `Expected \`id\` to be the id of a job; there is no job '${id}'.`, {
    jobId: id,
  })

export const keepsNone = (id: string): OffstageError =>
  new OffstageError('INVALID_OPTION', `The job '${id}' has no values \`after\` any: it has no \`keepValues\`.`, {
    jobId: id,
  })

export const notGrouped = (queue: string): OffstageError =>
  new OffstageError('INVALID_OPTION', `The queue '${queue}' has no groups: it is not made with \`grouped\`.`)

/** Returns why the store cannot keep a value that came from a worker; `undefined` if it can. */
export function unstorable(store: Store, value: unknown, what: string): OffstageError | undefined {
  try {
    store.check(value, what)
    return undefined
  } catch (error) {
    return error as OffstageError
  }
}
