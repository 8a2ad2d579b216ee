// A store of one's own, written as a class with the types that `offstage` exports.
import { type Change, createScheduler, type Store, type Stored, type StoreHost } from 'offstage'
import type { jobs } from './jobs.ts'

class ListStore implements Store {
  readonly isDurable = true
  readonly changes: Change[] = []
  #host: StoreHost | undefined

  open(host: StoreHost): Stored {
    this.#host = host
    return { records: [], rows: [] }
  }

  check(_value: unknown, _what: string): void {}

  async commit(changes: readonly Change[]): Promise<void> {
    this.changes.push(...changes)
    const startedAt: number | undefined = changes[0]?.after?.startMs
    if (startedAt && this.#host) this.#host.clock.now() satisfies number
  }

  close(): void {}
}

createScheduler<typeof jobs>('./jobs.js', { store: new ListStore() })
// @ts-expect-error: it cannot say what it keeps.
createScheduler<typeof jobs>('./jobs.js', { store: { open: () => undefined, commit: () => {}, close: () => {} } })
