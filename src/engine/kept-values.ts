import type { NumberedStream } from '../events/numbered-stream.ts'
import { type JobRecord, keepsValues } from '../job/record.ts'
import type { Attempt } from '../pool/pool-worker.ts'
import { OffstageError } from '../shared/errors.ts'
import type { Row, Store, Stored } from '../store/store.ts'
import type { GroupCommit } from './group-commit.ts'
import { unstorable } from './job-errors.ts'
import type { JobView } from './job-view.ts'
import type { LiveJob } from './live-job.ts'
import type { Notifier } from './notifier.ts'
import { rowStep } from './steps.ts'

/** The table in the store, with a row for each value that is kept: see `rowOf`. */
const valuesTable = 'offstage:values'

/** The values of one job. */
interface Log {
  /** The newest ones, by number, without gaps. They are committed. */
  readonly values: Map<number, unknown>
  /** The number of the newest value; 0 before the first. */
  last: number
  /** The same, with those that are on their way to the store. */
  given: number
  /** The attempts that wait until they may send one more value, each with the number of the one that it has sent. */
  waiting: { readonly number: number; readonly attempt: Attempt<LiveJob> }[]
}

/** What the values need of `Jobs`. */
interface Keeper {
  readonly store: Store
  readonly notifier: Notifier
  readonly commits: Pick<GroupCommit, 'write'>
  keep(row: Row, afterwards: () => void): void
}

/**
 * The values of jobs with `keepValues`: numbered from 1, over all attempts, and the newest of them kept until the job is removed. A
 * reader gets a value once it is committed, so a number never comes to mean another value.
 *
 * A handler goes on as soon as its value is committed, unless that is so far ahead of a reader that the reader would miss some.
 */
export class KeptValues {
  readonly #jobs: Keeper
  /** By `seq` of the job. A job that keeps nothing, or has sent nothing, has none. */
  readonly #logs = new Map<number, Log>()

  constructor(jobs: Keeper) {
    this.#jobs = jobs
  }

  /** Takes over what the store has. Values of jobs that are gone, which only a salvaged store may have, are dropped. */
  restore({ records, rows }: Stored): void {
    const found = rows.filter(({ table }) => table === valuesTable)
    if (found.length === 0) return
    const seqs = new Set(records.map(({ seq }) => seq))
    const numbered = found.map((row) => [seqOf(row), ...(row.value as [number, unknown])] as const)
    for (const [seq, number, value] of numbered.sort(([, a], [, b]) => a - b))
      if (seqs.has(seq)) append(this.#logOf(seq), number, value)
    for (const row of found) if (!seqs.has(seqOf(row))) this.#jobs.keep({ ...row, value: undefined }, () => {})
  }

  #logOf(seq: number): Log {
    const log = this.#logs.get(seq) ?? { values: new Map(), last: 0, given: 0, waiting: [] }
    this.#logs.set(seq, log)
    return log
  }

  /** Takes a value that has arrived from a handler. Returns why it cannot be kept, if so. */
  receive(attempt: Attempt<LiveJob>, value: unknown): OffstageError | undefined {
    const { store, commits } = this.#jobs
    const { owner: job } = attempt
    const { record } = job
    const log = this.#logOf(record.seq)
    const number = log.given + 1
    const row = rowOf(record, number, value)
    // In its row the value lies one level deeper.
    const why = unstorable(store, value, 'value') ?? unstorable(store, row.value, 'value')
    if (why) return why
    log.given = number
    const afterwards = () => this.#arrived(job, log, number, value, attempt)
    if (store.isDurable) commits.write(rowStep(job, 'value', row, afterwards, record))
    else afterwards()
    return undefined
  }

  #arrived(job: LiveJob, log: Log, number: number, value: unknown, attempt: Attempt<LiveJob>): void {
    append(log, number, value)
    if (log.values.size > keepsValues(job.record)) log.values.delete(oldest(log))
    for (const reader of job.observers?.readers ?? []) if (reader.received === number - 1) reader.receive(number, value)
    log.waiting.push({ number, attempt })
    this.look(job)
    this.#jobs.notifier.announce(job, 'value', { value })
  }

  /** A reader has taken a value, or has left: handlers that have waited for that go on. */
  look(job: JobView): void {
    const log = this.#logs.get(job.record.seq)
    if (!log) return
    const taken = [...(job.observers?.readers ?? [])].map(({ after }) => after ?? 0)
    const room = Math.min(...taken) + keepsValues(job.record)
    while (log.waiting[0] && log.waiting[0].number <= room) {
      const [{ attempt }] = log.waiting.splice(0, 1) as [Log['waiting'][0]]
      attempt.worker.ack(attempt, 1)
    }
  }

  /** Returns a reader of the values behind the one with the number `after`; by default of all that are kept. */
  read(job: LiveJob, after: number | undefined): NumberedStream {
    const reader = job.observe().readNumbered(after, () => this.look(job))
    this.feed(job, reader)
    return reader
  }

  /** Gives a reader what it has not received yet. It fails if that is not there any more. */
  feed({ record }: JobView, reader: NumberedStream): void {
    const { values = new Map<number, unknown>(), last = 0 } = this.#logs.get(record.seq) ?? {}
    const before = last - values.size
    const from = reader.received ?? before
    if (from < before || from > last) return reader.fail(valuesGone(record, from, before, last))
    reader.begin(from)
    for (const [number, value] of values) if (number > from) reader.receive(number, value)
  }

  /** A value was refused by the store, and with it all that its job has sent since. */
  takeBack({ record }: JobView): void {
    const log = this.#logs.get(record.seq)
    if (log) log.given = log.last
  }

  /** Returns what is to be dropped of the store together with a job. */
  rowsToDrop(record: JobRecord): readonly Row[] | undefined {
    const { given = 0 } = this.#logs.get(record.seq) ?? {}
    if (given === 0 || !this.#jobs.store.isDurable) return undefined
    const count = Math.min(given, keepsValues(record))
    return Array.from({ length: count }, (_, index) => ({ ...rowOf(record, index + 1), value: undefined }))
  }

  /** The job is gone. */
  forget({ record }: JobView): void {
    this.#logs.delete(record.seq)
  }
}

/**
 * A value takes the row of the one that is too old by then. So nothing has to be dropped one by one, and a job has at most as many
 * rows as it keeps values.
 */
const rowOf = (record: JobRecord, number: number, value?: unknown): Row => ({
  table: valuesTable,
  key: `${record.seq} ${number % keepsValues(record)}`,
  value: [number, value],
})

const seqOf = ({ key }: Row): number => Number.parseInt(key, 10)

const oldest = ({ last, values }: Log): number => last - values.size + 1

/** What is before a gap, which only a salvaged store may have, is not kept. */
function append(log: Log, number: number, value: unknown): void {
  if (number !== log.last + 1) log.values.clear()
  log.values.set(number, value)
  log.last = number
  log.given = Math.max(log.given, number)
}

const valuesGone = ({ id }: JobRecord, after: number, before: number, last: number): OffstageError => {
  const why =
    after > last
      ? `the newest is number ${last}`
      : `of those that follow, only numbers ${before + 1} to ${last} are kept; without \`after\` you get these`
  const message = `The values of the job '${id}' cannot be read from behind number ${after}: ${why}.`
  return new OffstageError('VALUES_GONE', message, { jobId: id })
}
