import type { QueueState, Stats } from '../engine/engine.ts'
import type { JobSnapshot } from '../engine/job-observers.ts'
import type { ListedBatch } from '../flows/batches-extension.ts'
import type { ListedFlow } from '../flows/flows-extension.ts'
import { systemClock } from '../platform/host.ts'
import type { Schedule } from '../schedules/schedule.ts'
import type { Job } from '../typed-job.ts'
import type { JobWatch, Scheduler } from '../typed-scheduler.ts'
import { act, type Bulk, matchFor, prepare, type Verb, verbs } from './bulk.ts'
import type { PanelBatches, PanelFlows } from './families.ts'
import { type JobList, listJobs } from './job-list.ts'
import { type Match, matching } from './matching.ts'
import { OpenJob, type PanelHistory, summaryOf } from './open-job.ts'
import { filterFields, type Route, start } from './route.ts'
import { withSample } from './samples.ts'
import { jsonOf } from './value-text.ts'

/** What the panel asks the schedules of a scheduler. */
export interface PanelSchedules {
  /** All of them. */
  list(): Promise<readonly Schedule[]>
  /** Lets one add no more jobs. */
  pause(id: string): Promise<boolean>
  /** Lets it add jobs again. */
  resume(id: string): Promise<boolean>
  /** Adds its job now. */
  trigger(id: string): Promise<string | undefined>
  /** Removes it. */
  remove(id: string): Promise<boolean>
}

/** What the extensions of a scheduler have returned: the panel cannot find them by itself. */
export interface Extras {
  /** What `history` has returned, for the timelines of jobs. Default: none. */
  readonly history?: PanelHistory | undefined
  /** What `schedules` has returned. Default: no schedules are shown. */
  readonly schedules?: PanelSchedules | undefined
  /** What `flows` has returned. Default: no flows are shown. */
  readonly flows?: PanelFlows | undefined
  /** What `batches` has returned. Default: no batches are shown. */
  readonly batches?: PanelBatches | undefined
}

/** A thread that has ended. */
export interface Exit {
  readonly at: number
  readonly workerId: number
  readonly why: string
}

const tickMs = 1_000
const runningMax = 100
const exitsMax = 20
/** An export has no more jobs than these. */
const exportedMax = 10_000
/** So many flows and batches are listed at first, and more each time that more are wanted. */
const familiesStep = 50
/** So many names are suggested. */
const suggestedMax = 100

/** What the panel shows, without how it is drawn. It asks the scheduler only for what is looked at. */
export class Model {
  readonly scheduler: Scheduler
  readonly extras: Extras
  route: Route = start
  list: JobList
  /** The row that the keyboard is at. */
  active = 0
  job: OpenJob | undefined
  bulk: Bulk | undefined
  /** What has been done, or went wrong, for people who may not see it. */
  status = ''
  isError = false
  samples: readonly Stats[] = []
  queues: readonly QueueState[] = []
  schedules: readonly Schedule[] = []
  flows: readonly ListedFlow[] = []
  batches: readonly ListedBatch[] = []
  familiesMax = familiesStep
  /** The flow whose jobs are shown. */
  flow: Awaited<ReturnType<PanelFlows['get']>>
  running: readonly JobSnapshot[] = []
  exits: readonly Exit[] = []
  /** The names that were seen, to be suggested in filters. */
  readonly seen = { text: new Set<string>(), name: new Set<string>(), queue: new Set<string>(), tag: new Set<string>() }
  readonly #onChange: () => void
  readonly #stops: (() => void)[] = []
  #runningWatch: JobWatch | undefined
  #stopTimer: (() => void) | undefined

