import { createScheduler, inline, type Scheduler, type SchedulerOptions } from 'offstage'
import { blocking } from './blocking.ts'
import type { jobs } from './jobs.ts'

export type Place = 'main' | 'workers'
type Table = typeof jobs
export type PageScheduler = Scheduler<Table>

/** One run of the whole page: its jobs carry the signal, so that the next run ends them. */
export interface Performance {
  readonly scheduler: PageScheduler
  readonly signal: AbortSignal
}

const threads = Math.max(2, navigator.hardwareConcurrency - 1)

const options: SchedulerOptions<keyof Table> = {
  // What the pointer is on must not wait behind long jobs: they leave it a thread.
  queues: { default: { concurrency: threads - 1 } },
  // Their pixels are on the page by then; kept in the records they would only take memory.
  defaults: { tile: { queue: 'tiles', keepMs: 0 } },
  keep: { completed: { count: 50 }, cancelled: { count: 50 } },
}

/** Where the jobs run: two schedulers with one API, so that nothing else on the page knows the difference. */
const schedulers = {
  workers: createScheduler<Table>(() => new Worker(new URL('./jobs.ts', import.meta.url), { type: 'module' }), {
    ...options,
    workers: threads,
  }),
  main: createScheduler<Table>(inline(blocking), { ...options, workers: 1 }),
}

export class Stage {
  place: Place = 'workers'
  #run = new AbortController()

  get scheduler(): PageScheduler {
    return schedulers[this.place]
  }

  /** What is asked for now, on the scheduler of now. */
  get performance(): Performance {
    return { scheduler: this.scheduler, signal: this.#run.signal }
  }

  /** Ends what is under way. */
  clear(): void {
    this.#run.abort(new Superseded())
    this.#run = new AbortController()
  }

  switchTo(place: Place): void {
    const { isPaused } = this.scheduler
    this.clear()
    this.place = place
    if (isPaused) this.scheduler.pause()
    else this.scheduler.resume()
  }

  /** Hears of every change on either scheduler. */
  subscribe(listener: () => void): void {
    for (const scheduler of Object.values(schedulers)) scheduler.subscribe(listener)
  }
}

class Superseded extends Error {
  override readonly name = 'Superseded'
}

/** For work that the next run ends: that is no error. */
export function unlessSuperseded(error: unknown): void {
  if (!(error instanceof Superseded)) throw error
}
