import type { Extension, ExtensionHost, ExtensionView, Move, Turn } from '../engine/extension.ts'
import type { JobRecord } from '../job/record.ts'
import { allMoves, entryOf, type HistoryEntry } from './entry.ts'

/** For how long entries are kept. */
export interface HistoryKeep {
  /** At least this many of the newest; up to a tenth more before the oldest are dropped. */
  readonly count: number
  /** And none that is older, in milliseconds. */
  readonly ageMs: number
}

/** What a projection has made of the entries up to one of them. */
interface SavedProjection {
  readonly seq: number
  readonly state: unknown
}

/** What a page asks the scheduler that runs the jobs. */
export interface HistoryCommands {
  of(jobId: string): Promise<readonly HistoryEntry[]>
  since(seq: number, limit: number): Promise<readonly HistoryEntry[]>
  /** For projections: also entries that are too old, as long as a projection has not seen them. */
  next(seq: number): Promise<NextEntries>
  load(id: string): Promise<SavedProjection | undefined>
  save(id: string, saved: SavedProjection): Promise<void>
}

interface NextEntries {
  readonly entries: readonly HistoryEntry[]
  /** The number of the oldest entry that is there. */
  readonly first: number
  /** The number of the newest one by now. */
  readonly last: number
  /** Whether there are no others by now. */
  readonly isAll: boolean
}

// Entries and projections share a table.
const projectionKey = (id: string): string => `projection ${id}`
const isProjection = (key: string): boolean => key.startsWith('projection ')

/** A projection reads so many at a time, and so many are dropped in one turn. */
const sliceLength = 1_000
/** A projection that was given up must not keep the log for ever. One that is used is never that far behind. */
const unseenMax = 10_000

/** Writes down each move of each job, in the commit of the move. */
export class HistoryExtension implements Extension<HistoryCommands> {
  readonly name = 'history'
  readonly moves = allMoves
  readonly events = ['history:written']
  keep: HistoryKeep = { count: 10_000, ageMs: 30 * 24 * 3_600_000 }
  hasData = false
  /** The number of the next entry. A move that the store refuses has had one, which is missing then. */
  #next = 1
  /** No entry has a smaller number. */
  #first = 1
  #isDropping = false
  /** Which projections are stored, or were asked for. */
  readonly #projections = new Set<string>()

  moved(turn: Turn, before: JobRecord | undefined, after: JobRecord | undefined, move: Move): void {
    this.#write(turn, before, after, (after ?? before) as JobRecord, move)
  }

