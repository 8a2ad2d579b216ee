import type { JobView } from '../engine/job-view.ts'

/** Jobs whose values are read here while another engine runs them, by the number under which it sends them. */
export class Readings {
  readonly #jobs = new Map<number, JobView>()
  #last = 0

  get all(): [reading: number, job: JobView][] {
    return [...this.#jobs]
  }

  begin(job: JobView): number {
    this.#jobs.set(++this.#last, job)
    return this.#last
  }

  /** A job has one reader at a time. */
  of(job: JobView): number | undefined {
    for (const [reading, read] of this.#jobs) if (read === job) return reading
    return undefined
  }

  job(reading: number): JobView | undefined {
    return this.#jobs.get(reading)
  }

  end(reading: number | undefined): void {
    this.#jobs.delete(reading as number)
  }

  clear(): void {
    this.#jobs.clear()
  }
}
