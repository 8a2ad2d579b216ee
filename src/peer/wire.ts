/** What goes between tabs: records and events, with their errors in a form that keeps their classes. */
import type { InsertRequest } from '../engine/engine.ts'
import { type AnyEvent, type EventType, eventTypes } from '../events/event-map.ts'
import type { JobOptions } from '../job/job-options.ts'
import type { JobRecord } from '../job/record.ts'
import type { Channel } from '../platform/tabs.ts'
import { type ErrorClass, thrownFromWire, thrownToWire, type WireThrown } from '../shared/error-wire.ts'
import { soon } from '../shared/soon.ts'
import { tabsVersion } from './version.ts'

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

/** Events that are of one tab alone. */
const ownTypes: readonly string[] = ['leader', 'error'] satisfies EventType[]
export const sharedTypes = eventTypes.filter((type) => !ownTypes.includes(type)) as EventType[]

export function eventToWire(event: AnyEvent): AnyEvent {
  return 'error' in event ? { ...event, error: thrownToWire(event.error) } : event
}

export function eventFromWire(event: AnyEvent, errors: readonly ErrorClass[]): AnyEvent {
  return 'error' in event ? { ...event, error: thrownFromWire(event.error as WireThrown, errors) } : event
}

/** An insert on its way to another tab, with the defaults of its own. */
export interface WireInsert {
  readonly name: string
  readonly input: unknown
  readonly options: JobOptions
  readonly isAttended: boolean
}

/** A job that somebody wants, with an id of ours, so that asking twice adds it once. */
export type NamedRequest = InsertRequest & { readonly options: JobOptions & { readonly id: string } }

export function insertToWire({ name, input, options, attach }: NamedRequest): WireInsert {
  const { id, ifExists, queue, priority, runAt, delayMs, expiresInMs, attempts, backoff, timeoutMs, keepMs, tags } =
    options
  const rules = { attempts, backoff, timeoutMs, keepMs, tags }
  return {
    name,
    input,
    options: { id, ifExists, queue, priority, runAt, delayMs, expiresInMs, ...rules },
    isAttended: Boolean(attach),
  }
}

/** What every version says the same way. */
export interface Envelope {
  /** The tab that wrote it. */
  readonly from: string
  /** Of the leader that it comes from or is meant for: what a leader says that has been replaced is not heard. */
  readonly epoch: number
  readonly version?: number | undefined
}

/** Said to all tabs. `here`: to those of another version, that a leader is there. */
export interface Call extends Envelope {
  readonly type: 'hello' | 'lead' | 'here'
}

/** One thing that is said, with what belongs to it. */
export type Note = readonly [type: string, ...details: unknown[]]

/** Said to one tab, or to its leader. */
export interface Letter extends Envelope {
  readonly notes: readonly Note[]
}

/**
 * A line between the leader and one follower. All notes of one microtask are one message. When that cannot be cloned,
 * each goes alone, and the culprit goes as `repair` answers it, or not at all.
 */
export class Link {
  readonly #channel: Channel
  readonly #address: Omit<Letter, 'notes'>
  readonly #repair: (note: Note, cause: unknown) => Note | undefined
  readonly #beforeFlush: (() => void) | undefined
  #notes: Note[] = []
  #isScheduled = false
  #isClosed = false

  constructor(
    channel: Channel,
    from: string,
    epoch: number,
    repair: (note: Note, cause: unknown) => Note | undefined,
    beforeFlush?: () => void,
  ) {
    this.#channel = channel
    this.#address = { from, epoch, version: tabsVersion }
    this.#repair = repair
    this.#beforeFlush = beforeFlush
  }

  post(...note: Note): void {
    this.#notes.push(note)
    this.flush()
  }

  /** Soon, even with nothing to say. */
  flush(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    soon(() => {
      this.#beforeFlush?.()
      this.#isScheduled = false
      this.#send(this.#notes.splice(0))
    })
  }

  /** Says nothing more. */
  close(): void {
    this.#isClosed = true
  }

  #send(notes: readonly Note[]): void {
    if (this.#isClosed || notes.length === 0) return
    try {
      this.#channel.post({ ...this.#address, notes } satisfies Letter)
    } catch (cause) {
      const [first, ...rest] = notes
      if (rest.length > 0) for (const note of notes) this.#send([note])
      else {
        const repaired = this.#repair(first as Note, cause)
        // What was repaired can be cloned.
        if (repaired) this.#channel.post({ ...this.#address, notes: [repaired] } satisfies Letter)
      }
    }
  }
}
