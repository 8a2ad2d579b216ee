import type { EventBus } from '../events/event-bus.ts'
import type { JobEvent, JobEventMap, JobEventType } from '../events/event-map.ts'
import { finishedAt, isTerminal, type JobRecord, type State } from '../job/record.ts'
import { signalsAwaited } from '../job/waits.ts'
import type { JobView } from './job-view.ts'
import type { Step } from './steps.ts'

type Details<Type extends JobEventType> = Omit<
  JobEventMap[Type],
  'type' | 'seq' | 'at' | 'jobId' | 'name' | 'queue' | 'attempt'
>

/** Emits the events of jobs. An event that has no listener is never built. */
export class Notifier {
  readonly #bus: EventBus

  constructor(bus: EventBus) {
    this.#bus = bus
  }

  announce<Type extends JobEventType>(job: JobView, type: Type, details: Details<Type>): void {
    if (!this.#hasListener(job, type)) return
    const event = this.#make(job.visible, type, details) as JobEvent
    this.#bus.emit(event)
    for (const watcher of [...(job.observers?.watchers ?? [])]) this.#bus.call(watcher, event)
  }

  #hasListener(job: JobView, type: JobEventType): boolean {
    return this.#bus.hasListener(type) || (job.observers !== undefined && job.observers.watchers.size > 0)
  }

  /** Emits the event of a committed step, if it has one. A start is announced separately, when the attempt is sent. */
  announceStep(job: JobView, type: Step['type'], record: JobRecord): void {
    const eventType = eventOf(type, record.state)
    if (!eventType || !this.#hasListener(job, eventType)) return
    const { state, error, priority, result, runAt } = record
    if (eventType === 'added') this.announce(job, eventType, { state, priority })
    else if (eventType === 'completed') this.announce(job, eventType, { result })
    else if (eventType === 'retrying') this.announce(job, eventType, { error, runAt: runAt ?? this.#bus.now() })
    else if (eventType === 'snoozed') this.announce(job, eventType, { runAt: runAt ?? this.#bus.now() })
    else if (eventType === 'waiting') this.announce(job, eventType, { runAt, signals: signalsAwaited(record) })
    else this.announce(job, eventType, { error })
  }

  /**
   * Called when an engine finds a job again that may have ended meanwhile. Watchers of the job are notified of its end.
   * Listeners of the scheduler are notified only if the job was known `before`; otherwise its end is no news.
   */
  catchUp(job: JobView, before: JobRecord | undefined): void {
    const { visible, observers } = job
    if (!isTerminal(visible.state) || (before && finishedAt(before)) === finishedAt(visible)) return
    if (before) return this.announceStep(job, 'complete', visible)
    const event = this.lastEvent(job) as JobEvent
    for (const watcher of [...(observers?.watchers ?? [])]) this.#bus.call(watcher, event)
  }

  /** Notifies the observers of the job that it has a new snapshot. */
  snapshotChanged(job: JobView): void {
    if (job.observers) for (const observer of [...job.observers.subscribers]) this.#bus.call(observer)
  }

  /** Returns the event with which the job ended, for listeners that come later; `undefined` if it has not ended. */
  lastEvent({ visible }: JobView): JobEvent | undefined {
    const { state, result, error } = visible
    if (!isTerminal(state)) return undefined
    if (state === 'completed') return this.#make(visible, 'completed', { result })
    return this.#make(visible, state as 'failed', { error })
  }

  #make<Type extends JobEventType>(record: JobRecord, type: Type, details: Details<Type>): JobEventMap[Type] {
    const { id: jobId, name, queue, attempt } = record
    return this.#bus.make(type, { jobId, name, queue, attempt, ...details } as never)
  }
}

/** Returns the type of event of a committed step, if it has one. */
function eventOf(
  type: Step['type'],
  state: State,
): 'added' | 'completed' | 'failed' | 'cancelled' | 'interrupted' | 'retrying' | 'snoozed' | 'waiting' | undefined {
  if (type === 'insert') return 'added'
  if (state === 'completed' || state === 'failed' || state === 'cancelled') return state
  if (type === 'interrupt' || type === 'crash') return 'interrupted'
  if (type === 'wait') return state === 'queued' ? undefined : 'waiting'
  return type === 'fail' ? 'retrying' : type === 'snooze' ? 'snoozed' : undefined
}
