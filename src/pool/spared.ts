import type { Attempt, PoolWorker } from './pool-worker.ts'

/** Workers that are kept free for urgent jobs. */
export interface Reserve {
  /** How many workers are kept free. One worker at least is left for all other jobs. */
  readonly workers: number
  /** The lowest priority of the jobs that they are kept free for. */
  readonly minPriority: number
}

/** Counts the workers with ordinary jobs on them. So many others stay without. */
export class Spared {
  readonly minPriority: number
  readonly #workersMax: number
  #workers = 0
  readonly #ordinary = new Set<Attempt>()

  constructor({ workers, minPriority }: Reserve, poolMax: number) {
    this.minPriority = minPriority
    this.#workersMax = Math.max(1, poolMax - workers)
  }

  /** Whether the worker may take an ordinary job. */
  lets({ ordinary }: PoolWorker): boolean {
    return ordinary > 0 || this.#workers < this.#workersMax
  }

  reserved(attempt: Attempt, priority: number): void {
    if (priority >= this.minPriority) return
    this.#ordinary.add(attempt)
    if (attempt.worker.ordinary++ === 0) this.#workers++
  }

  freed(attempt: Attempt): void {
    if (this.#ordinary.delete(attempt) && --attempt.worker.ordinary === 0) this.#workers--
  }
}
