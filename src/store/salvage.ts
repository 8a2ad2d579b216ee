/**
 * Recovers what is intact in a damaged journal. Recovery refuses a damaged journal; salvage is for a user who has decided that
 * some jobs are better than none. What cannot be read is a gap, and never the end.
 *
 * A frame with a wrong checksum is not read in part. Any of its bytes may be the wrong one, and most bytes are in values: a job
 * could get a value with a wrong bit as if it were right.
 */
import type { JobRecord } from '../job/record.ts'
import type { ErrorClass } from '../shared/error-wire.ts'
import { OffstageError } from '../shared/errors.ts'
import type { Attachment, Attachments, Holder } from './attachments.ts'
import { formatVersion, headerBytes } from './frame.ts'
import { type ByteSource, JournalBytes } from './journal-bytes.ts'
import { holderOf, LiveRecords, valuesIn } from './live-records.ts'
import { type Misfit, Replayer } from './replayer.ts'
import type { Row } from './store.ts'
import { endOf, headerAt, type Run, survey } from './survey.ts'

/** A part of the journal that cannot be read. */
interface Gap {
  readonly at: number
  readonly bytes: number
  /** How many batches stood there; 0 if that cannot be told. */
  readonly batches: number
}

/** A batch whose checksum is right, but of which some change, and everything after it, cannot be read. */
interface Unreadable {
  readonly at: number
  readonly bytes: number
  readonly reason: string
}

/** Something that looks like a journal and lies in the damaged part of this one: data of a job. */
interface Stray {
  readonly at: number
  readonly bytes: number
  readonly batches: number
}

export interface Salvage {
  /** Sorted by `seq`, with one record for each id. */
  readonly records: readonly JobRecord[]
  /** Rows of extensions. If a batch is lost, they may be from another moment than the records. */
  readonly rows: readonly Row[]
  readonly batches: number
  readonly bytes: number
  readonly gaps: readonly Gap[]
  readonly unreadable: readonly Unreadable[]
  readonly strays: readonly Stray[]
  /** How many changes there are of jobs whose beginning is lost. */
  readonly orphans: number
  /** The ids of jobs whose first recorded steps are lost, while later ones are intact. */
  readonly partial: readonly string[]
  /**
   * The ids of jobs that had frames of their own, the last of which are lost. These may have contained a result, an error or a
   * checkpoint.
   */
  readonly incomplete: readonly string[]
  /** What the values of records and rows name, with its holders; also of those whose values are not kept here. */
  readonly attachments: Attachments
  /** The records and rows of which a blob is lost. */
  readonly broken: ReadonlySet<Holder>
  /** The ids of jobs that were replaced by a job with the same id, while the batch that did it is lost. */
  readonly replaced: readonly string[]
  readonly isDamaged: boolean
}

export interface SalvageOptions {
  readonly errors: readonly ErrorClass[]
  /**
   * For which records to keep the values: input, result, error, checkpoint, steps. The others then take little memory, even in
   * a large journal.
   */
  readonly keeps: (record: JobRecord) => boolean
  /** What to keep of the others. Default: all but their values. Called whenever a record has changed. */
  readonly outline?: (record: JobRecord) => JobRecord
  /** For which rows to keep the value. Default: for all. */
  readonly keepsRow?: (table: string, key: string) => boolean
  /** Whether the bytes of an attachment are there, as they were written. Default: always. */
  readonly has?: (attachment: Attachment) => boolean
}

/** Returns `undefined` if there is no sign of a journal. */
export function salvage(
  source: ByteSource,
  { errors, keeps, outline = withoutValues, keepsRow = () => true, has = () => true }: SalvageOptions,
): Salvage | undefined {
  const bytes = new JournalBytes(source)
  const { runs, strays } = survey(bytes)
  if (runs.length === 0 && strays.length === 0) return undefined
  passOverTornEnd(runs)
  const found = new KeptRecords({ keeps, outline, keepsRow })
  const misfits: Record<Misfit, number> = { orphan: 0, clash: 0, steps: 0 }
  const partial = new Set<number>()
  const replayer = new Replayer(errors, (misfit, seq) => {
    misfits[misfit]++
    if (misfit === 'steps') partial.add(seq)
  })
  const unreadable: Unreadable[] = []
  const incomplete = new Set<number>()
  for (const run of runs) {
    replayRun(bytes, run, (payload) => replayer.replay(payload, found.begin()), unreadable)
    const [seq] = found.changed
    if (run.end > run.wholeEnd && seq !== undefined && found.changed.size === 1) incomplete.add(seq)
  }
  const gaps = gapsBetween(runs, bytes.size)
  const { records, replaced } = oneForEachId(found)
  const broken = new Set([...found.attachments.held()].flatMap(([holder, each]) => (has(each) ? [] : holder)))
  return {
    records,
    rows: [...found.rows()],
    attachments: found.attachments,
    broken,
    batches: runs.reduce((sum, { batches }) => sum + batches, 0),
    bytes: bytes.size,
    gaps,
    unreadable,
    strays: bySalt(strays),
    orphans: misfits.orphan,
    partial: records.filter(({ seq, steps }) => steps && partial.has(seq)).map(({ id }) => id),
    incomplete: records.filter(({ seq }) => incomplete.has(seq)).map(({ id }) => id),
    replaced,
    isDamaged: gaps.length + unreadable.length + misfits.orphan + misfits.clash + misfits.steps + broken.size > 0,
  }
}

