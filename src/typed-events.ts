import type { EventMap, EventType, JobEventMap, JobEventType } from './events/event-map.ts'
import type { ProgressOf, ResultOf, ValueOf } from './thread/job-types.ts'
import type { NameOf } from './typed-job.ts'

/** The events of these types, for jobs of this type. With several job types it is a union; `name` tells them apart. */
export type JobEventOf<Table, Name extends NameOf<Table> = NameOf<Table>, Type extends JobEventType = JobEventType> =
  Name extends NameOf<Table>
    ? JobEventMap<ResultOf<Table[Name]>, ProgressOf<Table[Name]>, ValueOf<Table[Name]>, Name>[Type]
    : never

/** What a listener of this type of event receives. */
export type EventOf<Table, Type extends EventType = EventType> = Type extends JobEventType
  ? JobEventOf<Table, NameOf<Table>, Type>
  : EventMap[Type]

/** The events that match a filter for these event types and, if given, for jobs of this type. */
export type FilteredEvent<Table, Type extends EventType, Name extends string | undefined> =
  Name extends NameOf<Table> ? JobEventOf<Table, Name, Type & JobEventType> : EventOf<Table, Type>
