/** Jobs that a client adds, from the call to the wire. */
import type { InsertRequest } from '../engine/engine.ts'
import type { JobView } from '../engine/job-view.ts'
import type { Adding } from '../engine/steps.ts'
import {
  createRecord,
  type JobOptions,
  type ResolvedDefaults,
  resolveDefaults,
  sharedChecks,
} from '../job/job-options.ts'
import type { JobRecord } from '../job/record.ts'
import type { Clock } from '../shared/clock.ts'

/** When something was asked, by both clocks. */
export interface Moment {
  readonly wallMs: number
  readonly monotonicMs: number
}

export const momentOf = (clock: Clock): Moment => ({ wallMs: clock.now(), monotonicMs: clock.monotonic() })

/** Returns when that was by the wall clock, which may have been set back since. */
export function wallOf({ wallMs, monotonicMs }: Moment, clock: Clock): number {
  return Math.min(wallMs, Math.ceil(clock.now() - (clock.monotonic() - monotonicMs)))
}

/** A request whose job has an id. The client makes one up if the caller gave none, so that asking twice adds the job once. */
export type NamedRequest = InsertRequest & { readonly options: JobOptions & { readonly id: string } }

/** A request, with the object that callbacks and promises of its job belong to. */
export type PendingAdd = NamedRequest & { readonly job: JobView }

const noDefaults: ResolvedDefaults = resolveDefaults()

const prefixLength = 12

/** Makes what the ids of one client begin with. */
export const makePrefix = (random: () => number): string =>
  Array.from({ length: prefixLength }, () => Math.floor(random() * 36).toString(36)).join('')

/** All other options belong to the page or process of the caller. */
const sentOptions = ['id', 'ifExists', 'runAt', 'headers', 'extensions', ...Object.keys(sharedChecks)]

/**
 * Gives the job an id, and keeps of its options what the other end needs. The defaults are those of this client: the engine that runs the
 * job may have others.
 */
export function named(request: InsertRequest, makeId: () => string): NamedRequest {
  const own = (request.options ?? {}) as Record<string, unknown>
  const shared = request.defaults.options as Record<string, unknown>
  const options = Object.fromEntries(sentOptions.map((name) => [name, own[name] ?? shared[name]]))
  options.id ??= makeId()
  return { ...request, options: options as never, transfer: undefined }
}

/** The record of a job, as far as it is known before the job is added. */
export const draftRecord = ({ name, input, options }: NamedRequest, now: number): JobRecord =>
  createRecord({ id: options.id, name, input, seq: 0, lineTime: now }, options, noDefaults, now)

/** To add a job again, of which only the record is known. */
export function pendingAddOf({ job, ifExists, wanted }: Adding): PendingAdd {
  const { id, name, queue, group, priority, rules, addedAt, runAt, expiresAt } = job.record
  const { input } = wanted ?? job.record
  const expiresInMs = expiresAt === undefined ? undefined : expiresAt - addedAt
  const { marks, ...own } = rules
  const { extensions } = wanted?.options ?? {}
  const options = { ...own, id, ifExists, queue, group, priority, runAt, expiresInMs, extensions }
  return { name, input, options, defaults: noDefaults, transfer: undefined, attach: undefined, job }
}

/** Shortens the delay by the time that has passed since the job was asked for. */
export function afterDelay(add: PendingAdd, passedMs: number): PendingAdd {
  const { delayMs } = add.options
  if (delayMs === undefined || delayMs <= 0) return add
  return { ...add, options: { ...add.options, delayMs: Math.max(0, Math.ceil(delayMs - passedMs)) } }
}

export interface WireInsert {
  readonly name: string
  readonly input: unknown
  readonly options: JobOptions
  /** The caller has callbacks or a signal: progress, logs and values are to be sent, too. */
  readonly isAttended: boolean
}

export const insertToWire = ({ name, input, options, attach }: NamedRequest): WireInsert => ({
  name,
  input,
  options,
  isAttended: Boolean(attach),
})

/** The request at the other end. */
export const insertFromWire = (
  { isAttended, ...request }: WireInsert,
  attach: (job: JobView, isAttended: boolean) => void,
): InsertRequest => ({
  ...request,
  defaults: noDefaults,
  transfer: undefined,
  attach: (job) => attach(job, isAttended),
})