/**
 * Drops a batch at the end that is incomplete, and so was never acknowledged, as recovery does. If there is damage before it,
 * every whole frame counts.
 */
function passOverTornEnd([run, ...others]: readonly Run[]): void {
  if (run?.at === 0 && others.length === 0) run.end = run.wholeEnd
}

type Keeping = Required<Pick<SalvageOptions, 'keeps' | 'outline' | 'keepsRow'>>

class KeptRecords extends LiveRecords {
  readonly #keeping: Keeping
  /** The jobs that the last frame changed. */
  readonly changed = new Set<number>()

  constructor(keeping: Keeping) {
    super()
    this.#keeping = keeping
  }

  /** Call it before each frame. */
  begin(): this {
    this.changed.clear()
    return this
  }

  override set(record: JobRecord, bytes: number): void {
    this.changed.add(record.seq)
    const { keeps, outline } = this.#keeping
    super.set(keeps(record) ? record : outline(record), bytes)
    this.attachments.hold(holderOf(record), valuesIn(record))
  }

  override setRow(row: Row, bytes: number): void {
    super.setRow(this.#keeping.keepsRow(row.table, row.key) ? row : { ...row, value: undefined }, bytes)
    this.attachments.hold(holderOf(row), valuesIn(row))
  }
}

/** It keeps whether the job has steps, because more of them may follow. */
export const withoutValues = (record: JobRecord): JobRecord => ({
  ...record,
  input: undefined,
  result: undefined,
  error: undefined,
  checkpoint: undefined,
  steps: record.steps && new Map(),
})

function replayRun(
  bytes: JournalBytes,
  run: Run,
  replay: (payload: Uint8Array) => void,
  unreadable: Unreadable[],
): void {
  for (let at = run.at; at < run.end; ) {
    const header = headerAt(bytes, at)
    // The journal was cut while it was read.
    if (!header) return void unreadable.push({ at, bytes: run.end - at, reason: 'it has changed while it was read' })
    if (header.version > formatVersion) throw newer(header.version)
    try {
      replay(bytes.copy(at + headerBytes, header.length))
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      unreadable.push({ at, bytes: headerBytes + header.length, reason })
    }
    at = endOf(at, header)
  }
}

const newer = (version: number): OffstageError =>
  new OffstageError('STORE_CORRUPT', `It was written by a newer version of offstage (format ${version}); use that one.`)

/** A broken chain is also a gap, even if no byte is missing between two runs. */
function gapsBetween(runs: readonly Run[], size: number): Gap[] {
  const gaps: Gap[] = []
  let [at, sequence, checksum] = [0, 0, 0]
  for (const run of runs) {
    const batches = run.firstSequence - sequence - 1
    if (run.at > at || batches > 0 || run.firstPrevious !== checksum) gaps.push({ at, bytes: run.at - at, batches })
    at = run.end
    sequence = run.lastSequence
    checksum = run.lastChecksum
  }
  if (at < size) gaps.push({ at, bytes: size - at, batches: 0 })
  return gaps
}

/**
 * A removal may be lost. When two jobs have the same id, the earlier one must have been removed before the later one was added.
 */
function oneForEachId(found: LiveRecords): Pick<Salvage, 'records' | 'replaced'> {
  const sorted = [...found.values()].sort((a, b) => a.seq - b.seq)
  const lastOfId = new Map(sorted.map((record) => [record.id, record]))
  if (lastOfId.size === sorted.length) return { records: sorted, replaced: [] }
  const isLast = (record: JobRecord) => lastOfId.get(record.id) === record
  return {
    records: sorted.filter(isLast),
    replaced: sorted.filter((record) => !isLast(record)).map(({ id }) => id),
  }
}

function bySalt(runs: readonly Run[]): Stray[] {
  const strays = new Map<number, { at: number; bytes: number; batches: number }>()
  for (const { salt, at, end, batches } of runs) {
    const stray = strays.get(salt)
    if (stray) {
      stray.bytes += end - at
      stray.batches += batches
    } else strays.set(salt, { at, bytes: end - at, batches })
  }
  return [...strays.values()]
}
