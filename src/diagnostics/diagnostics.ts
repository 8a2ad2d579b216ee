import { type AnyEvent, jobEventTypes } from '../events/event-map.ts'
import { extensionPointOf } from '../extension-point.ts'
import { nodeModule } from '../platform/host.ts'
import type { JobTable } from '../thread/job-types.ts'
import type { Scheduler } from '../typed-scheduler.ts'

/** What subscribers of the channels receive. */
export interface DiagnosticsMessage {
  /** The scheduler that has emitted the event. */
  readonly scheduler: Scheduler
  /** The event, as listeners of the scheduler receive it. */
  readonly event: AnyEvent
}

/** By scheduler: what ends the publishing. */
const publishing = new WeakMap<object, () => void>()

/**
 * Publishes the events of a scheduler on channels of `node:diagnostics_channel`, where tools for observing a process find them
 * without knowing the scheduler: `offstage:job:added`, `offstage:job:started`, `offstage:job:completed`, `offstage:job:failed` and so
 * on, `offstage:worker:online`, `offstage:store:error`, `offstage:idle`. Subscribers receive a `DiagnosticsMessage`, synchronously; one
 * that throws is handled by Node, as an uncaught exception.
 *
 * Returns a function that ends it, as closing the scheduler does. A second call for the same scheduler returns the same function. A
 * channel without subscribers costs a nanosecond for each event, beside what listeners to it cost. Where there is no such module, as
 * in browsers, it does nothing.
 *
 * @example
 * ```ts
 * import { subscribe } from 'node:diagnostics_channel'
 * import { publishDiagnostics } from 'offstage/diagnostics'
 *
 * subscribe('offstage:job:failed', (message) => {
 *   const { event } = message as DiagnosticsMessage
 *   if (event.type === 'failed') console.error(event.jobId, event.error)
 * })
 * publishDiagnostics(scheduler)
 * ```
 */
export function publishDiagnostics<Table extends JobTable>(scheduler: Scheduler<Table>): () => void {
  const { engine } = extensionPointOf(scheduler)
  const there = publishing.get(scheduler)
  if (there) return there
  const { channel } = nodeModule<typeof import('node:diagnostics_channel')>('diagnostics_channel') ?? {}
  if (!channel) return () => {}
  const channels = new Map<string, ReturnType<typeof channel>>()
  // Not a listener of each type: one of `error` would keep errors from being reported.
  const stopTap = engine.bus.tap((event) => {
    let events = channels.get(event.type)
    if (!events) {
      events = channel(channelOf(event.type))
      channels.set(event.type, events)
    }
    if (events.hasSubscribers) events.publish({ scheduler, event })
  })
  const stop = () => {
    stopTap()
    callOff()
    if (publishing.get(scheduler) === stop) publishing.delete(scheduler)
  }
  publishing.set(scheduler, stop)
  const callOff = engine.onClose(stop)
  return stop
}

const channelOf = (type: string): string => `offstage:${jobEventTypes.includes(type) ? 'job:' : ''}${type}`
