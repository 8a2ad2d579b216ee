import type { EventBus } from '../events/event-bus.ts'
import type { JobEvent, JobEventMap, JobEventType } from '../events/event-map.ts'
import { finishedAt, isTerminal, type JobRecord, type State } from '../job/record.ts'
import type { JobView } from './job-view.ts'
import type { Step } from './steps.ts'

type Details<Type extends JobEventType> = Omit<
  JobEventMap[Type],
  'type' | 'seq' | 'at' | 'jobId' | 'name' | 'queue' | 'attempt'
>

/** Tells whoever listens what has become of a job. Nothing is built that nobody hears. */
export class Notifier {
  readonly #bus: EventBus

  constructor(bus: EventBus) {
    this.#bus = bus
  }

  announce<Type extends JobEventType>(job: JobView, type: Type, details: Details<Type>): void {
    if (!this.#isHeard(job, type)) return
    const event = this.#make(job.visible, type, details) as JobEvent
    this.#bus.emit(event)
    for (const watcher of [...(job.observers?.watchers ?? [])]) this.#bus.call(watcher, event)
  }

  #isHeard(job: JobView, type: JobEventType): boolean {
    return this.#bus.isHeard(type) || (job.observers !== undefined && job.observers.watchers.size > 0)
  }

  /** What a step means to those who listen; a start is announced by whoever sends it. */
  announceStep(job: JobView, type: Step['type'], record: JobRecord): void {
    const eventType = eventOf(type, record.state)
    if (!eventType || !this.#isHeard(job, eventType)) return
    const { state, error, priority, result, runAt } = record
    if (eventType === 'added') this.announce(job, eventType, { state, priority })
    else if (eventType === 'completed') this.announce(job, eventType, { result })
    else if (eventType === 'retrying') this.announce(job, eventType, { error, runAt: runAt ?? this.#bus.now() })
    else this.announce(job, eventType, { error })
  }

  /**
   * A job was met again that may have ended in the meantime. Those who wait for it hear of it; listeners of the scheduler
   * only if it was known `before`, for else it is none of the news.
   */
  catchUp(job: JobView, before: JobRecord | undefined): void {
    const { visible, observers } = job
    if (!isTerminal(visible.state) || (before && finishedAt(before)) === finishedAt(visible)) return
    if (before) return this.announceStep(job, 'complete', visible)
    const event = this.lastEvent(job) as JobEvent
    for (const watcher of [...(observers?.watchers ?? [])]) this.#bus.call(watcher, event)
  }

  /** The snapshot of the job is another. */
  snapshotChanged(job: JobView): void {
    if (job.observers) for (const observer of [...job.observers.subscribers]) this.#bus.call(observer)
  }

  /** The event with which a job ended, again, for whoever comes late; nothing while it has not. */
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

/** The event of a committed step, if it has one. */
function eventOf(
  type: Step['type'],
  state: State,
): 'added' | 'completed' | 'failed' | 'cancelled' | 'interrupted' | 'retrying' | undefined {
  if (type === 'insert') return 'added'
  if (state === 'completed' || state === 'failed' || state === 'cancelled') return state
  if (type === 'interrupt' || type === 'crash') return 'interrupted'
  return type === 'fail' ? 'retrying' : undefined
}
