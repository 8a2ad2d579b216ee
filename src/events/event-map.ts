import type { State } from '../job/record.ts'

interface EventBase<Type extends string> {
  /** What has happened. */
  readonly type: Type
  /** The number of the event. It counts the events of one scheduler. */
  readonly seq: number
  /** Wall time in milliseconds since 1970. */
  readonly at: number
}

interface JobEventBase<Type extends string, Name extends string> extends EventBase<Type> {
  /** The id of the job. */
  readonly jobId: string
  /** The job type. */
  readonly name: Name
  /** The name of its queue. */
  readonly queue: string
  /** The number of the newest attempt, 0 before the first. */
  readonly attempt: number
}

/** The events of a job. Each is emitted after what it reports is committed to the store. */
export interface JobEventMap<Result = unknown, Progress = unknown, Value = unknown, Name extends string = string> {
  /** A job is committed to the store, in this state and with this priority. */
  added: JobEventBase<'added', Name> & { readonly state: State; readonly priority: number }
  /** An attempt was given to a thread: to the one with this `workerId`, as `worker:online` has named it. */
  started: JobEventBase<'started', Name> & { readonly workerId: number }
  /** The job's newest progress. Values in between may be left out. Not stored. */
  progress: JobEventBase<'progress', Name> & { readonly progress: Progress }
  /** The handler called `job.log(...args)`. Not stored. */
  log: JobEventBase<'log', Name> & { readonly args: readonly unknown[] }
  /** The handler called `job.send(value)`. Not stored. */
  value: JobEventBase<'value', Name> & { readonly value: Value }
  /** An attempt failed with `error`. Another will follow at `runAt` (wall time in milliseconds since 1970). */
  retrying: JobEventBase<'retrying', Name> & { readonly error: unknown; readonly runAt: number }
  /** The handler has put the job off with `job.snooze`, until `runAt` (wall time in milliseconds since 1970). */
  snoozed: JobEventBase<'snoozed', Name> & { readonly runAt: number }
  /**
   * The handler waits with `job.sleep` or `job.waitFor`, and holds no thread: until `runAt` (wall time in milliseconds since 1970),
   * if it is given, or until one of these `signals` comes.
   */
  waiting: JobEventBase<'waiting', Name> & { readonly runAt: number | undefined; readonly signals: readonly string[] }
  /** `scheduler.signal` has sent the job this `signal`, with this value. It is kept until the handler receives it. */
  signal: JobEventBase<'signal', Name> & { readonly signal: string; readonly value: unknown }
  /** The thread ended while it ran the job; `error` says why. The job is queued again, and no attempt is used up. */
  interrupted: JobEventBase<'interrupted', Name> & { readonly error: unknown }
  /** The handler has returned `result`. */
  completed: JobEventBase<'completed', Name> & { readonly result: Result }
  /**
   * The job has failed for good: its attempts are used up, another would fail the same way, it did not start in time, or it was
   * interrupted too often.
   */
  failed: JobEventBase<'failed', Name> & { readonly error: unknown }
  /** The job was cancelled, or its signal was aborted. `error` says why. */
  cancelled: JobEventBase<'cancelled', Name> & { readonly error: unknown }
  /** The record is gone: `remove` was called, a job with the same id took its place, or it was kept long enough. */
  removed: JobEventBase<'removed', Name> & { readonly reason: 'removed' | 'replaced' | 'retention' }
}

/** The events of the scheduler itself. */
interface SchedulerEventMap {
  /** No job is queued, running or waiting for another attempt. */
  idle: EventBase<'idle'>
  /** The scheduler was paused; or, if `queue` is given, that queue; or, if `group` is given as well, that group of the queue. */
  paused: EventBase<'paused'> & { readonly queue: string | undefined; readonly group: string | undefined }
  /** The scheduler was resumed, or the queue, or the group of the queue. */
  resumed: EventBase<'resumed'> & { readonly queue: string | undefined; readonly group: string | undefined }
  /**
   * The rate limit of a queue has begun to hold jobs back; or, if `group` is given, that of this group of the queue.
   * `nextStartAt`: when it lets the next one start at the latest, in milliseconds since 1970. The threads have not reported yet that
   * the last ones have started; `queue.nextStartAt` knows it better afterwards.
   */
  'rate-limited': EventBase<'rate-limited'> & {
    readonly queue: string
    readonly group: string | undefined
    readonly nextStartAt: number
  }
  /** A thread has loaded the worker module and is ready. */
  'worker:online': EventBase<'worker:online'> & { readonly workerId: number }
  /**
   * A thread has ended, or could not be started. `error` says why; it is `undefined` if the scheduler ended the thread because
   * there was no work for it.
   */
  'worker:exit': EventBase<'worker:exit'> & { readonly workerId: number; readonly error: unknown }
  /** This tab or process has begun to run the jobs (`isLeader`), or has ceased to. */
  leader: EventBase<'leader'> & { readonly isLeader: boolean }
  /** The store could not write, is damaged, or is held by another process or tab. `error.code` says which. */
  'store:error': EventBase<'store:error'> & { readonly error: unknown }
  /** A listener or a callback of the application threw, and no other code could catch it. */
  error: EventBase<'error'> & { readonly error: unknown }
}

