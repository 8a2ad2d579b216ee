import type { EventBus } from '../events/event-bus.ts'
import { queueOf } from '../job/queue-key.ts'
import { type QueueSettings, unlike } from '../queue/settings.ts'
import type { Row } from '../store/store.ts'
import type { EngineQueues } from './engine.ts'
import type { Lines } from './lines.ts'

/** The table in the store, with a row for each queue, or group of a queue, that has settings. Its key names it (`queueKey`). */
export const queueTable = 'offstage:queues'

/** What the settings of queues need of `Jobs`. */
interface Keeper {
  readonly bus: EventBus
  readonly lines: Lines
  keep(row: Row, afterwards: () => void): void
}

/**
 * What is set of queues at run time. It is kept with the store, and holds in place of the options whoever runs the jobs next,
 * until it is set back. A queue whose settings are those of the options again keeps nothing.
 *
 * A setting holds at once. It is written like a move that has already happened: the store may put it off, but not refuse it.
 */
export class KeptSettings {
  readonly #jobs: Keeper
  readonly #options: EngineQueues
  readonly #kept = new Map<string, QueueSettings>()

  constructor(jobs: Keeper, options: EngineQueues) {
    this.#jobs = jobs
    this.#options = options
  }

  restore(rows: readonly Row[]): void {
    for (const { table, key, value } of rows) {
      if (table !== queueTable) continue
      this.#kept.set(key, value as QueueSettings)
      this.#jobs.lines.set(key, value as QueueSettings)
    }
  }

  /** The keys of the queues and groups that are paused. */
  get paused(): string[] {
    return [...this.#kept].flatMap(([key, { isPaused }]) => (isPaused ? key : []))
  }

  /** `queue`: names a queue, or one of its groups. `null`: back to the options. */
  set(queue: string, settings: QueueSettings | null): void {
    const { lines, bus } = this.#jobs
    const before = this.#kept.get(queue)
    const options = this.#optionsOf(queue)
    const after = settings ? unlike({ ...before, ...settings }, options) : undefined
    if (after) this.#kept.set(queue, after)
    else this.#kept.delete(queue)
    const now = settings ?? options
    const keep = () => {
      if (before || after) this.#jobs.keep({ table: queueTable, key: queue, value: after }, announce)
    }
    const announce = () => {
      if (after?.isPaused === before?.isPaused) return
      const [name, group] = queueOf(queue)
      bus.publish(after?.isPaused ? 'paused' : 'resumed', { queue: name, group })
    }
    // The event of a resume comes before those of the jobs that start.
    if (!now.isPaused) keep()
    lines.set(queue, now)
    if (now.isPaused) keep()
  }

  #optionsOf(key: string): QueueSettings {
    const [queue, group] = queueOf(key)
    if (group !== undefined) return this.#jobs.lines.optionsOfGroup(queue, group)
    const { concurrency = Number.POSITIVE_INFINITY, rateLimit = null } = this.#options[queue] ?? {}
    return { isPaused: false, concurrency, rateLimit }
  }
}
