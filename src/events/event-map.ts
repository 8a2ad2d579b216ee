import type { State } from '../job/record.ts'

interface EventBase<Type extends string> {
  readonly type: Type
  /** The number of the event. It counts the events of one scheduler. */
  readonly seq: number
  /** Wall time in milliseconds since 1970. */
  readonly at: number
}

interface JobEventBase<Type extends string> extends EventBase<Type> {
  readonly jobId: string
  readonly name: string
  readonly queue: string
  /** The number of the newest attempt, 0 before the first. */
  readonly attempt: number
}

/** The events of a job. Each is emitted after what it reports is committed to the store. */
export interface JobEventMap {
  /** A job is committed to the store. */
  added: JobEventBase<'added'> & { readonly state: State; readonly priority: number }
  /** An attempt was given to a thread. */
  started: JobEventBase<'started'>
  /** The job's newest progress. Values in between may be left out. Not stored. */
  progress: JobEventBase<'progress'> & { readonly progress: unknown }
  /** The handler called `job.log(...args)`. Not stored. */
  log: JobEventBase<'log'> & { readonly args: readonly unknown[] }
  /** The handler called `job.send(value)`. Not stored. */
  value: JobEventBase<'value'> & { readonly value: unknown }
  /** An attempt failed. Another will follow at `runAt` (wall time in milliseconds since 1970). */
  retrying: JobEventBase<'retrying'> & { readonly error: unknown; readonly runAt: number }
  /** The thread ended while it ran the job. The job is queued again, and no attempt is used up. */
  interrupted: JobEventBase<'interrupted'> & { readonly error: unknown }
  completed: JobEventBase<'completed'> & { readonly result: unknown }
  /**
   * The job has failed for good: its attempts are used up, another would fail the same way, it did not start in time, or it was
   * interrupted too often.
   */
  failed: JobEventBase<'failed'> & { readonly error: unknown }
  cancelled: JobEventBase<'cancelled'> & { readonly error: unknown }
  /** The record is gone: `remove` was called, a job with the same id took its place, or it was kept long enough. */
  removed: JobEventBase<'removed'> & { readonly reason: 'removed' | 'replaced' | 'retention' }
}

/** The events of the scheduler itself. */
interface SchedulerEventMap {
  /** No job is queued, running or waiting for another attempt. */
  idle: EventBase<'idle'>
  /** The scheduler was paused; or, if `queue` is given, that queue. */
  paused: EventBase<'paused'> & { readonly queue: string | undefined }
  resumed: EventBase<'resumed'> & { readonly queue: string | undefined }
  /** A thread has loaded the worker module and is ready. */
  'worker:online': EventBase<'worker:online'> & { readonly workerId: number }
  /**
   * A thread has ended, or could not be started. `error` says why; it is `undefined` if the scheduler ended the thread because
   * there was no work for it.
   */
  'worker:exit': EventBase<'worker:exit'> & { readonly workerId: number; readonly error: unknown }
  /** This tab or process has begun to run the jobs (`isLeader`), or has ceased to. */
  leader: EventBase<'leader'> & { readonly isLeader: boolean }
  'store:error': EventBase<'store:error'> & { readonly error: unknown }
  /** A listener or a callback of the application threw, and no other code could catch it. */
  error: EventBase<'error'> & { readonly error: unknown }
}

/**
 * Open to extensions: `declare module 'offstage' { interface EventMap { 'flow:completed': { … } } }` types what they tell.
 */
export interface EventMap extends JobEventMap, SchedulerEventMap {}
export type EventType = keyof EventMap
export type JobEventType = keyof JobEventMap
export type AnyEvent = EventMap[EventType]
export type JobEvent = JobEventMap[JobEventType]

/** The types of an extension's events: a word, a colon, a word, and none of ours. */
export const isExtensionEvent = (type: unknown): boolean =>
  typeof type === 'string' && /^(?!worker:|store:).+:./.test(type)

/** The names of all events as values, for checks at run time. */
export const eventTypes: readonly string[] = Object.keys({
  added: 0,
  started: 0,
  progress: 0,
  log: 0,
  value: 0,
  retrying: 0,
  interrupted: 0,
  completed: 0,
  failed: 0,
  cancelled: 0,
  removed: 0,
  idle: 0,
  paused: 0,
  resumed: 0,
  'worker:online': 0,
  'worker:exit': 0,
  leader: 0,
  'store:error': 0,
  error: 0,
} satisfies Record<EventType, 0>)

/** Whether no event of the same job follows. */
export const isLast = (type: string): boolean =>
  type === 'completed' || type === 'failed' || type === 'cancelled' || type === 'removed'