  #write(
    turn: Turn,
    before: Pick<JobRecord, 'state'> | undefined,
    after: JobRecord | undefined,
    job: Pick<JobRecord, 'id' | 'name' | 'queue' | 'attempt'>,
    move: HistoryEntry['move'],
  ): void {
    const seq = this.#next++
    turn.put(String(seq), entryOf(seq, turn.clock.now(), before, after, job, move, this.hasData))
    turn.tell({ type: 'history:written', lastSeq: seq })
  }

  open(host: ExtensionHost): HistoryCommands {
    const { rows } = host
    for (const key of rows.keys()) if (isProjection(key)) this.#projections.add(key)
    const seqs = [...rows.keys()].filter((key) => !isProjection(key)).map(Number)
    this.#first = seqs.reduce((least, seq) => Math.min(least, seq), Number.POSITIVE_INFINITY)
    this.#next = seqs.reduce((most, seq) => Math.max(most, seq), 0) + 1
    if (seqs.length === 0) this.#first = 1
    this.#findChanges(host)
    host.on('history:written', () => this.#drop(host))
    // What was read before is only true once it is committed.
    const read = <Result>(look: () => Result) => host.turn(look)
    return {
      of: (jobId) => read(() => this.#visible(host, this.#first, ({ jobId: id }) => id === jobId)),
      since: (seq, limit) => read(() => this.#visible(host, seq, () => true, limit)),
      next: (seq) =>
        read(() => {
          const entries = [...this.#entries(host, seq, sliceLength)]
          return { entries, first: this.#first, last: this.#next - 1, isAll: entries.length < sliceLength }
        }),
      load: (id) => {
        this.#projections.add(projectionKey(id))
        return read(() => rows.get(projectionKey(id)) as SavedProjection | undefined)
      },
      save: (id, saved) =>
        host.turn(
          (turn) => {
            const there = turn.rows.get(projectionKey(id)) as SavedProjection | undefined
            if (!there || there.seq < saved.seq) turn.put(projectionKey(id), saved)
          },
          { isRefusable: true },
        ),
    }
  }

  /** Jobs have moved while this extension was not attached; those that were running when their process ended, before it was. */
  #findChanges(host: ExtensionHost): void {
    const last = new Map<string, HistoryEntry>()
    for (const entry of this.#entries(host, this.#first)) last.set(entry.jobId, entry)
    const changed = [...last.values()].flatMap((entry) => {
      const record = host.job(entry.jobId)
      return record?.state === entry.to ? [] : { entry, record }
    })
    if (changed.length === 0) return
    const find = (turn: Turn) => {
      for (const { entry, record } of changed)
        this.#write(turn, entry.to && { state: entry.to }, record, record ?? { ...entry, id: entry.jobId }, 'found')
    }
    // Only the end of the scheduler makes it fail for good.
    host.turn(find).catch(() => {})
  }

  *#entries({ rows }: Pick<ExtensionHost, 'rows'>, from: number, limit = Number.POSITIVE_INFINITY) {
    let count = 0
    for (let seq = Math.max(from, this.#first); seq < this.#next && count < limit; seq++) {
      const entry = rows.get(String(seq)) as HistoryEntry | undefined
      if (!entry) continue
      yield entry
      count++
    }
  }

  #visible(
    host: ExtensionHost,
    from: number,
    isWanted: (entry: HistoryEntry) => boolean,
    limit = Number.POSITIVE_INFINITY,
  ): HistoryEntry[] {
    const oldest = host.clock.now() - this.keep.ageMs
    const visible: HistoryEntry[] = []
    for (const entry of this.#entries(host, from)) {
      if (visible.length === limit) break
      if (entry.at >= oldest && isWanted(entry)) visible.push(entry)
    }
    return visible
  }

  // What is too much.

  #drop(host: ExtensionHost): void {
    if (this.#isDropping || this.#dropUntil(host) === this.#first) return
    this.#isDropping = true
    const from = this.#first
    // Carried out anew if the store refuses what it is based on, such as the state of a projection.
    const drop = (turn: Turn) => {
      this.#first = from
      const until = this.#dropUntil(turn)
      for (let seq = from; seq < until; seq++) if (turn.rows.has(String(seq))) turn.put(String(seq), undefined)
      this.#first = until
    }
    const dropped = () => {
      this.#isDropping = false
    }
    host.turn(drop).then(dropped, dropped)
  }

  /** Returns the number of the oldest entry to keep. The newest one stays, so that no number comes again. */
  #dropUntil({ rows, clock }: ExtensionView): number {
    const { count, ageMs } = this.keep
    let extra = this.#next - this.#first - count
    const isTooMany = extra > count / 10
    const oldest = clock.now() - ageMs
    const unseen = extra > Math.max(unseenMax, 9 * count) ? this.#next : this.#firstUnseen(rows)
    let seq = this.#first
    for (; seq < this.#next - 1 && seq < unseen && seq < this.#first + sliceLength; seq++) {
      const entry = rows.get(String(seq)) as HistoryEntry | undefined
      if (entry && !(isTooMany && extra > 0) && entry.at >= oldest) break
      extra--
    }
    return seq
  }

  /** Returns the number of the first entry that some projection has not saved. */
  #firstUnseen(rows: ExtensionView['rows']): number {
    let first = this.#next
    for (const key of this.#projections) {
      const saved = rows.get(key) as SavedProjection | undefined
      first = Math.min(first, (saved?.seq ?? 0) + 1)
    }
    return first
  }
}
