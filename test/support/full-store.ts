import type { JobRecord } from '../../src/job/record.ts'
import { memoryStore } from '../../src/store/memory-store.ts'
import type { Change, Row, Store } from '../../src/store/store.ts'

/** A disk that can be full, for schedulers one after the other. Each batch of a full one is refused. */
export class Disk {
  isFull = false
  /** Batches wait for it. */
  gate: Promise<void> | undefined
  readonly records = new Map<number, JobRecord>()
  readonly rows = new Map<string, Row>()
  readonly cause = new Error('no room')

  get store(): Store {
    return {
      ...memoryStore(),
      isDurable: true,
      open: () => ({ records: [...this.records.values()], rows: [...this.rows.values()] }),
      commit: async (changes) => {
        await this.gate
        this.#commit(changes)
      },
    }
  }

  #commit(changes: readonly Change[]): void {
    if (this.isFull) throw this.cause
    for (const { before, after, rows } of changes) {
      if (after) this.records.set(after.seq, after)
      else if (before) this.records.delete(before.seq)
      for (const row of rows ?? []) {
        const key = JSON.stringify([row.table, row.key])
        if (row.value === undefined) this.rows.delete(key)
        else this.rows.set(key, row)
      }
    }
  }
}
