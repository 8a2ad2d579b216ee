import { type AnyEvent, type EventType, eventTypes, isExtensionEvent, type JobEvent } from './events/event-map.ts'
import { idCheck } from './job/job-options.ts'
import * as check from './shared/check.ts'

/** Which events to receive: those that match every given field. A field that is `undefined` filters nothing. */
export interface EventFilter<
  Type extends EventType = EventType,
  // biome-ignore lint/suspicious/noExplicitAny: a filter that knows of no table fits every scheduler's.
  Name extends string | undefined = any,
> {
  /** The type of the event, or one of several. */
  readonly type?: Type | readonly Type[] | undefined
  /** The id of the job. */
  readonly jobId?: string | undefined
  /** The type of the job. */
  readonly name?: Name
  /** The queue: events of its jobs, and of the queue itself when it is paused or resumed. */
  readonly queue?: string | undefined
}

/** The types of all events, with those of extensions among the given: no list has these. */
const typesWith = (given: unknown): readonly string[] =>
  eventTypes.concat([given].flat().filter(isExtensionEvent) as string[])

export const eventFilterChecks: check.Checks = {
  type: (value) => check.someOf(...typesWith(value))(value),
  jobId: idCheck,
  name: check.text,
  queue: check.text,
}

export function fitsEvent(event: AnyEvent, { type, jobId, name, queue }: EventFilter): boolean {
  const { jobId: eventJobId, name: eventName, queue: eventQueue } = event as Partial<JobEvent>
  if (jobId !== undefined && jobId !== eventJobId) return false
  if (name !== undefined && name !== eventName) return false
  if (queue !== undefined && queue !== eventQueue) return false
  if (type === undefined) return true
  return typeof type === 'string' ? type === event.type : type.includes(event.type)
}

/** Checks the arguments of `on`, `once` and `off`. */
export function checkListener(type: string, listener: unknown, types = typesWith(type)): void {
  check.checkArgument('type', check.oneOf(...types), type)
  check.checkArgument('listener', check.callable, listener)
}
