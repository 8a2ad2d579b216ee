import type { JobRecord } from '../job/record.ts'
import { FrameScanner } from '../store/frame-scanner.ts'
import { LiveRecords } from '../store/live-records.ts'
import { Replayer } from '../store/replayer.ts'
import { withoutValues } from '../store/salvage.ts'
import { fs } from './attachment-files.ts'
import { assertStore, journalOf, pictureOf } from './journal-folder.ts'

/** A job before and after a batch; `undefined` if it was not there. */
export interface Change {
  readonly before: JobRecord | undefined
  readonly after: JobRecord | undefined
}

const pieceBytes = 1024 * 1024

/**
 * Reads what a journal says from then on, whenever it is asked. Somebody else writes it: it grows; its end is cut off and written
 * anew; after a compaction another file has its place. Then all is read once more, and compared with what was known.
 */
export class JournalFollower {
  readonly #folder: string
  readonly #outline: (record: JobRecord) => JobRecord
  #reading: Reading | undefined
  /** The journal as it was when its end made no sense. It is read again once it is another one. */
  #passedOver = ''

  /** `outline`: what to keep of a record. */
  constructor(folder: string, outline = withoutValues) {
    this.#folder = folder
    this.#outline = outline
  }

  /** The jobs as they were when it last looked. */
  get records(): readonly JobRecord[] {
    return [...(this.#reading?.records.values() ?? [])]
  }

  /** Returns what has been committed since it last looked; the first time, nothing. Throws if the journal is damaged. */
  look(): readonly Change[] {
    assertStore(this.#folder)
    const reading = this.#reading
    if (reading?.isOf(this.#folder)) {
      if (reading.readOn()) return reading.takeChanges()
      // Its writer has taken back what was there; or it is damaged, which shows as soon as all is read.
    }
    const picture = pictureOf(this.#folder)
    if (picture === this.#passedOver) return []
    const next = new Reading(this.#folder, this.#outline)
    if (!next.readOn()) {
      const problem = next.close()
      if (problem) throw new Error(problem)
      this.#passedOver = picture
      return []
    }
    next.takeChanges()
    this.#reading = next
    reading?.close()
    reading?.records.rollBack()
    return reading ? [...differences(reading.records, next.records)] : []
  }

  close(): void {
    this.#reading?.close()
  }
}

/** One file, as far as it is read. */
class Reading {
  readonly records: FollowedRecords
  readonly #path: string
  readonly #descriptor: number
  readonly #ino: number
  readonly #scanner: FrameScanner
  #size = 0
  #invalid: string | undefined

  constructor(folder: string, outline: (record: JobRecord) => JobRecord) {
    this.#path = journalOf(folder)
    this.records = new FollowedRecords(outline)
    this.#descriptor = fs().openSync(this.#path, 'r')
    this.#ino = fs().fstatSync(this.#descriptor).ino
    const replayer = new Replayer([])
    this.#scanner = new FrameScanner((payload, at) => {
      if (this.#invalid !== undefined) return
      try {
        replayer.replay(payload, this.records)
      } catch (error) {
        this.#invalid = `the content of the batch at byte ${at} is invalid: ${(error as Error).message}`
      }
    })
  }

  /** Whether the file is still the journal, and has not become shorter. */
  isOf(folder: string): boolean {
    const { ino, size } = fs().statSync(journalOf(folder))
    return ino === this.#ino && size >= this.#size
  }

  /** Reads as far as there are bytes. Returns whether all of them make sense. */
  readOn(): boolean {
    const piece = new Uint8Array(pieceBytes)
    for (;;) {
      const bytes = fs().readSync(this.#descriptor, piece, 0, piece.length, this.#size)
      if (bytes === 0) return this.#invalid === undefined && !this.#scanner.isBad
      this.#size += bytes
      this.#scanner.push(piece.subarray(0, bytes))
      if (this.#scanner.isBatchWhole) this.records.commit()
    }
  }

  takeChanges(): readonly Change[] {
    return this.records.takeChanges()
  }

  /** Returns what is wrong with it, beyond an end that is not complete. */
  close(): string | undefined {
    fs().closeSync(this.#descriptor)
    if (this.#invalid !== undefined) return `${this.#path} is damaged: ${this.#invalid}.`
    const verdict = this.#scanner.end()
    if (verdict.kind === 'damaged')
      return `${this.#path} is damaged at byte ${verdict.at}; \`npx offstage salvage\` recovers what is intact.`
    if (verdict.kind === 'foreign') return `'${this.#path}' is not a journal of offstage.`
    if (verdict.kind === 'newer') return `'${this.#path}' was written by a newer version of offstage; use that one.`
    return undefined
  }
}

/** Records that note what changes. A batch may have several frames, and counts when the last is there. */
class FollowedRecords extends LiveRecords {
  readonly #outline: (record: JobRecord) => JobRecord
  #begun: Change[] = []
  #committed: Change[] = []

  constructor(outline: (record: JobRecord) => JobRecord) {
    super()
    this.#outline = outline
  }

  override set(record: JobRecord, bytes: number): void {
    const after = this.#outline(record)
    this.#begun.push({ before: this.get(record.seq), after })
    super.set(after, bytes)
  }

  override delete(seq: number): void {
    this.#begun.push({ before: this.get(seq), after: undefined })
    super.delete(seq)
  }

  commit(): void {
    this.#committed.push(...this.#begun.splice(0))
  }

  takeChanges(): readonly Change[] {
    return this.#committed.splice(0)
  }

  /** Takes back what a batch without an end has changed. */
  rollBack(): void {
    for (const { before, after } of this.#begun.splice(0).reverse()) {
      if (before) super.set(before, 0)
      else if (after) super.delete(after.seq)
    }
  }
}

function* differences(before: LiveRecords, after: LiveRecords): Iterable<Change> {
  for (const record of before.values()) {
    const there = after.get(record.seq)
    if (!there || hasMoved(record, there)) yield { before: record, after: there }
  }
  for (const record of after.values()) if (!before.get(record.seq)) yield { before: undefined, after: record }
}

/** Whether something about the job is another that is not one of its values. */
export const hasMoved = (before: JobRecord, after: JobRecord): boolean =>
  movable.some((field) => before[field] !== after[field])

const movable = ['state', 'attempt', 'failures', 'priority', 'runAt', 'id'] as const
