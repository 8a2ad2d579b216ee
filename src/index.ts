export type {
  CleanFilter,
  CloseMode,
  Counts,
  Disposition,
  FindOptions,
  JobFilter,
  QueueState,
  Recorded,
  SchedulerSnapshot,
  Stats,
  Totals,
  WaitReason,
} from './engine/engine.ts'
export type { JobSnapshot } from './engine/job-observers.ts'
export type { EventFilter } from './event-filter.ts'
export type { AnyEvent, EventMap, EventType, JobEvent, JobEventMap, JobEventType } from './events/event-map.ts'
export type { ValueStream } from './events/numbered-stream.ts'
export type { EventStream } from './events/stream.ts'
export type { JobDefaults, JobOptions } from './job/job-options.ts'
export type { Backoff, JobHeaders, State } from './job/record.ts'
export type { JobRequest } from './job-calls.ts'
export type { WatchFilter } from './job-filter.ts'
export type { AddRequest, Middleware } from './job-middleware.ts'
export type { WorkerOptions, WorkerSource } from './platform/spawn.ts'
export type { Condition } from './queue/gate.ts'
export type { LineOptions as QueueOptions } from './queue/line.ts'
export type { RateLimit } from './queue/rate-limit.ts'
export type { Queue, QueueGroup } from './queue-handle.ts'
export { createScheduler, inline } from './scheduler.ts'
export type { CloseOptions, KeepOptions, SchedulerOptions, WorkersOptions } from './scheduler-options.ts'
export type { Clock } from './shared/clock.ts'
export type { EngineSource } from './shared/engine-source.ts'
export type { ErrorCode } from './shared/errors.ts'
export { OffstageError } from './shared/errors.ts'
export type { QueueOrder } from './shared/queue-order.ts'
export type { StandardSchema } from './shared/standard-schema.ts'
export type { Change, Row, Store, Stored, StoreHost } from './store/store.ts'
export type { JobTable } from './thread/job-types.ts'
export type { EventOf, JobEventOf } from './typed-events.ts'
export type { AnyJobOf, Job, JobOf, ValuesOptions } from './typed-job.ts'
export type { JobUpdate, JobWatch, RestartOptions, Scheduler } from './typed-scheduler.ts'
