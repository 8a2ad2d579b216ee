import { createRecord } from '../job/job-options.ts'
import { isTerminal, type JobRecord } from '../job/record.ts'
import type { Action, MutableRecord } from '../job/transition.ts'
import { nextTask } from '../platform/hop.ts'
import { atOnceMax, inSlices } from '../platform/in-slices.ts'
import type { Inserted, InsertRequest } from './engine.ts'
import type { Admitting } from './extension-hooks.ts'
import { duplicate, extensionMissing, queueFull } from './job-errors.ts'
import type { Jobs } from './jobs.ts'
import type { Lifecycle } from './lifecycle.ts'
import { LiveJob } from './live-job.ts'
import type { Outcomes } from './outcomes.ts'

export interface IntakeOptions {
  readonly maxQueued: number
  readonly adopt?: (record: JobRecord, isNew: boolean) => LiveJob | undefined
}

type KnownJobs = Pick<
  Jobs,
  | 'store'
  | 'clock'
  | 'index'
  | 'lines'
  | 'retention'
  | 'notifier'
  | 'values'
  | 'extensions'
  | 'add'
  | 'restore'
  | 'replace'
>

/** Takes jobs in: new ones from callers, after all checks, and those that the store kept from an earlier process or page. */
export class Intake implements Admitting {
  readonly #jobs: KnownJobs
  readonly #outcomes: Pick<Outcomes, 'whenCommitted'>
  readonly #lifecycle: Pick<Lifecycle, 'assertTaking'>
  readonly #options: IntakeOptions
  #seq = 0

  constructor(
    jobs: KnownJobs,
    outcomes: Pick<Outcomes, 'whenCommitted'>,
    lifecycle: Pick<Lifecycle, 'assertTaking'>,
    options: IntakeOptions,
  ) {
    this.#jobs = jobs
    this.#outcomes = outcomes
    this.#lifecycle = lifecycle
    this.#options = options
  }

  // From the store.

  /** Takes over the stored jobs. `end`: the action for jobs that were running. */
  restore(records: readonly JobRecord[], end: Action): void {
    const finished: LiveJob[] = []
    for (const record of inOrder(records)) {
      const job = this.#adopted(new LiveJob(record), false)
      const before = job.committed
      job.committed = record
      this.#jobs.index.add(job)
      if (before || job.observers) this.#catchUp(job, before)
      this.#seq = Math.max(this.#seq, record.seq)
      // Only these two say when jobs were added. A job that is not due yet, or was cancelled before it was due, does not.
      if (record.state === 'queued' || record.state === 'running')
        this.#jobs.lines.time = Math.max(this.#jobs.lines.time, record.dueAt)
      if (isTerminal(record.state)) finished.push(job)
    }
    // The end of one may be the end of others: of those that it has run.
    for (const job of this.#jobs.index.jobs) this.#jobs.restore(job, end)
    this.#jobs.index.lastRestored = this.#seq
    this.#jobs.retention.putBack(finished)
  }

  /** Returns the object that already stands for this job, or else this one. */
  #adopted(job: LiveJob, isNew: boolean): LiveJob {
    const adopted = this.#options.adopt?.(job.record, isNew)
    if (!adopted) return job
    adopted.record = job.record
    return adopted
  }

