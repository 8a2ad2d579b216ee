import type { State } from '../job/record.ts'

interface EventBase<Type extends string> {
  readonly type: Type
  /** Counts the events of one scheduler. */
  readonly seq: number
  /** Wall time in milliseconds. */
  readonly at: number
}

interface JobEventBase<Type extends string> extends EventBase<Type> {
  readonly jobId: string
  readonly name: string
  readonly queue: string
  /** The number of the newest attempt, 0 before the first. */
  readonly attempt: number
}

/** What happens to a job. Each is emitted after what it reports is committed to the store. */
export interface JobEventMap {
  /** A job is committed to the store. */
  added: JobEventBase<'added'> & { readonly state: State; readonly priority: number }
  /** An attempt was given to a thread. */
  started: JobEventBase<'started'>
  /** The newest progress; values in between may be left out. Not stored. */
  progress: JobEventBase<'progress'> & { readonly progress: unknown }
  /** The handler called `job.log(...args)`. Not stored. */
  log: JobEventBase<'log'> & { readonly args: readonly unknown[] }
  /** The handler called `job.send(value)`. Not stored. */
  value: JobEventBase<'value'> & { readonly value: unknown }
  /** An attempt failed and there will be another, at `runAt`. */
  retrying: JobEventBase<'retrying'> & { readonly error: unknown; readonly runAt: number }
  /** The thread ended under the job; it is queued again and no attempt is used up. */
  interrupted: JobEventBase<'interrupted'> & { readonly error: unknown }
  completed: JobEventBase<'completed'> & { readonly result: unknown }
  /** All attempts are used up. */
  failed: JobEventBase<'failed'> & { readonly error: unknown }
  cancelled: JobEventBase<'cancelled'> & { readonly error: unknown }
  /** The record is gone: by `remove`, replaced by a job of the same id, or kept long enough. */
  removed: JobEventBase<'removed'> & { readonly reason: 'removed' | 'replaced' | 'retention' }
}

/** What happens to the scheduler. */
interface SchedulerEventMap {
  /** Nothing is queued, running or waiting for another attempt. */
  idle: EventBase<'idle'>
  /** The scheduler was paused, or the queue that is named. */
  paused: EventBase<'paused'> & { readonly queue: string | undefined }
  resumed: EventBase<'resumed'> & { readonly queue: string | undefined }
  /** A thread has loaded the worker module and is ready. */
  'worker:online': EventBase<'worker:online'> & { readonly workerId: number }
  /** A thread has ended, or could not be started; `error` says why unless it was ended for want of work. */
  'worker:exit': EventBase<'worker:exit'> & { readonly workerId: number; readonly error: unknown }
  /** This tab or process runs the jobs now, or no longer. */
  leader: EventBase<'leader'> & { readonly isLeader: boolean }
  'store:error': EventBase<'store:error'> & { readonly error: unknown }
  /** Something of yours threw where nobody can catch it: a listener or a callback. */
  error: EventBase<'error'> & { readonly error: unknown }
}

export interface EventMap extends JobEventMap, SchedulerEventMap {}
export type EventType = keyof EventMap
export type JobEventType = keyof JobEventMap
export type AnyEvent = EventMap[EventType]
export type JobEvent = JobEventMap[JobEventType]

/** A list for checks at the door: the type above, as values. */
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

/** The events after which a job has nothing more to say. */
export const isLast = (type: string): boolean =>
  type === 'completed' || type === 'failed' || type === 'cancelled' || type === 'removed'
