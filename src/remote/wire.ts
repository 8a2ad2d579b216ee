/** What travels between client and session: messages, names of jobs, and records and events with their errors as plain data. */
import type { JobView } from '../engine/job-view.ts'
import { type AnyEvent, type EventType, eventTypes } from '../events/event-map.ts'
import type { JobRecord } from '../job/record.ts'
import { type ErrorClass, thrownFromWire, thrownToWire, type WireThrown } from '../shared/error-wire.ts'
import { isObject } from '../shared/show.ts'

/** What a client or a session sends: a type, then whatever belongs to it. */
export type Message = readonly [type: string, ...details: unknown[]]

/** Names one job. The id alone does not: another job may have taken its place. */
export type JobRef = readonly [id: string, seq: number, addedAt: number]

export const refOf = ({ id, seq, addedAt }: JobRecord): JobRef => [id, seq, addedAt]

export const isJobOf = (job: JobView | undefined, [, seq, addedAt]: JobRef): boolean =>
  job?.record.seq === seq && job.record.addedAt === addedAt

/** A record, or the part of it that may change. */
export type WireRecord = Partial<Omit<JobRecord, 'error'>> &
  Pick<JobRecord, 'id'> & { readonly error: WireThrown | undefined }

/** Leaves out what only the thread needs: the checkpoint and the values of steps. */
export function recordToWire({ checkpoint, steps, error, ...rest }: JobRecord): WireRecord {
  return { ...rest, error: error === undefined ? undefined : thrownToWire(error) }
}

/** Leaves out what never changes, too. */
export function changeToWire(record: JobRecord): WireRecord {
  const { input, group, rules, ...change } = recordToWire(record)
  return change
}

/** Returns the known record, brought up to date. */
export function recordFromWire(known: JobRecord, wire: WireRecord, errors: readonly ErrorClass[]): JobRecord {
  return { ...known, ...wire, error: wire.error && thrownFromWire(wire.error, errors) } as JobRecord
}

/** Not by class: the ESM and CommonJS copies of the package can meet in one application, and each has its own class. */
export const isJob = (value: unknown): value is JobView => isObject(value) && 'observe' in value

/** Events that belong to one scheduler alone. */
const ownTypes: readonly string[] = ['leader', 'error'] satisfies EventType[]
export const sharedTypes = eventTypes.filter((type) => !ownTypes.includes(type)) as EventType[]

export function eventToWire(event: AnyEvent): AnyEvent {
  return 'error' in event ? { ...event, error: thrownToWire(event.error) } : event
}

export function eventFromWire(event: AnyEvent, errors: readonly ErrorClass[]): AnyEvent {
  return 'error' in event ? { ...event, error: thrownFromWire(event.error as WireThrown, errors) } : event
}
