/** In which order jobs may start: how each queue sorts its own, whose priorities rise, and which workers are kept free. */
import type { JobRecord } from '../../src/job/record.ts'
import type { Reserve } from '../../src/pool/spared.ts'
import type { LineOptions } from '../../src/queue/line.ts'
import type { SimClock } from './sim-clock.ts'
import type { SimTask, SimWorker } from './sim-worker.ts'
import type { Stats } from './stats.ts'
import { assert } from './truth.ts'

export interface OrderSettings {
  /** By queue. */
  readonly queues: Readonly<Record<string, Pick<LineOptions, 'lifo' | 'ageing'>>>
  readonly reserve: Reserve | undefined
  readonly workersMax: number
}

export class OrderOracle {
  readonly #settings: OrderSettings
  readonly #clock: SimClock
  readonly #stats: Stats
  /** What runs or ran in this life, and may not use the workers that are kept free. */
  readonly #ordinary = new WeakSet<SimTask>()

  constructor(settings: OrderSettings, clock: SimClock, stats: Stats) {
    this.#settings = settings
    this.#clock = clock
    this.#stats = stats
  }

  /** Whether `other` must not be passed over by `started`. */
  isAhead(other: JobRecord, started: JobRecord): boolean {
    // Suspects stand in no line.
    if (started.crashes > 0)
      return other.priority !== started.priority ? other.priority > started.priority : isOlder(other, started)
    const { lifo, ageing } = this.#settings.queues[started.queue] ?? {}
    if (other.queue !== started.queue) return this.#isAheadElsewhere(other, started)
    if (ageing) {
      // The priorities of both have risen by the same: what is left is what the one has risen before the other came. So nobody is
      // overtaken by a job that comes later than the stated bound.
      const lead = other.priority - started.priority + ((started.dueAt - other.dueAt) * ageing.by) / ageing.everyMs
      return lead !== 0 ? lead > 0 : isOlder(other, started)
    }
    if (other.priority !== started.priority) return other.priority > started.priority
    return lifo ? isOlder(started, other) : isOlder(other, started)
  }

  /** The start was decided when the clock stood between its extremes. */
  #isAheadElsewhere(other: JobRecord, started: JobRecord): boolean {
    const [least, most] = [this.#priorityAt(this.#clock.lowest, other), this.#priorityAt(this.#clock.highest, started)]
    const { reserve } = this.#settings
    // It has to leave a worker free for the one that is urgent.
    if (reserve && least < reserve.minPriority && most >= reserve.minPriority) return false
    if (least === most) return isOlder(other, started) && this.#isSteady(other) && this.#isSteady(started)
    if (least > most && !this.#isSteady(other)) this.#stats.count('jobs that have aged go before those of other queues')
    return least > most
  }

  #isSteady({ queue }: JobRecord): boolean {
    return !this.#settings.queues[queue]?.ageing
  }

  #priorityAt(wallMs: number, { queue, priority, dueAt }: JobRecord): number {
    const { ageing } = this.#settings.queues[queue] ?? {}
    return ageing ? priority + (Math.max(0, wallMs - dueAt) * ageing.by) / ageing.everyMs : priority
  }

  /** A job is on a thread. */
  ran(task: SimTask, { queue, priority }: JobRecord, workers: readonly SimWorker[]): void {
    const { reserve, workersMax, queues } = this.#settings
    if (!reserve || priority >= reserve.minPriority || queues[queue]?.ageing) return
    this.#ordinary.add(task)
    const taken = workers.filter((worker) => {
      const isOn = (each: SimTask) => this.#ordinary.has(each) && !each.isOver && worker.mayRun(each)
      return !worker.isDead && !worker.isClosing && [...worker.known.values()].some(isOn)
    })
    const most = Math.max(1, workersMax - reserve.workers)
    if (taken.length === most && most < workersMax) this.#stats.count('workers kept free')
    assert(taken.length <= most, 'I7', () => `ordinary jobs are on ${taken.length} workers, of ${most}`)
  }
}

const isOlder = (a: JobRecord, b: JobRecord): boolean => (a.dueAt !== b.dueAt ? a.dueAt < b.dueAt : a.seq < b.seq)
