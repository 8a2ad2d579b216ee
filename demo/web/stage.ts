import { createScheduler, inline, OffstageError, type Scheduler, type SchedulerOptions } from 'offstage'
import type { jobs } from './jobs.ts'

export type Place = 'main' | 'workers'
type Table = typeof jobs
export type PageScheduler = Scheduler<Table>

/** One run of the whole page: its jobs carry the signal, so that the next run ends them. */
export interface Performance {
  readonly scheduler: PageScheduler
  readonly signal: AbortSignal
}

/** As many as there are cores, and never so few that long jobs would have to take turns. */
const threads = Math.max(3, navigator.hardwareConcurrency)

const options: SchedulerOptions<keyof Table> = {
  // What the pointer is on must not wait behind long jobs: they leave it a thread.
  queues: { default: { concurrency: threads - 1 } },
  // Their pixels are on the page by then; kept in the records they would only take memory.
  defaults: { tile: { queue: 'tiles', keepMs: 0 } },
  keep: { completed: { count: 50 }, cancelled: { count: 50 } },
}

/** Where the jobs run: two schedulers with one API, so that nothing else on the page knows the difference. */
export class Stage {
  place: Place = 'workers'
  /** Called when a job has held this thread, with the times when that began and ended. */
  onHeld: (from: number, to: number) => void = () => {}
  /** Called when a job was completed. */
  onJobEnd: () => void = () => {}
  readonly #schedulers: { workers: PageScheduler; main?: PageScheduler } = {
    workers: createScheduler<Table>(() => new Worker(new URL('./jobs.ts', import.meta.url), { type: 'module' }), {
      ...options,
      workers: threads,
    }),
  }
  readonly #listeners: (() => void)[] = []
  #run = new AbortController()

  constructor() {
    this.#listen(this.scheduler)
  }

  get scheduler(): PageScheduler {
    return this.#schedulers[this.place] as PageScheduler
  }

  /** What is asked for now, on the scheduler of now. */
  get performance(): Performance {
    return { scheduler: this.scheduler, signal: this.#run.signal }
  }

  /** Ends what is under way; what comes next runs there. A pause goes on. */
  async begin(place: Place): Promise<void> {
    const { isPaused } = this.scheduler
    this.#run.abort(new Superseded())
    this.#run = new AbortController()
    if (place === 'main') this.#schedulers.main ??= await this.#mainThread()
    this.place = place
    if (isPaused) this.scheduler.pause()
    else this.scheduler.resume()
  }

  /** Hears of every change on either scheduler. */
  subscribe(listener: () => void): void {
    this.#listeners.push(listener)
  }

  /** Loaded when it is asked for: in workers the page does without the code of the jobs. */
  async #mainThread(): Promise<PageScheduler> {
    const { blocking } = await import('./blocking.ts')
    const table = blocking((from, to) => this.onHeld(from, to))
    const scheduler = createScheduler<Table>(inline(table), { ...options, workers: 1 })
    this.#listen(scheduler)
    return scheduler
  }

  #listen(scheduler: PageScheduler): void {
    scheduler.on('completed', () => this.onJobEnd())
    scheduler.subscribe(() => {
      for (const listener of this.#listeners) listener()
    })
  }
}

class Superseded extends Error {
  override readonly name = 'Superseded'
}

/** For work that the next run ends, or somebody who had it cancelled: that is no error. */
export function unlessStopped(error: unknown): void {
  const isCancelled = error instanceof OffstageError && error.code === 'JOB_CANCELLED'
  if (!(error instanceof Superseded) && !isCancelled) throw error
}
