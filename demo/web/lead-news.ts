import type { Scheduler } from 'offstage'
import { byId, percent } from './dom.ts'
import type { PrintJob } from './print-card.ts'
import type { jobs } from './print-jobs.ts'

const hint = 'Start some, then reload, kill the tab, or open another: they go on where they were.'

/** Which tab runs the jobs, and what became of those from before when it began to. */
export class LeadNews {
  readonly #box = byId('lead')
  readonly #where = byId('where')
  readonly #text = byId('news')
  #place: 'looking' | 'here' | 'elsewhere' | 'nowhere' = 'looking'
  /** Has another tab run them, while this one looked on? */
  #hasFollowed = false
  /** What was not done yet when this tab came to know of it. */
  #before: readonly PrintJob[] | undefined
  /** By id, where they went on; undefined while they wait to. */
  readonly #interrupted = new Map<string, number | undefined>()
  #error: unknown

  constructor(scheduler: Scheduler<typeof jobs>) {
    scheduler.on('leader', ({ isLeader }) => {
      this.#place = isLeader ? 'here' : 'elsewhere'
      this.#before = undefined
      this.#interrupted.clear()
    })
    // Of this lead: they ran in a tab that is gone.
    scheduler.on('interrupted', ({ jobId }) => this.#interrupted.set(jobId, undefined))
  }

  /** Told of all jobs, each time that they are looked up. */
  found(jobs: readonly PrintJob[]): void {
    if (this.#place === 'looking') this.#place = 'elsewhere'
    if (this.#place === 'elsewhere') this.#hasFollowed = true
    this.#before ??= jobs.filter((job) => job.snapshot().finishedAt === undefined)
    this.show()
  }

  fail(error: unknown): void {
    this.#place = 'nowhere'
    this.#error = error
    this.show()
  }

  show(): void {
    this.#noteStarts()
    this.#box.dataset.where = this.#place
    this.#where.textContent = {
      looking: 'Looking for other tabs …',
      here: 'This tab runs the jobs.',
      elsewhere: 'Another tab runs the jobs.',
      nowhere: 'Nothing can be kept here.',
    }[this.#place]
    this.#text.textContent = this.#sentence()
  }

  #noteStarts(): void {
    for (const job of this.#before ?? []) {
      if (!this.#interrupted.has(job.id) || this.#interrupted.get(job.id) !== undefined) continue
      const { state, progress } = job.snapshot()
      // Until it runs again the progress is that of the attempt that was interrupted.
      if (state === 'running' && progress) this.#interrupted.set(job.id, progress.starts.at(-1))
    }
  }

  #sentence(): string {
    if (this.#place === 'nowhere') return (this.#error as Error).message
    if (this.#place === 'elsewhere') return 'This one shows them all the same, and takes over when that one is gone.'
    const count = this.#before?.length ?? 0
    if (count === 0) return this.#hasFollowed ? 'The other tab is gone. It left nothing undone.' : hint
    const jobs = `${count} ${count === 1 ? 'job' : 'jobs'}`
    const whence = this.#hasFollowed ? `The other tab is gone and left ${jobs}` : `${jobs} from before`
    return `${whence}: ${this.#interruptions()}`
  }

  #interruptions(): string {
    const { size } = this.#interrupted
    if (size === 0) return 'none was interrupted.'
    const starts = [...this.#interrupted.values()].filter((start) => start !== undefined)
    const were = `${size} ${size === 1 ? 'was' : 'were'} interrupted`
    return starts.length === 0 ? `${were}.` : `${were} and went on from ${listed(starts.map(percent))}.`
  }
}

const listed = (items: readonly string[]): string =>
  items.length < 2 ? items.join('') : `${items.slice(0, -1).join(', ')} and ${items.at(-1)}`
