import { durationMs, durationMsOrInfinity, integer } from '../shared/check.ts'
import { isObject } from '../shared/show.ts'
import { fromThread, fromThreadFields, messageLength, togetherMax } from './protocol.ts'

/**
 * Returns the length of the message that begins at this index of a worker's batch; 0 if it is not a valid one. Code in a worker
 * can get hold of the port to the scheduler and post anything, so every field is checked. Only values may be anything, and
 * thrown errors, which are checked when they are rebuilt.
 */
export function checkedLength(batch: readonly unknown[], at: number): number {
  const length = messageLength(batch, at, fromThreadFields)
  return length > 0 && hasItsFields(batch, at) ? length : 0
}

function hasItsFields(batch: readonly unknown[], at: number): boolean {
  const operation = batch[at]
  const field = batch[at + 2]
  if (operation === fromThread.ready || operation === fromThread.fatal) return true
  if (operation === fromThread.together)
    return isObject(batch[at + 1]) && Object.values(batch[at + 1] as object).every(isTogether)
  if (typeof batch[at + 1] !== 'number') return false
  switch (operation) {
    case fromThread.done:
      return isDuration(field)
    case fromThread.failed:
      return isDuration(field) && durationMsOrInfinity(batch[at + 4] ?? 0) === undefined
    case fromThread.snoozed:
    case fromThread.rateLimited:
      return durationMs(field) === undefined
    case fromThread.waiting:
      return Array.isArray(field) && field.length > 0 && field.every(isWait)
    case fromThread.log:
      return Array.isArray(field)
    case fromThread.save:
      return typeof field === 'number' && typeof batch[at + 3] === 'string'
    default:
      return true
  }
}

const isWait = (wait: unknown): boolean => {
  const [kind, key, name, until = 0, ms = 0, child] = Array.isArray(wait) ? wait : []
  const isKind = kind === 'sleep' || kind === 'signal' || kind === 'version' || (kind === 'child' && isObject(child))
  return isKind && isText(key) && isText(name) && Number.isFinite(until) && durationMs(ms) === undefined
}

const countCheck = integer(1, togetherMax)
const isTogether = (value: unknown): boolean =>
  isObject(value) && countCheck(value.max) === undefined && durationMs(value.waitMs) === undefined

const isText = (value: unknown): boolean => typeof value === 'string'

const isDuration = (us: unknown): boolean => Number.isFinite(us) && (us as number) >= 0
