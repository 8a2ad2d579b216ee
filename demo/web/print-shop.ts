import { createScheduler, type SchedulerSnapshot } from 'offstage'
import { idbStore } from 'offstage/idb'
import { byId, oncePerFrame } from './dom.ts'
import { JobList } from './job-list.ts'
import { LeadNews } from './lead-news.ts'
import { type Motif, motifs } from './motifs.ts'
import { PrintCard, type PrintJob } from './print-card.ts'
import type { jobs } from './print-jobs.ts'
import { Recurring } from './recurring.ts'

const threads = 2
/** Every sheet. */
const keep = { count: motifs.length, ageMs: 7 * 24 * 60 * 60 * 1_000 }

const scheduler = createScheduler<typeof jobs>(
  () => new Worker(new URL('./print-jobs.ts', import.meta.url), { type: 'module' }),
  {
    store: idbStore('offstage-demo'),
    workers: { min: 0, max: threads, idleMs: 10_000 },
    // A printer that takes three sheets in two seconds, so that one can see what waits, and why.
    queues: { printer: { rateLimit: { limit: 3, intervalMs: 2_000 } } },
    defaults: { print: { queue: 'printer' } },
    keep: { completed: keep, failed: keep, cancelled: keep },
  },
)

/** The jobs that outlive the tab. Every tab shows all of them, whichever runs them. */
export class PrintShop {
  readonly #list = new JobList('print-jobs')
  readonly #news = new LeadNews(scheduler)
  readonly #recurring = new Recurring(scheduler, (error) => this.#news.fail(error))
  readonly #cards = motifs.map((motif) => new PrintCard(motif, () => this.#print([motif])))
  readonly #jobs = new Map<string, PrintJob>()
  #isLooking = false
  /** Something has changed since it began to look. */
  #mustLook = false
  readonly #show = oncePerFrame(() => {
    for (const card of this.#cards) card.show()
    this.#news.show()
    byId('print-all').toggleAttribute(
      'disabled',
      this.#cards.every((card) => card.isUnderWay),
    )
    byId('prints-clear').toggleAttribute(
      'disabled',
      this.#cards.every((card) => !card.hasEnded),
    )
  })

  constructor() {
    byId('sheets').append(...this.#cards.map((card) => card.element))
    byId('print-all').addEventListener('click', () => {
      this.#print(motifs.filter((_, index) => !this.#cards[index]?.isUnderWay))
    })
    byId('prints-clear').addEventListener('click', () => {
      scheduler.remove({ state: ['completed', 'failed', 'cancelled'] }).catch((error) => this.#news.fail(error))
    })
    // Replaced, not left: an empty page instead, and no way back to this one.
    byId('kill').addEventListener('click', () => location.replace('./gone.html'))
    scheduler.subscribe(() => {
      if (total(scheduler.snapshot()) !== this.#jobs.size) void this.#look()
      this.#show()
    })
    scheduler.on('leader', () => void this.#look())
    for (const type of ['started', 'rate-limited'] as const) scheduler.on(type, () => void this.#look())
    // Most of these it gets over; if not, it says so when it is asked.
    scheduler.on('store:error', () => void this.#look())
    void this.#look()
  }

  #print(wanted: readonly Motif[]): void {
    scheduler.addMany(wanted.map(({ input }) => ({ name: 'print' as const, input }))).then(
      () => this.#look(),
      (error) => this.#news.fail(error),
    )
  }

  /** Which jobs there are, whoever added or removed them, and when. */
  async #look(): Promise<void> {
    this.#mustLook = true
    if (this.#isLooking) return
    this.#isLooking = true
    try {
      while (this.#mustLook) {
        this.#mustLook = false
        this.#found(await scheduler.find())
        await Promise.all(this.#cards.map((card) => card.askWhy((id) => scheduler.whyWaiting(id))))
        this.#show()
        await this.#recurring.show()
      }
    } catch (error) {
      this.#news.fail(error)
    }
    this.#isLooking = false
  }

  #found(jobs: readonly PrintJob[]): void {
    const found = new Map(jobs.map((job) => [job.id, job]))
    for (const [id, job] of this.#jobs) if (!found.has(id)) this.#remove(job)
    for (const [id, job] of found) if (!this.#jobs.has(id)) this.#add(job)
    this.#news.found(jobs)
    this.#show()
  }

  #add(job: PrintJob): void {
    const { title } = job.input
    this.#jobs.set(job.id, job)
    this.#list.add(job, title)
    this.#cardOf(title)?.add(job)
    job.subscribe(this.#show)
  }

  #remove(job: PrintJob): void {
    this.#jobs.delete(job.id)
    this.#list.remove(job.id)
    this.#cardOf(job.input.title)?.remove(job)
  }

  #cardOf(title: string): PrintCard | undefined {
    return this.#cards.find((card) => card.title === title)
  }
}

const total = ({ counts }: SchedulerSnapshot): number => Object.values(counts).reduce((sum, count) => sum + count, 0)