  constructor(scheduler: Scheduler, extras: Extras, route: Route, onChange: () => void) {
    this.scheduler = scheduler
    this.extras = extras
    this.#onChange = onChange
    this.list = none
    this.#stops.push(
      scheduler.subscribe(onChange),
      scheduler.on('worker:exit', ({ at, workerId, error }) => {
        const why = error === undefined ? 'there was no work for it' : summaryOf(error)
        this.exits = [{ at, workerId, why }, ...this.exits].slice(0, exitsMax)
        onChange()
      }),
    )
    this.go(route)
    this.tick()
  }

  /** The jobs that are listed. A field without a value filters nothing. */
  get match(): Match {
    const { state, name, queue, tag, text } = this.route
    const filter = { state: state || undefined, name: name || undefined, queue: queue || undefined }
    return { filter: { ...filter, tag: tag || undefined }, text }
  }

  /** Looks at something else: what is given replaces that part of the route. */
  go(part: Partial<Route>): void {
    const before = this.route
    this.route = { ...before, ...part }
    const { view, job } = this.route
    const isSame = filterFields.every((field) => before[field] === this.route[field])
    try {
      if (!isSame || this.list === none) this.relist()
      if (job !== before.job || (job !== '') !== Boolean(this.job)) this.#openJob(job)
      this.#watchRunning(view === 'workers')
    } catch (error) {
      this.fail(error)
    }
    if (view !== before.view) this.#readView()
    this.#onChange()
  }

  /** Lists the jobs anew; a search searches again. */
  relist(): void {
    this.list.close()
    this.active = 0
    this.list = none
    this.list = listJobs(this.scheduler, this.match, this.#onChange, this.fail)
  }

  #openJob(id: string): void {
    this.job?.close()
    this.job = id === '' ? undefined : new OpenJob(this.scheduler, id, this.extras.history, this.#onChange)
    this.job?.open().catch(this.fail)
  }

  #watchRunning(isShown: boolean): void {
    if (isShown === Boolean(this.#runningWatch)) return
    this.#runningWatch?.close()
    this.#runningWatch = undefined
    if (!isShown) return
    const watch = this.scheduler.watch({ state: 'running', limit: runningMax })
    const take = () => {
      this.running = watch.snapshot()
      this.#onChange()
    }
    watch.subscribe(take)
    take()
    this.#runningWatch = watch
  }

  /** Once a second; not while nobody can see it. */
  tick(): void {
    this.#stopTimer = systemClock.startTimer(() => this.tick(), tickMs, false)
    if (globalThis.document?.hidden) return
    try {
      this.samples = withSample(this.samples, this.scheduler.stats())
    } catch (error) {
      this.fail(error)
    }
    this.#readView()
    this.job?.refresh().catch(() => {})
    this.#onChange()
  }

  #readView(): void {
    this.#read().then(this.#onChange, this.fail)
  }

  async #read(): Promise<void> {
    const { schedules, flows, batches } = this.extras
    const { view } = this.route
    const page = { limit: this.familiesMax }
    // Rejects when the scheduler is closed, which is to be seen in every view.
    await this.scheduler.counts()
    if (view === 'queues') this.queues = await this.scheduler.queues()
    if (view === 'schedules') this.schedules = (await schedules?.list()) ?? []
    if (view !== 'flows') return
    this.flows = (await flows?.list(page)) ?? []
    this.batches = (await batches?.list(page)) ?? []
  }

  moreFamilies(): void {
    this.familiesMax += familiesStep
    this.#readView()
  }

  /** Shows the jobs of a flow, or no longer. */
  async openFlow(id: string): Promise<void> {
    try {
      this.flow = this.flow?.id === id ? undefined : await this.extras.flows?.get(id)
    } catch (error) {
      this.fail(error)
    }
    this.#onChange()
  }

  /** Keeps the names of a job that is shown, for suggestions. */
  see({ name, queue, tags }: JobSnapshot): void {
    const keep = (names: Set<string>, name: string) => names.size < suggestedMax && names.add(name)
    keep(this.seen.name, name)
    keep(this.seen.queue, queue)
    for (const tag of tags) keep(this.seen.tag, tag)
  }

  /** Does something, and says what has been done. */
  async do(doing: () => unknown, done: string): Promise<void> {
    try {
      const isDone = await doing()
      this.say(isDone === false || isDone === 0 ? 'Nothing to do: it has gone on meanwhile.' : done)
      this.#readView()
      await this.job?.refresh()
    } catch (error) {
      this.fail(error)
    }
  }

  say(status: string): void {
    this.status = status
    this.isError = false
    this.#onChange()
  }

  readonly fail = (error: unknown): void => {
    this.status = summaryOf(error)
    this.isError = true
    this.#onChange()
  }

  /** Does it to one job. */
  act(verb: Verb, id: string, priority = 0): Promise<void> {
    return this.do(() => act(this.scheduler, verb, id, priority), `${verbs[verb].done} ${id}.`)
  }

  /** Asks whether it shall be done to all jobs that are listed. */
  ask(verb: Verb): void {
    const match = matchFor(verb, this.match)
    if (match) this.#prepare(verb, match)
  }

  /** Asks whether this one shall be removed. */
  askToRemove(id: string): void {
    this.#prepare('remove', id)
  }

  #prepare(verb: Verb, match: Match | string): void {
    const fail = (error: unknown) => {
      this.bulk = undefined
      this.fail(error)
    }
    this.bulk = prepare(this.scheduler, verb, match, this.#onChange, fail)
    this.#onChange()
  }

  async confirm(priority: number): Promise<void> {
    const { bulk } = this
    try {
      await bulk?.confirm(priority)
      if (bulk) this.say(`${verbs[bulk.verb].done} ${jobs(bulk.done)}.${missed(bulk)}`)
    } catch (error) {
      this.fail(error)
    }
    if (this.bulk === bulk) this.bulk = undefined
    if (this.route.text) this.relist()
    this.#onChange()
  }

  /** Closes the question, and stops what it has begun. */
  dismiss(): void {
    this.bulk?.stop()
    if (this.bulk?.stage !== 'acting') this.bulk = undefined
    this.#onChange()
  }

  /** Returns the jobs that are listed, or the one, as JSON. */
  async export(id?: string): Promise<string> {
    const rows: unknown[] = []
    let isCut = false
    if (id !== undefined) {
      const job = await this.scheduler.get(id)
      if (job) rows.push({ ...(await exported(job)), recorded: jsonOf(await this.scheduler.recorded(id)) })
    } else {
      for await (const found of matching(this.scheduler, this.match)) {
        const room = exportedMax - rows.length
        for (const job of found.jobs.slice(0, room)) rows.push(await exported(job))
        isCut = found.isCut || found.jobs.length > room
        if (rows.length === exportedMax) break
      }
    }
    this.say(`Exported ${jobs(rows.length)}${isCut ? ', and there are more: narrow the filter' : ''}.`)
    return JSON.stringify(id === undefined ? rows : rows[0], null, 2)
  }

  close(): void {
    this.#stopTimer?.()
    this.#runningWatch?.close()
    this.list.close()
    this.job?.close()
    this.bulk?.stop()
    for (const stop of this.#stops) stop()
  }
}

/** The list before there is one. */
const none: JobList = {
  size: 0,
  at: () => undefined,
  more() {},
  hasMore: false,
  looked: undefined,
  isSearching: false,
  close() {},
}

async function exported(job: Job): Promise<object> {
  const seen = job.snapshot()
  const ended = seen.state === 'completed' && { result: jsonOf(await job.result()) }
  return { ...(jsonOf(seen) as object), input: jsonOf(job.input), ...ended }
}

export const numberOf = (count: number): string => count.toLocaleString('en')
export const jobs = (count: number): string => `${numberOf(count)} ${count === 1 ? 'job' : 'jobs'}`

function missed({ count, done, isStopped }: Bulk): string {
  if (done === count) return ''
  return isStopped ? ' Stopped.' : ` ${jobs(count - done)} had gone on meanwhile, and stayed as they were.`
}
