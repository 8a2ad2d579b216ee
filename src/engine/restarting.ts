import { resolveDefaults } from '../job/job-options.ts'
import { isTerminal, type JobRecord, parentHeader } from '../job/record.ts'
import { keysOf, recordedBefore } from '../job/restart.ts'
import { OffstageError } from '../shared/errors.ts'
import type { InsertRequest } from './engine.ts'

/** The rules of the job take the place of the defaults of its type. */
const noDefaults = resolveDefaults()

/**
 * Returns the request for a new job that runs a finished one again: with its input, its options, and what it had recorded before the
 * step `from`; without `from`, nothing. The new job has no parent, and belongs to nothing that an extension keeps about the old one.
 */
export function requestToRestart(record: JobRecord, from: string | undefined, id: string): InsertRequest {
  const { name, input, state, queue, group, priority, rules, steps } = record
  if (!isTerminal(state)) throw notEnded(record)
  const recorded = from === undefined ? undefined : recordedBefore(from, steps)
  if (from !== undefined && !recorded) throw unknownStep(record, from)
  const { marks, headers = {}, ...own } = rules
  const { [parentHeader]: parent, ...rest } = headers
  const given = Object.keys(rest).length > 0 ? rest : undefined
  const options = { ...own, id, queue, group, priority, expiresInMs: expiryOf(record), headers: given }
  const again = { steps: recorded?.size ? recorded : undefined }
  return { name, input, options, defaults: noDefaults, transfer: undefined, attach: undefined, again }
}

/** With `retryForMs`, and once an attempt has failed, `expiresAt` is about something else. */
const expiryOf = ({ expiresAt, addedAt, failures, rules }: JobRecord): number | undefined =>
  expiresAt === undefined || (failures > 0 && rules.retryForMs !== undefined) ? undefined : expiresAt - addedAt

const notEnded = ({ id, state }: JobRecord): OffstageError =>
  new OffstageError('JOB_NOT_ENDED', `The job '${id}' is ${state}; only a job that has ended can be restarted.`, {
    jobId: id,
  })

const namedMax = 20

function unknownStep({ id, steps }: JobRecord, from: string): OffstageError {
  const keys = keysOf(steps)
  const more = keys.length > namedMax ? `, and ${keys.length - namedMax} more` : ''
  const named = keys
    .slice(0, namedMax)
    .map((key) => `'${key}'`)
    .join(', ')
  const message = `Expected \`from\` to be the key of a step that the job '${id}' has recorded, got '${from}'. It has ${named ? `recorded ${named}${more}` : 'recorded none'}.`
  return new OffstageError('INVALID_OPTION', message, { jobId: id })
}
