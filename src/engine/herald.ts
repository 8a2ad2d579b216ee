import type { EventBus } from '../events/event-bus.ts'
import type { JobEvent, JobEventMap, JobEventType } from '../events/event-map.ts'
import { isTerminal, type JobRecord } from '../job/record.ts'
import type { Step } from './ledger.ts'
import type { LiveJob } from './live-job.ts'

type Details<Type extends JobEventType> = Omit<
  JobEventMap[Type],
  'type' | 'seq' | 'at' | 'jobId' | 'name' | 'queue' | 'attempt'
>

/** Tells whoever listens what has become of a job. Nothing is built that nobody hears. */
export class Herald {
  readonly #bus: EventBus

  constructor(bus: EventBus) {
    this.#bus = bus
  }

  announce<Type extends JobEventType>(job: LiveJob, type: Type, details: Details<Type>): void {
    const watchers = job.audience?.watchers
    if (!watchers?.size && !this.#bus.isHeard(type)) return
    const event = this.#make(job.safe, type, details) as JobEvent
    this.#bus.emit(event)
    for (const watcher of [...(watchers ?? [])]) this.#bus.call(watcher, event)
  }

  /** What a step means to those who listen; a start is announced by whoever sends it. */
  announceStep(job: LiveJob, type: Step['type'], record: JobRecord, now: number): void {
    const { state, error } = record
    if (type === 'insert') this.announce(job, 'added', { state, priority: record.priority })
    else if (state === 'completed') this.announce(job, 'completed', { result: record.result })
    else if (state === 'failed' || state === 'cancelled') this.announce(job, state, { error })
    else if (type === 'interrupt') this.announce(job, 'interrupted', { error })
    else if (type === 'fail') this.announce(job, 'retrying', { error, runAt: record.runAt ?? now })
  }

  /**
   * A job was met again that may have ended in the meantime. Those who wait for it hear of it; listeners of the scheduler
   * only if it was known `before`, for else it is none of the news.
   */
  catchUp(job: LiveJob, before: JobRecord | undefined, now: number): void {
    const { safe, audience } = job
    if (!isTerminal(safe.state) || before?.finishedAt === safe.finishedAt) return
    if (before) return this.announceStep(job, 'complete', safe, now)
    const event = this.lastEvent(job) as JobEvent
    for (const watcher of [...(audience?.watchers ?? [])]) this.#bus.call(watcher, event)
  }

  /** The snapshot of the job is another. */
  notify(job: LiveJob): void {
    if (job.audience) for (const observer of [...job.audience.observers]) this.#bus.call(observer)
  }

  /** The event with which a job ended, again, for whoever comes late; nothing while it has not. */
  lastEvent({ safe }: LiveJob): JobEvent | undefined {
    const { state, result, error } = safe
    if (!isTerminal(state)) return undefined
    if (state === 'completed') return this.#make(safe, 'completed', { result })
    return this.#make(safe, state as 'failed', { error })
  }

  #make<Type extends JobEventType>(record: JobRecord, type: Type, details: Details<Type>): JobEventMap[Type] {
    const { id: jobId, name, queue, attempt } = record
    return this.#bus.make(type, { jobId, name, queue, attempt, ...details } as never)
  }
}