  /** Notifies about what happened to an adopted job while no engine could report it. */
  #catchUp(job: LiveJob, before: JobRecord | undefined): void {
    this.#jobs.notifier.catchUp(job, before)
    for (const reader of job.observers?.readers ?? []) this.#jobs.values.feed(job, reader)
    if (job.hasEnded) job.settle(job.visible)
    this.#jobs.notifier.snapshotChanged(job)
  }

  // From callers.

  insert(request: InsertRequest): Inserted {
    this.#lifecycle.assertTaking()
    const { extensions } = this.#jobs
    return extensions?.joins([request]) ? extensions.insertIn(this, request) : this.insertNow(request, request)
  }

  /** `call`: if the store refuses this call, the new job is refused with it. */
  insertNow(request: InsertRequest, call: object | undefined, draft?: LiveJob): Inserted {
    const { extensions } = this.#jobs
    if (extensions?.admits) return extensions.admit(request, call, this, draft)
    const there = this.there(request)
    if (!there || mustReplace(request)) this.assertRoom(1)
    return this.settle(request, call, there, draft)
  }

  /** Runs all checks first and changes jobs only then: all or none. `drafts`: the jobs, if they were made beforehand. */
  insertMany(requests: readonly InsertRequest[], drafts?: readonly LiveJob[]): Inserted[] | Promise<Inserted[]> {
    const uncommitted = this.#checkMany(requests)
    if (uncommitted) return this.#retryBehind(uncommitted, requests)
    if (!drafts && requests.length > atOnceMax) return this.#insertSlowly(requests)
    const { extensions } = this.#jobs
    if (!extensions?.joins(requests)) return this.#insertAll(requests, drafts)
    return extensions.inCall(requests, () => this.#insertAll(requests, drafts))
  }

  /**
   * Makes the jobs in slices, which takes time, before anything is added. Then everything is checked again, because much may
   * have changed.
   */
  async #insertSlowly(requests: readonly InsertRequest[]): Promise<Inserted[]> {
    let seq = this.#seq
    const drafts = await inSlices(requests, (request) =>
      this.#draft(request, request.options?.id ?? this.#jobs.index.makeId(seq + 1), ++seq),
    )
    // The one long step gets a task of its own, apart from the last slice before it and the first one after it.
    await nextTask()
    const inserted = await this.insertMany(requests, drafts)
    await nextTask()
    return inserted
  }

  /**
   * Throws when a request is refused. Returns a job that has to be committed first, because otherwise the call could not be
   * refused as a whole.
   */
  #checkMany(requests: readonly InsertRequest[]): LiveJob | undefined {
    this.#lifecycle.assertTaking()
    const firstOfId = new Map<string, InsertRequest>()
    let added = 0
    let uncommitted: LiveJob | undefined
    for (const request of requests) {
      const id = request.options?.id
      const there = this.there(request)
      const first = id === undefined ? undefined : firstOfId.get(id)
      if (first && (first.name !== request.name || request.options?.ifExists === 'reject'))
        throw duplicate(id as string, ' among those that are added with it')
      if (first) continue
      if (id !== undefined) firstOfId.set(id, request)
      if (!there || mustReplace(request)) added++
      else if (!there.committed) uncommitted = there
    }
    // If the store does not take that job, this call has to add it.
    if (uncommitted && this.#jobs.store.isDurable) return uncommitted
    if (!this.#jobs.extensions?.admits) this.assertRoom(added)
    return undefined
  }

  #insertAll(requests: readonly InsertRequest[], drafts?: readonly LiveJob[]): Inserted[] {
    const insertedById = new Map<string, Inserted>()
    return requests.map((request, index) => {
      const id = request.options?.id
      const twin = id === undefined ? undefined : insertedById.get(id)
      if (twin) {
        request.attach?.(twin.job)
        return { job: twin.job, disposition: 'existing' }
      }
      const inserted = this.insertNow(request, requests, drafts?.[index])
      if (id !== undefined) insertedById.set(id, inserted)
      return inserted
    })
  }

  async #retryBehind(uncommitted: LiveJob, requests: readonly InsertRequest[]): Promise<Inserted[]> {
    await this.#outcomes.whenCommitted(uncommitted).catch(() => {})
    return this.insertMany(requests)
  }

  /** Returns the job that already has the id, if the request accepts that. Throws `DUPLICATE_ID` otherwise. */
  there({ name, options }: InsertRequest): LiveJob | undefined {
    for (const extension in options?.extensions) this.#assertOpen(extension)
    const id = options?.id
    const there = id === undefined ? undefined : this.#jobs.index.get(id)
    if (id === undefined || !there) return undefined
    const { ifExists } = options ?? {}
    if (ifExists === 'reject') throw duplicate(id, '')
    if (ifExists === 'replace') {
      if (there.record.state === 'running') throw duplicate(id, ', and it is running')
    } else if (there.record.name !== name)
      throw duplicate(id, ` of another type: '${there.record.name}', not '${name}'`)
    return there
  }

  /** What is said to an extension is not dropped in silence. */
  #assertOpen(extension: string): void {
    const { extensions } = this.#jobs
    if (!extensions) throw extensionMissing(extension)
    extensions.assertOpen(extension)
  }

  assertRoom(added: number): void {
    const { waiting } = this.#jobs.index
    if (waiting + added > this.#options.maxQueued) throw queueFull(waiting, this.#options.maxQueued)
  }

  /** `there`: the existing job, which is returned or replaced. */
  settle(
    request: InsertRequest,
    call: object | undefined,
    there: LiveJob | undefined,
    draft?: LiveJob,
    isReplaced = there !== undefined && mustReplace(request),
  ): Inserted {
    if (there && isReplaced) this.#jobs.replace(there, call)
    const job = there && !isReplaced ? there : this.#add(request, call, draft)
    request.attach?.(job)
    return { job, disposition: isReplaced ? 'replaced' : there ? 'existing' : 'created' }
  }

  #add(request: InsertRequest, call: object | undefined, draft?: LiveJob): LiveJob {
    const { options, transfer, attach } = request
    const made = draft
      ? this.#number(draft, options?.id)
      : this.#draft(request, options?.id ?? this.#nextId(), ++this.#seq)
    const job = this.#adopted(made, true)
    // With a durable store the input is copied to the worker, so that it is still here for another attempt.
    if (transfer && !this.#jobs.store.isDurable) job.transfer = transfer
    this.#jobs.add(job, options, attach !== undefined, call)
    return job
  }

  /** Makes a job without adding it. */
  #draft(request: InsertRequest, id: string, seq: number): LiveJob {
    const { name, input, options, defaults, isBlocked, markRules, again } = request
    const now = this.#jobs.clock.now()
    const lineTime = Math.max(this.#jobs.lines.time, now)
    this.#jobs.lines.time = lineTime
    const record: MutableRecord = createRecord({ id, name, input, seq, lineTime, isBlocked }, options, defaults, now)
    if (markRules) record.rules = markRules(record.rules)
    if (again) record.steps = again.steps
    return new LiveJob(record)
  }

  /**
   * Keeps the sequence number of the draft, unless other jobs were added meanwhile. Nothing refers to the draft yet, so its
   * record may still be changed.
   */
  #number(draft: LiveJob, id: string | undefined): LiveJob {
    const record = draft.record as MutableRecord
    if (record.seq <= this.#seq || this.#jobs.index.isNamed(record.id)) {
      record.id = id ?? this.#nextId()
      record.seq = this.#seq + 1
    }
    this.#seq = record.seq
    return draft
  }

  /** Makes the id for the next sequence number. */
  #nextId(): string {
    let id = this.#jobs.index.makeId(this.#seq + 1)
    while (this.#jobs.index.isNamed(id)) id = this.#jobs.index.makeId(++this.#seq + 1)
    return id
  }
}

const mustReplace = ({ options }: InsertRequest): boolean => options?.ifExists === 'replace'

/** Sorts by the order of adding. A store may return another order, but a copy of a million records is not made without need. */
function inOrder(records: readonly JobRecord[]): readonly JobRecord[] {
  const isSorted = records.every(({ seq }, index) => index === 0 || (records[index - 1] as JobRecord).seq < seq)
  return isSorted ? records : [...records].sort((a, b) => a.seq - b.seq)
}
