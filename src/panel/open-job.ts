import type { Recorded, WaitReason } from '../engine/engine.ts'
import type { JobSnapshot } from '../engine/job-observers.ts'
import { type JobEvent, jobEventTypes } from '../events/event-map.ts'
import type { HistoryEntry } from '../history/entry.ts'
import { isWaiting } from '../job/record.ts'
import type { Job } from '../typed-job.ts'
import type { Scheduler } from '../typed-scheduler.ts'
import { cut, textOf } from './value-text.ts'

/** What the panel asks a history. */
export interface PanelHistory {
  /** What is kept of this job. */
  of(jobId: string): Promise<readonly HistoryEntry[]>
}

/** Something that has happened to the job. */
export interface Moment {
  readonly at: number
  readonly what: string
  readonly attempt: number | undefined
  readonly detail: string
}

/** Of what is heard while the job is open, so much is kept: the newest. */
const heardMax = 500
/** Events that say nothing that is not shown elsewhere. */
const unheard = ['progress', 'value']

/** The job that is open: what can be seen of it, and what is asked about it again and again. */
export class OpenJob {
  readonly id: string
  /** `undefined` while it is looked for; `null` if there is none. */
  job: Job | null | undefined
  input: unknown
  result: unknown
  recorded: Recorded | undefined
  why: readonly WaitReason[] = []
  /** What has happened, the oldest first. */
  past: readonly Moment[] = []
  /** What the handler has logged since the job was opened. */
  logs: readonly Moment[] = []
  readonly #scheduler: Scheduler
  readonly #history: PanelHistory | undefined
  readonly #changed: () => void
  #stops: (() => void)[] = []
  #heard: readonly Moment[] = []
  #read: JobSnapshot | undefined
  #isReading = false
  #isClosed = false

  constructor(scheduler: Scheduler, id: string, history: PanelHistory | undefined, changed: () => void) {
    this.id = id
    this.#scheduler = scheduler
    this.#history = history
    this.#changed = changed
  }

  async open(): Promise<void> {
    const job = (await this.#scheduler.get(this.id)) ?? null
    if (this.#isClosed) return
    this.job = job
    if (job) {
      this.input = job.input
      this.#stops = [job.subscribe(this.#changed), ...jobEventTypes.map((type) => job.on(type as 'log', this.#hear))]
      await this.refresh()
    }
    this.#changed()
  }

  readonly #hear = (event: JobEvent) => {
    if (unheard.includes(event.type)) return
    const moment = { at: event.at, what: event.type, attempt: event.attempt, detail: detailOf(event) }
    if (event.type === 'log') this.logs = [...this.logs, { ...moment, what: '' }].slice(-heardMax)
    else this.#heard = [...this.#heard, moment].slice(-heardMax)
    if (event.type === 'removed') this.job = null
    this.#read = undefined
    void this.refresh().catch(() => {})
  }

  /** Asks again what may have changed. Call it from time to time. */
  async refresh(): Promise<void> {
    const { job } = this
    if (!job || this.#isReading) return
    const seen = job.snapshot()
    const isNew = seen !== this.#read
    if (!isNew && !isWaiting(seen.state) && seen.state !== 'running') return
    this.#isReading = true
    try {
      const [why, recorded, entries] = await Promise.all([
        isWaiting(seen.state) ? this.#scheduler.whyWaiting(this.id) : [],
        isNew || seen.state === 'running' ? this.#scheduler.recorded(this.id) : this.recorded,
        isNew ? this.#history?.of(this.id) : undefined,
      ])
      this.why = why
      this.recorded = recorded
      if (seen.state === 'completed' && isNew) this.result = await job.result()
      if (isNew) this.past = entries?.length ? entries.map(momentOf) : this.#withoutHistory(seen)
      this.#read = seen
    } finally {
      this.#isReading = false
    }
    this.#changed()
  }

  /** The times of the job itself, and what was heard since it was opened. */
  #withoutHistory({ state, attempt, addedAt, startedAt, finishedAt, error }: JobSnapshot): readonly Moment[] {
    const known = (what: string, at: number | undefined, attempt?: number, detail = ''): Moment[] =>
      at === undefined || this.#heard.some((moment) => moment.what === what && moment.at >= at)
        ? []
        : [{ at, what, attempt, detail }]
    return [
      ...known('added', addedAt),
      ...known('started', startedAt, attempt),
      ...known(state, finishedAt, attempt, error === undefined ? '' : summaryOf(error)),
      ...this.#heard,
    ].sort((one, other) => one.at - other.at)
  }

  close(): void {
    this.#isClosed = true
    for (const stop of this.#stops) stop()
  }
}

const momentOf = ({ at, move, from, to, attempt, error }: HistoryEntry): Moment => ({
  at,
  what: move,
  attempt,
  detail: [from !== to && `${from ?? 'new'} → ${to ?? 'gone'}`, error && cut(titleOf(error), summaryMax)]
    .filter(Boolean)
    .join(', '),
})

/** Returns what an event says beside its type. */
function detailOf(event: JobEvent): string {
  if ('args' in event) return cut(event.args.map((arg) => (typeof arg === 'string' ? arg : textOf(arg, 500))).join(' '))
  if ('error' in event && event.error !== undefined) return summaryOf(event.error)
  if ('signal' in event) return event.signal
  return 'reason' in event ? event.reason : ''
}

/** A message may be as long as a page that a server has sent. */
const summaryMax = 500

export const titleOf = ({ name, message }: Pick<Error, 'name' | 'message'>): string => `${name}: ${message}`

export const summaryOf = (error: unknown): string =>
  error instanceof Error ? cut(titleOf(error), summaryMax) : textOf(error, 200)
