/** Jobs that a client wants added, and their way to whoever adds them. */
import type { InsertRequest } from '../engine/engine.ts'
import type { JobView } from '../engine/job-view.ts'
import type { Adding } from '../engine/steps.ts'
import { createRecord, type ResolvedDefaults, resolveDefaults } from '../job/job-options.ts'
import type { JobRecord } from '../job/record.ts'
import type { NamedRequest } from './wire.ts'

/** With the object for what hangs on it. */
export type Wish = NamedRequest & { readonly job: JobView }

export const noDefaults: ResolvedDefaults = resolveDefaults()

const prefixLength = 12

/** What the ids of one client begin with. */
export const makePrefix = (random: () => number): string =>
  Array.from({ length: prefixLength }, () => Math.floor(random() * 36).toString(36)).join('')

/** With an id, and with the defaults of here: those of where the job runs may be others. */
export function named({ name, input, options, defaults, attach }: InsertRequest, makeId: () => string): NamedRequest {
  const merged: Record<string, unknown> = { ...options }
  for (const [key, value] of Object.entries(defaults.options)) merged[key] ??= value
  merged.id ??= makeId()
  return { name, input, options: merged as never, defaults, transfer: undefined, attach }
}

/** What the record of a job will be, as far as it is known before it is added. */
export const draftRecord = ({ name, input, options }: NamedRequest, now: number): JobRecord =>
  createRecord({ id: options.id, name, input, seq: 0, lineTime: now }, options, noDefaults, now)

/** To add a job again that is known by its record alone. */
export function wishOf({ job, ifExists }: Adding): Wish {
  const { id, name, queue, input, priority, rules, addedAt, runAt, expiresAt } = job.record
  const expiresInMs = expiresAt === undefined ? undefined : expiresAt - addedAt
  const { marks, ...own } = rules
  const options = { ...own, id, ifExists, queue, priority, runAt, expiresInMs }
  return { name, input, options, defaults: noDefaults, transfer: undefined, attach: undefined, job }
}

/** The delay that is left of it, for one that was asked for a while ago. */
export function afterDelay(wish: Wish, passedMs: number): Wish {
  const { delayMs } = wish.options
  if (delayMs === undefined || delayMs <= 0) return wish
  return { ...wish, options: { ...wish.options, delayMs: Math.max(0, Math.ceil(delayMs - passedMs)) } }
}