/** The events of schedules, if `offstage/schedules` is attached. */
interface ScheduleEventMap {
  /** A schedule has added the job of an occurrence, which is `scheduledFor` (wall time in milliseconds since 1970). */
  'schedule:fired': EventBase<'schedule:fired'> & {
    readonly scheduleId: string
    readonly jobId: string
    readonly scheduledFor: number
  }
  /**
   * An occurrence adds no job: it was `missed`, the job of the one before has not ended (`overlap`), or its job was `refused`,
   * and `error` says why. Of several that were missed the event names the first.
   */
  'schedule:skipped': EventBase<'schedule:skipped'> & {
    readonly scheduleId: string
    readonly scheduledFor: number
    readonly reason: 'missed' | 'overlap' | 'refused'
    readonly error: unknown
  }
}

/** The events of flows, if `offstage/flows` is attached. */
interface FlowEventMap {
  /** All jobs of a flow have ended, and none has failed but those in spite of which others went on. */
  'flow:completed': EventBase<'flow:completed'> & { readonly flowId: string }
  /** All jobs of a flow have ended. `key` and `jobId`: the first that failed or was cancelled. */
  'flow:failed': EventBase<'flow:failed'> & { readonly flowId: string; readonly key: string; readonly jobId: string }
}

/** The events of a history, if `offstage/history` is attached. */
interface HistoryEventMap {
  /** An entry was written down, whose number is `lastSeq`. */
  'history:written': EventBase<'history:written'> & { readonly lastSeq: number }
}

/** The events of batches, if they are attached. */
interface BatchEventMap {
  /**
   * The counts of a batch have changed. `isEnded`: all of its jobs have ended, and no more can come. Of two events of a batch, that
   * with the higher `version` is newer.
   */
  'batch:changed': EventBase<'batch:changed'> & {
    readonly batchId: string
    readonly version: number
    readonly isEnded: boolean
    readonly total: number
    readonly completed: number
    readonly failed: number
    readonly cancelled: number
    readonly pending: number
  }
}

/**
 * Every event by its type. Open to extensions, whose events then are known to `on` and `events`:
 *
 * @example
 * ```ts
 * declare module 'offstage' {
 *   interface EventMap {
 *     'backup:done': { readonly type: 'backup:done'; readonly seq: number; readonly at: number; readonly bytes: number }
 *   }
 * }
 * ```
 */
export interface EventMap
  extends JobEventMap,
    SchedulerEventMap,
    ScheduleEventMap,
    FlowEventMap,
    BatchEventMap,
    HistoryEventMap {}
/** The types of all events. */
export type EventType = keyof EventMap
/** The types of the events of jobs. */
export type JobEventType = keyof JobEventMap
/** Any event. */
export type AnyEvent = EventMap[EventType]
/** Any event of a job. */
export type JobEvent<Result = unknown, Progress = unknown, Value = unknown, Name extends string = string> = JobEventMap<
  Result,
  Progress,
  Value,
  Name
>[JobEventType]

/** The types of an extension's events: a word, a colon, a word, and none of ours. */
export const isExtensionEvent = (type: unknown): boolean =>
  typeof type === 'string' && /^(?!worker:|store:).+:./.test(type)

/** The names of the events of jobs as values, for checks at run time. */
export const jobEventTypes: readonly string[] = Object.keys({
  added: 0,
  started: 0,
  progress: 0,
  log: 0,
  value: 0,
  retrying: 0,
  snoozed: 0,
  waiting: 0,
  signal: 0,
  interrupted: 0,
  completed: 0,
  failed: 0,
  cancelled: 0,
  removed: 0,
} satisfies Record<JobEventType, 0>)

/** The names of all events, without those of extensions. */
export const eventTypes: readonly string[] = jobEventTypes.concat(
  Object.keys({
    idle: 0,
    paused: 0,
    resumed: 0,
    'rate-limited': 0,
    'worker:online': 0,
    'worker:exit': 0,
    leader: 0,
    'store:error': 0,
    error: 0,
  } satisfies Record<keyof SchedulerEventMap, 0>),
)

/** Whether no event of the same job follows. */
export const isLast = (type: string): boolean =>
  type === 'completed' || type === 'failed' || type === 'cancelled' || type === 'removed'
