/** What goes over the wire: records and events, with their errors in a form that keeps their classes. */
import type { InsertRequest } from '../engine/engine.ts'
import type { JobView } from '../engine/job-view.ts'
import { type AnyEvent, type EventType, eventTypes } from '../events/event-map.ts'
import type { JobOptions } from '../job/job-options.ts'
import type { JobRecord } from '../job/record.ts'
import { type ErrorClass, thrownFromWire, thrownToWire, type WireThrown } from '../shared/error-wire.ts'
import { isObject } from '../shared/show.ts'

/** One thing that client or session says, with what belongs to it. */
export type Message = readonly [type: string, ...details: unknown[]]

/** A record, or what may change of it. */
export type WireRecord = Partial<Omit<JobRecord, 'error'>> &
  Pick<JobRecord, 'id'> & { readonly error: WireThrown | undefined }

/** What only the thread needs stays behind: the checkpoint, and the values of steps. */
export function recordToWire({ checkpoint, steps, error, ...rest }: JobRecord): WireRecord {
  return { ...rest, error: error === undefined ? undefined : thrownToWire(error) }
}

/** Without what never changes. */
export function changeToWire(record: JobRecord): WireRecord {
  const { input, rules, ...change } = recordToWire(record)
  return change
}

/** The record as it was known, brought up to date. */
export function recordFromWire(known: JobRecord, wire: WireRecord, errors: readonly ErrorClass[]): JobRecord {
  return { ...known, ...wire, error: wire.error && thrownFromWire(wire.error, errors) } as JobRecord
}

/** Not by its class, which there may be twice: ESM and CommonJS copies of the package can meet in one application. */
export const isJob = (value: unknown): value is JobView => isObject(value) && 'observe' in value

/** Events that are of one scheduler alone. */
const ownTypes: readonly string[] = ['leader', 'error'] satisfies EventType[]
export const sharedTypes = eventTypes.filter((type) => !ownTypes.includes(type)) as EventType[]

export function eventToWire(event: AnyEvent): AnyEvent {
  return 'error' in event ? { ...event, error: thrownToWire(event.error) } : event
}

export function eventFromWire(event: AnyEvent, errors: readonly ErrorClass[]): AnyEvent {
  return 'error' in event ? { ...event, error: thrownFromWire(event.error as WireThrown, errors) } : event
}

/** An insert on its way, with the defaults of where it comes from. */
export interface WireInsert {
  readonly name: string
  readonly input: unknown
  readonly options: JobOptions
  readonly isAttended: boolean
}

/** A job that somebody wants, with an id of ours, so that asking twice adds it once. */
export type NamedRequest = InsertRequest & { readonly options: JobOptions & { readonly id: string } }

export function insertToWire({ name, input, options, attach }: NamedRequest): WireInsert {
  const { id, ifExists, queue, priority, runAt, delayMs, expiresInMs } = options
  const { attempts, backoff, timeoutMs, keepMs, tags, headers, extensions } = options
  const rules = { attempts, backoff, timeoutMs, keepMs, tags, headers }
  return {
    name,
    input,
    options: { id, ifExists, queue, priority, runAt, delayMs, expiresInMs, extensions, ...rules },
    isAttended: Boolean(attach),
  }
}
