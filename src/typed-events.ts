import type { EventMap, EventType, JobEventMap, JobEventType } from './events/event-map.ts'
import type { ProgressOf, ResultOf, ValueOf } from './thread/job-types.ts'
import type { NameOf } from './typed-job.ts'

/** Events of these types of a job of this type; of several types of job it is one of them, told by `name`. */
export type JobEventOf<Table, Name extends NameOf<Table> = NameOf<Table>, Type extends JobEventType = JobEventType> =
  Name extends NameOf<Table>
    ? JobEventMap<ResultOf<Table[Name]>, ProgressOf<Table[Name]>, ValueOf<Table[Name]>, Name>[Type]
    : never

/** What a listener of this type of event hears. */
export type EventOf<Table, Type extends EventType = EventType> = Type extends JobEventType
  ? JobEventOf<Table, NameOf<Table>, Type>
  : EventMap[Type]

/** What fits a filter for these types of events, and for jobs of this name where one is given. */
export type FilteredEvent<Table, Type extends EventType, Name extends string | undefined> =
  Name extends NameOf<Table> ? JobEventOf<Table, Name, Type & JobEventType> : EventOf<Table, Type>
