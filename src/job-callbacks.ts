import type { EventBus } from './events/event-bus.ts'
import type { JobEvent } from './events/event-map.ts'
import type { JobCallbacks, JobOptions } from './job/job-options.ts'

export function hasCallbacks(options: JobCallbacks): boolean {
  const { onStarted, onProgress, onLog, onValue, onCompleted, onFailed, onSettled } = options
  return Boolean(onStarted || onProgress || onLog || onValue || onCompleted || onFailed || onSettled)
}

/** Whether the caller attaches anything to the job: callbacks or a signal. */
export const hasAttachments = (options: JobOptions): boolean => options.signal !== undefined || hasCallbacks(options)

export function runAll(stops: readonly (() => void)[]): void {
  for (const stop of stops) stop()
}

/** Returns a listener that calls the callbacks of a job. It calls `stops` when the job has ended. */
export function listenerOf(
  callbacks: JobCallbacks,
  stops: readonly (() => void)[],
  bus: EventBus,
): (event: JobEvent) => void {
  const { onStarted, onProgress, onLog, onValue, onCompleted, onFailed, onSettled } = callbacks
  const settled = (error: unknown, result: unknown) => {
    runAll(stops)
    if (onSettled) bus.call(onSettled, error, result)
  }
  return (event) => {
    switch (event.type) {
      case 'started':
        return onStarted?.(event.attempt)
      case 'progress':
        return onProgress?.(event.progress)
      case 'log':
        return onLog?.(...event.args)
      case 'value':
        return onValue?.(event.value)
      case 'completed':
        if (onCompleted) bus.call(onCompleted, event.result)
        return settled(undefined, event.result)
      case 'failed':
        if (onFailed) bus.call(onFailed, event.error)
        return settled(event.error, undefined)
      case 'cancelled':
        return settled(event.error, undefined)
    }
  }
}
