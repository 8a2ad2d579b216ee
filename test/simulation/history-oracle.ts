/** What must be true of a history: it says of each job what its record says, and a projection is what all its entries make. */
import type { Step } from '../../src/engine/steps.ts'
import type { HistoryEntry } from '../../src/history.ts'
import type { JobRecord } from '../../src/job/record.ts'
import type { Row } from '../../src/store/store.ts'
import { show } from './equal.ts'
import type { Stats } from './stats.ts'
import { assert } from './truth.ts'

type Rows = ReadonlyMap<string, Row>

export const projectionId = 'p'
const projectionRow = `projection ${projectionId}`

export interface Digest {
  readonly count: number
  readonly sum: number
}
export const noEntries: Digest = { count: 0, sum: 0 }
export const digest = ({ count, sum }: Digest, { seq, jobId, to }: HistoryEntry): Digest => ({
  count: count + 1,
  sum: (sum * 31 + seq + jobId.length + (to?.length ?? 0)) % 1_000_000_007,
})

export class HistoryOracle {
  readonly #stats: Stats
  /** All that were ever committed, by number. */
  readonly #entries = new Map<number, HistoryEntry>()
  #judged: unknown

  constructor(stats: Stats) {
    this.#stats = stats
  }

  /** A power cut may have taken the newest, and a batch of unknown fate may have brought some. */
  recovered(rows: Rows): void {
    const there = entriesIn(rows.values())
    const first = Math.min(...there.keys())
    for (const seq of this.#entries.keys()) if (seq >= first && !there.has(seq)) this.#entries.delete(seq)
    if (there.size === 0) this.#entries.clear()
    for (const [seq, entry] of there) this.#entries.set(seq, entry)
  }

  judgeBatch(model: ReadonlyMap<number, JobRecord>, rows: Rows): void {
    const jobs = new Map([...model.values()].map((record) => [record.id, record]))
    const last = new Map<string, HistoryEntry>()
    const entries = [...entriesIn(rows.values()).values()].sort((a, b) => a.seq - b.seq)
    for (const entry of entries) {
      const before = last.get(entry.jobId)
      assert(
        !before || before.to === entry.from,
        'I22',
        () => `'${entry.jobId}' went ${show(before)}, and then ${show(entry)}`,
      )
      last.set(entry.jobId, entry)
    }
    for (const [id, { to, move }] of last) {
      const state = jobs.get(id)?.state
      assert(state === to, 'I22', () => `'${id}' is ${state}, and its history ends with ${move} to ${to}`)
    }
    const saved = rows.get(`history/${projectionRow}`)?.value as { seq: number; state: Digest } | undefined
    if (!saved || saved === this.#judged) return
    this.#judged = saved
    this.#stats.count('projections stored')
    this.judgeProjection(saved.seq, saved.state)
  }

  /** What it is by now. */
  judgeProjection(seq: number, state: Digest): void {
    const seen = [...this.#entries.values()].filter((entry) => entry.seq <= seq).sort((a, b) => a.seq - b.seq)
    const expected = seen.reduce(digest, noEntries)
    assert(
      show(state) === show(expected),
      'I22',
      () => `the projection of ${seq} entries is ${show(state)}, not ${show(expected)}`,
    )
  }

  committed(steps: readonly Step[]): void {
    for (const { rows = [] } of steps) {
      for (const [seq, entry] of entriesIn(rows)) {
        assert(!this.#entries.has(seq), 'I22', () => `there are two entries ${seq}`)
        this.#entries.set(seq, entry)
        this.#stats.count(entry.move === 'found' ? 'moves found afterwards' : 'moves written down')
      }
    }
  }

  get lastSeq(): number {
    return Math.max(0, ...this.#entries.keys())
  }
}

function entriesIn(rows: Iterable<Row>): Map<number, HistoryEntry> {
  const entries = new Map<number, HistoryEntry>()
  for (const { table, key, value } of rows)
    if (table === 'history' && key !== projectionRow && value !== undefined)
      entries.set(Number(key), value as HistoryEntry)
  return entries
}
